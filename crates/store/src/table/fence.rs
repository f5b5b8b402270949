//! The fence of a restored cell, in `meta`: `fence` is how far its restoring is, as JSON, and `incarnation` the name of this life of it.

use crate::{Batch, Snapshot, StoreError, params};

/// How far the restoring is; nothing if the cell is open.
pub async fn read(snapshot: &Snapshot) -> Result<Option<String>, StoreError> {
    let row = snapshot.query_opt("SELECT value FROM meta WHERE name = 'fence'", &[]).await?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

/// Notes how far it is.
pub fn set(batch: &mut Batch, state: &str) {
    batch.push(
        "INSERT INTO meta (name, value) VALUES ('fence', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        params![state],
    );
}

/// Opens the cell.
pub fn remove(batch: &mut Batch) {
    batch.push("DELETE FROM meta WHERE name = 'fence'", params![]);
}

/// Whether the cell was ever restored: then it may have given out tokens of which it knows nothing.
pub async fn was_restored(snapshot: &Snapshot) -> Result<bool, StoreError> {
    Ok(snapshot.query_opt("SELECT 1 FROM meta WHERE name = 'incarnation'", &[]).await?.is_some())
}
