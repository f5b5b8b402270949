//! `login_tokens`: with which another device signs in once, as hashes.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params};

/// What [`take`] must find.
pub const TAKE_GUARD: &str = "login_tokens.token_hash";

/// The owner of a token that is still good.
pub async fn owner(snapshot: &Snapshot, token_hash: &[u8], now_ms: i64) -> Result<Option<UserNum>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT user_num FROM login_tokens WHERE token_hash = $1 AND expires_ts > $2",
            &params![token_hash, now_ms],
        )
        .await?;
    row.map(|row| row.num(0)).transpose()
}

/// Gives somebody a token. Those that they had before are good no more.
pub fn replace(batch: &mut Batch, token_hash: &[u8], user_num: UserNum, expires_ts: i64) {
    batch.push("DELETE FROM login_tokens WHERE user_num = $1", params![user_num]);
    batch.push(
        "INSERT INTO login_tokens (token_hash, user_num, expires_ts) VALUES ($1, $2, $3)",
        params![token_hash, user_num, expires_ts],
    );
}

/// Uses a token up; a conflict if somebody else did.
pub fn take(batch: &mut Batch, token_hash: &[u8]) {
    batch.guard(TAKE_GUARD, "DELETE FROM login_tokens WHERE token_hash = $1", params![token_hash]);
}
