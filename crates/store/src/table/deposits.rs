//! `deposits`: what other cells have to do again if they are restored, as they left it here, sealed.

use bytes::Bytes;
use domicile_core::ids::Position;

use crate::{Batch, Snapshot, StoreError, params};

/// Keeps something for a cell. What came before is not replaced: it is the same.
pub fn put(batch: &mut Batch, cell: &str, position: Position, sealed: Bytes, expires_ts: i64) {
    batch.push(
        "INSERT INTO deposits (cell, position, sealed, expires_ts) VALUES ($1, $2, $3, $4) ON CONFLICT (cell, position) DO NOTHING",
        params![cell, position, sealed, expires_ts],
    );
}

/// What is kept for a cell after a place in its stream, the first first.
pub async fn page(
    snapshot: &Snapshot,
    cell: &str,
    after: Position,
    limit: i64,
) -> Result<Vec<(Position, Bytes)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT position, sealed FROM deposits WHERE cell = $1 AND position > $2 ORDER BY position LIMIT $3",
            &params![cell, after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.blob(1)?))).collect()
}

/// How many bytes are kept for a cell.
pub async fn bytes_of(snapshot: &Snapshot, cell: &str) -> Result<i64, StoreError> {
    // The sum of integers is of another type on PostgreSQL.
    let sql = "SELECT CAST(COALESCE(SUM(LENGTH(sealed)), 0) AS BIGINT) FROM deposits WHERE cell = $1";
    snapshot.query_one(sql, &params![cell]).await?.int(0)
}

/// Removes what is older than any backup that can still be of use.
pub fn remove_expired(batch: &mut Batch, now_ms: i64) {
    batch.push("DELETE FROM deposits WHERE expires_ts <= $1", params![now_ms]);
}
