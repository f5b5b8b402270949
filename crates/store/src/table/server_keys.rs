//! `server_keys`: the keys with which this server signs its events.

use bytes::Bytes;

use crate::{Batch, Snapshot, StoreError, params};

/// The key in use: the part of its id after `ed25519:`, and its seed.
pub async fn current(snapshot: &Snapshot) -> Result<Option<(String, Bytes)>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT key_id, seed FROM server_keys WHERE retired_ts IS NULL ORDER BY created_ts DESC, key_id LIMIT 1",
            &[],
        )
        .await?;
    row.map(|row| Ok((row.text(0)?.to_owned(), row.blob(1)?))).transpose()
}

/// Adds a key.
pub fn insert(batch: &mut Batch, key_id: &str, seed: [u8; 32], created_ts: i64) {
    batch.push(
        "INSERT INTO server_keys (key_id, seed, created_ts) VALUES ($1, $2, $3)",
        params![key_id, seed, created_ts],
    );
}
