//! `device_doors`: other cells that may have seen a device's tokens, since it was used through their door or came from there.

use domicile_core::ids::DeviceNum;

use crate::{Batch, Snapshot, StoreError, params};

/// Notes a cell.
pub fn put(batch: &mut Batch, device_num: DeviceNum, cell: &str) {
    batch.push(
        "INSERT INTO device_doors (device_num, cell) VALUES ($1, $2) ON CONFLICT (device_num, cell) DO NOTHING",
        params![device_num, cell],
    );
}

/// The device of a token of either kind, and whether a cell is noted for it.
pub async fn of_token(
    snapshot: &Snapshot,
    token_hash: &[u8],
    cell: &str,
) -> Result<Option<(DeviceNum, bool)>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT t.device_num, d.cell FROM (SELECT device_num FROM access_tokens WHERE token_hash = $1
             UNION ALL SELECT device_num FROM refresh_tokens WHERE token_hash = $1) t
             LEFT JOIN device_doors d ON d.device_num = t.device_num AND d.cell = $2 LIMIT 1",
            &params![token_hash, cell],
        )
        .await?;
    row.map(|row| Ok((row.num(0)?, row.opt_text(1)?.is_some()))).transpose()
}

/// At most `limit` devices of a cell.
pub async fn page(snapshot: &Snapshot, cell: &str, limit: i64) -> Result<Vec<DeviceNum>, StoreError> {
    let sql = "SELECT device_num FROM device_doors WHERE cell = $1 ORDER BY device_num LIMIT $2";
    let rows = snapshot.query(sql, &params![cell, limit]).await?;
    rows.iter().map(|row| row.num(0)).collect()
}
