//! `inbound_messages`: messages to devices that other servers brought, so that each comes once.

use crate::{Batch, Snapshot, StoreError, params};

/// Whether an origin brought a message before. `hash` is that of the message's id.
pub async fn is_known(snapshot: &Snapshot, origin: &str, hash: &[u8]) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt("SELECT 1 FROM inbound_messages WHERE origin = $1 AND message_hash = $2", &params![origin, hash])
        .await?;
    Ok(row.is_some())
}

/// Notes a message; a conflict if the origin brought it before.
pub fn insert(batch: &mut Batch, origin: &str, hash: &[u8], day: i64) {
    batch.push(
        "INSERT INTO inbound_messages (origin, message_hash, created_day) VALUES ($1, $2, $3)",
        params![origin, hash, day],
    );
}

/// Forgets the messages of before a day.
pub fn remove_before(batch: &mut Batch, day: i64) {
    batch.push("DELETE FROM inbound_messages WHERE created_day < $1", params![day]);
}
