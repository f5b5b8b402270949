//! `gateway_spool`: what a gateway keeps, sealed, for cells that it could not reach.

use bytes::Bytes;

use crate::{Batch, Snapshot, StoreError, params};

/// What waits for a cell.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Its number, taken from `Sequence::GatewaySpool`.
    pub spool_num: i64,
    /// The room whose events these are, where it is to be found out yet whether the cell is in it.
    pub room_id: Option<String>,
    /// What only the cell opens.
    pub sealed: Bytes,
    /// Until when it is kept, in milliseconds since the epoch.
    pub expires_ts: i64,
}

/// Adds something for a cell.
pub fn insert(batch: &mut Batch, cell: &str, waiting: Waiting) {
    let bytes = i64::try_from(waiting.sealed.len()).unwrap_or(i64::MAX);
    let Waiting { spool_num, room_id, sealed, expires_ts } = waiting;
    batch.push(
        "INSERT INTO gateway_spool (spool_num, cell, room_id, sealed, bytes, expires_ts) VALUES ($1, $2, $3, $4, $5, $6)",
        params![spool_num, cell, room_id, sealed, bytes, expires_ts],
    );
}

/// What came first of what waits for a cell.
pub async fn first(snapshot: &Snapshot, cell: &str) -> Result<Option<Waiting>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT spool_num, room_id, sealed, expires_ts FROM gateway_spool WHERE cell = $1 ORDER BY spool_num LIMIT 1",
            &params![cell],
        )
        .await?;
    let read = |row: crate::Row| {
        Ok(Waiting {
            spool_num: row.int(0)?,
            room_id: row.opt_text(1)?.map(ToOwned::to_owned),
            sealed: row.blob(2)?,
            expires_ts: row.int(3)?,
        })
    };
    row.map(read).transpose()
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
