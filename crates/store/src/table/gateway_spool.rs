//! `gateway_spool`: what a gateway keeps, sealed, for cells that it could not reach.

use bytes::Bytes;

use crate::{Batch, Snapshot, StoreError, params};

/// Adds something for a cell. Its number is taken from `Sequence::GatewaySpool`; `expires_ts` is in milliseconds since the epoch.
pub fn insert(batch: &mut Batch, spool_num: i64, cell: &str, sealed: Vec<u8>, expires_ts: i64) {
    let bytes = i64::try_from(sealed.len()).unwrap_or(i64::MAX);
    batch.push(
        "INSERT INTO gateway_spool (spool_num, cell, sealed, bytes, expires_ts) VALUES ($1, $2, $3, $4, $5)",
        params![spool_num, cell, Bytes::from(sealed), bytes, expires_ts],
    );
}

/// What came first of what waits for a cell: its number, and what was sealed.
pub async fn first(snapshot: &Snapshot, cell: &str) -> Result<Option<(i64, Bytes)>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT spool_num, sealed FROM gateway_spool WHERE cell = $1 ORDER BY spool_num LIMIT 1",
            &params![cell],
        )
        .await?;
    row.map(|row| Ok((row.int(0)?, row.blob(1)?))).transpose()
}

/// For whom something waits: the cell, how many, and their bytes.
pub async fn waiting(snapshot: &Snapshot) -> Result<Vec<(String, i64, i64)>, StoreError> {
    // The sum of integers is of another type on PostgreSQL.
    let sql = "SELECT cell, COUNT(*), CAST(SUM(bytes) AS BIGINT) FROM gateway_spool GROUP BY cell ORDER BY cell";
    let rows = snapshot.query(sql, &[]).await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?, row.int(2)?))).collect()
}

/// Removes what was passed on.
pub fn remove(batch: &mut Batch, spool_num: i64) {
    batch.push("DELETE FROM gateway_spool WHERE spool_num = $1", params![spool_num]);
}

/// Removes what nobody fetched in time.
pub fn remove_expired(batch: &mut Batch, now_ms: i64) {
    batch.push("DELETE FROM gateway_spool WHERE expires_ts <= $1", params![now_ms]);
}
