//! `access_tokens` and `refresh_tokens`: stored as hashes, so that a stolen database opens no session.

use bytes::Bytes;
use domicile_core::ids::{DeviceNum, UserNum};

use crate::{Batch, Snapshot, StoreError, params};

/// What an access token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOwner {
    /// The account.
    pub user_num: UserNum,
    /// Its Matrix id.
    pub user_id: String,
    /// The device.
    pub device_num: DeviceNum,
    /// The device's Matrix id.
    pub device_id: String,
    /// When the token ends, in milliseconds since the epoch.
    pub expires_ts: Option<i64>,
    /// The refresh token that made it: with the first use of this token, the one before loses its power.
    pub refresh_hash: Option<Bytes>,
    /// Since when the account is locked.
    pub locked_ts: Option<i64>,
    /// Since when the account is suspended.
    pub suspended_ts: Option<i64>,
}

/// Whom an access token belongs to.
pub async fn access(snapshot: &Snapshot, token_hash: &[u8]) -> Result<Option<TokenOwner>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT d.user_num, u.user_id, d.device_num, d.device_id, t.expires_ts, t.refresh_hash, u.locked_ts, u.suspended_ts
             FROM access_tokens t
             JOIN devices d ON d.device_num = t.device_num JOIN users u ON u.user_num = d.user_num
             WHERE t.token_hash = $1 AND u.deactivated_ts IS NULL",
            &params![token_hash],
        )
        .await?;
    row.map(|row| {
        Ok(TokenOwner {
            user_num: row.num(0)?,
            user_id: row.text(1)?.to_owned(),
            device_num: row.num(2)?,
            device_id: row.text(3)?.to_owned(),
            expires_ts: row.opt_int(4)?,
            refresh_hash: row.opt_blob(5)?,
            locked_ts: row.opt_int(6)?,
            suspended_ts: row.opt_int(7)?,
        })
    })
    .transpose()
}

/// The device of a refresh token, and the hash of the refresh token that replaced it, if one did.
pub async fn refresh(snapshot: &Snapshot, token_hash: &[u8]) -> Result<Option<(DeviceNum, Option<Bytes>)>, StoreError> {
    let row = snapshot
        .query_opt("SELECT device_num, next_hash FROM refresh_tokens WHERE token_hash = $1", &params![token_hash])
        .await?;
    row.map(|row| Ok((row.num(0)?, row.opt_blob(1)?))).transpose()
}

/// At most `limit` hashes that begin so, of tokens of both kinds, of those that open a session, and of those that were ended of which their clients
/// are still to hear.
pub async fn beginning(
    snapshot: &Snapshot,
    beginning: &[u8],
    now_ms: i64,
    limit: i64,
) -> Result<Vec<Bytes>, StoreError> {
    // Above all hashes that begin so, which have 32 bytes.
    let end = [beginning, &[u8::MAX; 33]].concat();
    let rows = snapshot
        .query(
            "SELECT token_hash FROM access_tokens WHERE token_hash >= $1 AND token_hash < $2
             UNION ALL SELECT token_hash FROM refresh_tokens WHERE token_hash >= $1 AND token_hash < $2
             UNION ALL SELECT token_hash FROM login_tokens WHERE token_hash >= $1 AND token_hash < $2 AND expires_ts > $3
             UNION ALL SELECT token_hash FROM ended_tokens WHERE token_hash >= $1 AND token_hash < $2
             LIMIT $4",
            &params![beginning, &end[..], now_ms, limit],
        )
        .await?;
    rows.iter().map(|row| row.blob(0)).collect()
}

/// Adds an access token.
pub fn insert_access(
    batch: &mut Batch,
    token_hash: &[u8],
    device_num: DeviceNum,
    expires_ts: Option<i64>,
    refresh_hash: Option<Bytes>,
) {
    batch.push(
        "INSERT INTO access_tokens (token_hash, device_num, expires_ts, refresh_hash) VALUES ($1, $2, $3, $4)",
        params![token_hash, device_num, expires_ts, refresh_hash],
    );
}

/// Adds a refresh token.
pub fn insert_refresh(batch: &mut Batch, token_hash: &[u8], device_num: DeviceNum) {
    batch.push("INSERT INTO refresh_tokens (token_hash, device_num) VALUES ($1, $2)", params![token_hash, device_num]);
}

/// Notes that `next_hash` replaces a refresh token, which stays good until the new access token is used.
pub fn supersede_refresh(batch: &mut Batch, token_hash: &[u8], next_hash: &[u8]) {
    batch.guard(
        "refresh_tokens.token_hash",
        "UPDATE refresh_tokens SET next_hash = $2 WHERE token_hash = $1",
        params![token_hash, next_hash],
    );
}

/// Removes the refresh tokens that `next_hash` replaced, and the access tokens they had made.
pub fn remove_superseded(batch: &mut Batch, next_hash: &[u8]) {
    batch.push(
        "DELETE FROM access_tokens WHERE refresh_hash IN (SELECT token_hash FROM refresh_tokens WHERE next_hash = $1)",
        params![next_hash],
    );
    batch.push("DELETE FROM refresh_tokens WHERE next_hash = $1", params![next_hash]);
}

/// Removes a refresh token and the access tokens it had made.
pub fn remove_refresh(batch: &mut Batch, token_hash: &[u8]) {
    batch.push("DELETE FROM access_tokens WHERE refresh_hash = $1", params![token_hash]);
    batch.push("DELETE FROM refresh_tokens WHERE token_hash = $1", params![token_hash]);
}

/// Whether a refresh token has replaced another that is still there.
pub async fn supersedes(snapshot: &Snapshot, next_hash: &[u8], device_num: DeviceNum) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT 1 FROM refresh_tokens WHERE device_num = $1 AND next_hash = $2",
            &params![device_num, next_hash],
        )
        .await?;
    Ok(row.is_some())
}

/// Removes every token of a device, with who may have seen them.
pub fn remove_of_device(batch: &mut Batch, device_num: DeviceNum) {
    batch.push("DELETE FROM access_tokens WHERE device_num = $1", params![device_num]);
    batch.push("DELETE FROM refresh_tokens WHERE device_num = $1", params![device_num]);
    batch.push("DELETE FROM device_doors WHERE device_num = $1", params![device_num]);
}

/// The hashes of all tokens of a user, of both kinds.
pub async fn hashes_of_user(snapshot: &Snapshot, user_num: UserNum) -> Result<Vec<Bytes>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT t.token_hash FROM access_tokens t JOIN devices d ON d.device_num = t.device_num WHERE d.user_num = $1
             UNION ALL
             SELECT t.token_hash FROM refresh_tokens t JOIN devices d ON d.device_num = t.device_num WHERE d.user_num = $1",
            &params![user_num],
        )
        .await?;
    rows.iter().map(|row| row.blob(0)).collect()
}
