//! `openid_tokens`: with which another service asks who somebody is, as hashes.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params};

/// The owner of a token that is still good.
pub async fn owner(snapshot: &Snapshot, token_hash: &[u8], now_ms: i64) -> Result<Option<UserNum>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT user_num FROM openid_tokens WHERE token_hash = $1 AND expires_ts > $2",
            &params![token_hash, now_ms],
        )
        .await?;
    row.map(|row| row.num(0)).transpose()
}

/// Adds a token, and removes those of its owner that have expired.
pub fn insert(batch: &mut Batch, token_hash: &[u8], user_num: UserNum, expires_ts: i64, now_ms: i64) {
    batch.push("DELETE FROM openid_tokens WHERE user_num = $1 AND expires_ts <= $2", params![user_num, now_ms]);
    batch.push(
        "INSERT INTO openid_tokens (token_hash, user_num, expires_ts) VALUES ($1, $2, $3)",
        params![token_hash, user_num, expires_ts],
    );
}
