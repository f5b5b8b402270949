//! `reserved_names`: names that this cell has taken in the directory ahead, for newcomers who name none.

use crate::{Batch, Snapshot, StoreError, params};

/// The guard of a name that somebody else was given meanwhile.
pub const GIVE_GUARD: &str = "reserved_names.localpart";

/// How many there are.
pub async fn count(snapshot: &Snapshot) -> Result<i64, StoreError> {
    let row = snapshot.query_opt("SELECT COUNT(*) FROM reserved_names", &[]).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// One of them.
pub async fn first(snapshot: &Snapshot) -> Result<Option<String>, StoreError> {
    let row = snapshot.query_opt("SELECT localpart FROM reserved_names ORDER BY localpart LIMIT 1", &[]).await?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

/// Notes a name that the directory has given to this cell.
pub fn insert(batch: &mut Batch, localpart: &str, now_ms: i64) {
    batch.push(
        "INSERT INTO reserved_names (localpart, reserved_ts) VALUES ($1, $2) ON CONFLICT (localpart) DO NOTHING",
        params![localpart, now_ms],
    );
}

/// Takes one out: nothing is written if it is not there any more.
pub fn give(batch: &mut Batch, localpart: &str) {
    batch.guard(GIVE_GUARD, "DELETE FROM reserved_names WHERE localpart = $1", params![localpart]);
}

/// Forgets all: where a cell was restored, some of them may have been given to people since its backup.
pub fn forget(batch: &mut Batch) {
    batch.push("DELETE FROM reserved_names", Vec::new());
}
