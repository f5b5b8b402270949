//! `ended_tokens`: tokens that were ended because a cell may have seen them that is revoked. Their clients are told why.

use domicile_core::ids::DeviceNum;

use super::tokens;
use crate::{Batch, Snapshot, StoreError, params};

/// Ends all tokens of a device.
pub fn end(batch: &mut Batch, device_num: DeviceNum, now_ms: i64) {
    for sql in [
        "INSERT INTO ended_tokens (token_hash, ended_ts) SELECT token_hash, CAST($2 AS BIGINT) FROM access_tokens WHERE device_num = $1
         ON CONFLICT (token_hash) DO NOTHING",
        "INSERT INTO ended_tokens (token_hash, ended_ts) SELECT token_hash, CAST($2 AS BIGINT) FROM refresh_tokens WHERE device_num = $1
         ON CONFLICT (token_hash) DO NOTHING",
    ] {
        batch.push(sql, params![device_num, now_ms]);
    }
    tokens::remove_of_device(batch, device_num);
}

/// Whether a token was ended.
pub async fn has(snapshot: &Snapshot, token_hash: &[u8]) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM ended_tokens WHERE token_hash = $1";
    Ok(snapshot.query_opt(sql, &params![token_hash]).await?.is_some())
}

/// Whether any was ended before a time.
pub async fn any_before(snapshot: &Snapshot, before_ms: i64) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM ended_tokens WHERE ended_ts < $1 LIMIT 1";
    Ok(snapshot.query_opt(sql, &params![before_ms]).await?.is_some())
}

/// Forgets those that were ended before a time.
pub fn remove_before(batch: &mut Batch, before_ms: i64) {
    batch.push("DELETE FROM ended_tokens WHERE ended_ts < $1", params![before_ms]);
}
