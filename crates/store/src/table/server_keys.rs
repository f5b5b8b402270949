//! `server_keys`: the keys with which this server signs, and those with which it signed.

use bytes::Bytes;

use crate::{Batch, Snapshot, StoreError, params};

/// A key that is used no more.
pub struct RetiredKey {
    /// The part of its id after `ed25519:`.
    pub key_id: String,
    /// Its public half.
    pub public_key: Bytes,
    /// When its use ended, in milliseconds.
    pub retired_ts: i64,
}

/// The key in use: the part of its id after `ed25519:`, and its seed.
pub async fn current(snapshot: &Snapshot) -> Result<Option<(String, Bytes)>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT key_id, seed FROM server_keys WHERE retired_ts IS NULL AND waits = 0 ORDER BY created_ts DESC, key_id LIMIT 1",
            &[],
        )
        .await?;
    row.map(|row| Ok((row.text(0)?.to_owned(), row.blob(1)?))).transpose()
}

/// The key that is not in use yet, in the same form.
pub async fn waiting(snapshot: &Snapshot) -> Result<Option<(String, Bytes)>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT key_id, seed FROM server_keys WHERE retired_ts IS NULL AND waits = 1 ORDER BY created_ts DESC, key_id LIMIT 1",
            &[],
        )
        .await?;
    row.map(|row| Ok((row.text(0)?.to_owned(), row.blob(1)?))).transpose()
}

/// The keys that are used no more, the latest first.
pub async fn retired(snapshot: &Snapshot) -> Result<Vec<RetiredKey>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT key_id, public_key, retired_ts FROM server_keys WHERE retired_ts IS NOT NULL ORDER BY retired_ts DESC, key_id",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(RetiredKey { key_id: row.text(0)?.to_owned(), public_key: row.blob(1)?, retired_ts: row.int(2)? })
        })
        .collect()
}

/// Adds a key: its id, its seed and its public half. It is in use at once, or `waits`.
pub fn insert(batch: &mut Batch, (key_id, seed, public_key): (&str, [u8; 32], [u8; 32]), waits: bool, created_ts: i64) {
    batch.push(
        "INSERT INTO server_keys (key_id, seed, public_key, created_ts, waits) VALUES ($1, $2, $3, $4, $5)",
        params![key_id, seed, public_key, created_ts, i64::from(waits)],
    );
}

/// Begins the use of a key, which must wait.
pub fn begin(batch: &mut Batch, key_id: &str) {
    batch.guard(
        "server_keys.waits",
        "UPDATE server_keys SET waits = 0 WHERE key_id = $1 AND waits = 1",
        params![key_id],
    );
}

/// Ends the use of a key, which must be in use, and forgets its seed.
pub fn retire(batch: &mut Batch, key_id: &str, retired_ts: i64) {
    batch.guard(
        "server_keys.retired_ts",
        "UPDATE server_keys SET retired_ts = $2, seed = NULL WHERE key_id = $1 AND retired_ts IS NULL",
        params![key_id, retired_ts],
    );
}
