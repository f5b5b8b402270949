//! `departed_tokens`: whose requests are passed on, by the hash of the token's hash.

use bytes::Bytes;

use crate::{Batch, Snapshot, StoreError, params};

/// At most `limit` rows after a hash: hash, cell, and until when.
pub async fn page(snapshot: &Snapshot, after: &[u8], limit: i64) -> Result<Vec<(Bytes, String, i64)>, StoreError> {
    let after = Bytes::copy_from_slice(after);
    let rows = snapshot
        .query(
            "SELECT token_hash, destination, until_ts FROM departed_tokens WHERE token_hash > $1 ORDER BY token_hash LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.blob(0)?, row.text(1)?.to_owned(), row.int(2)?))).collect()
}

/// Notes a token.
pub fn put(batch: &mut Batch, token_hash: &[u8], destination: &str, until_ts: i64) {
    batch.push(
        "INSERT INTO departed_tokens (token_hash, destination, until_ts) VALUES ($1, $2, $3)
         ON CONFLICT (token_hash) DO UPDATE SET destination = excluded.destination, until_ts = excluded.until_ts",
        params![token_hash, destination, until_ts],
    );
}

/// Forgets a token: its owner is back.
pub fn remove(batch: &mut Batch, token_hash: &[u8]) {
    batch.push("DELETE FROM departed_tokens WHERE token_hash = $1", params![token_hash]);
}

/// Forgets those whose time is over.
pub fn remove_before(batch: &mut Batch, now_ms: i64) {
    batch.push("DELETE FROM departed_tokens WHERE until_ts <= $1", params![now_ms]);
}
