//! `registration_tokens`: who holds one may make an account.

use crate::{Batch, Row, Snapshot, StoreError, params};

/// The guard that [`take`] places: a conflict with this name means that the token is used up, over or gone.
pub const TAKE_GUARD: &str = "registration_tokens.uses";

/// A row of `registration_tokens`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationToken {
    /// The token.
    pub token: String,
    /// Accounts that it may make; none for no bound.
    pub uses_allowed: Option<i64>,
    /// Accounts that it made.
    pub uses: i64,
    /// When it ends, in milliseconds since the epoch.
    pub expires_ts: Option<i64>,
    /// When it was made, in milliseconds since the epoch.
    pub created_ts: i64,
}

fn registration_token(row: &Row) -> Result<RegistrationToken, StoreError> {
    Ok(RegistrationToken {
        token: row.text(0)?.to_owned(),
        uses_allowed: row.opt_int(1)?,
        uses: row.int(2)?,
        expires_ts: row.opt_int(3)?,
        created_ts: row.int(4)?,
    })
}

/// One token.
pub async fn by_token(snapshot: &Snapshot, token: &str) -> Result<Option<RegistrationToken>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT token, uses_allowed, uses, expires_ts, created_ts FROM registration_tokens WHERE token = $1",
            &params![token],
        )
        .await?;
    row.as_ref().map(registration_token).transpose()
}

/// All tokens, the oldest first.
pub async fn all(snapshot: &Snapshot) -> Result<Vec<RegistrationToken>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT token, uses_allowed, uses, expires_ts, created_ts FROM registration_tokens ORDER BY created_ts, token",
            &[],
        )
        .await?;
    rows.iter().map(registration_token).collect()
}

/// Adds a token; a conflict if it is there already.
pub fn insert(batch: &mut Batch, token: &RegistrationToken) {
    batch.push(
        "INSERT INTO registration_tokens (token, uses_allowed, uses, expires_ts, created_ts) VALUES ($1, $2, $3, $4, $5)",
        params![token.token.as_str(), token.uses_allowed, token.uses, token.expires_ts, token.created_ts],
    );
}

/// Uses a token once; a conflict ([`TAKE_GUARD`]) if it cannot be used any more.
pub fn take(batch: &mut Batch, token: &str, now_ms: i64) {
    batch.guard(
        TAKE_GUARD,
        "UPDATE registration_tokens SET uses = uses + 1 WHERE token = $1
         AND (uses_allowed IS NULL OR uses < uses_allowed) AND (expires_ts IS NULL OR expires_ts > $2)",
        params![token, now_ms],
    );
}

/// Removes a token; a conflict if there is none.
pub fn remove(batch: &mut Batch, token: &str) {
    batch.guard("registration_tokens.token", "DELETE FROM registration_tokens WHERE token = $1", params![token]);
}
