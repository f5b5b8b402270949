//! `directory_troubles`: what is the matter with other cells that hold the directory.

use crate::{Batch, Snapshot, StoreError, params};

/// What is the matter with a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The cell.
    pub cell: String,
    /// A word: `fork` or `away`.
    pub kind: String,
    /// What it is, and what to do.
    pub what: String,
    /// Since when, in milliseconds since the epoch.
    pub since_ts: i64,
}

/// All that is the matter.
pub async fn all(snapshot: &Snapshot) -> Result<Vec<Trouble>, StoreError> {
    let rows =
        snapshot.query("SELECT cell, kind, what, since_ts FROM directory_troubles ORDER BY cell, kind", &[]).await?;
    let row = |row: &crate::Row| {
        let (cell, kind, what) = (row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.text(2)?.to_owned());
        Ok(Trouble { cell, kind, what, since_ts: row.int(3)? })
    };
    rows.iter().map(row).collect()
}

/// Notes something; since when stays if it was noted before.
pub fn put(batch: &mut Batch, trouble: &Trouble) {
    let Trouble { cell, kind, what, since_ts } = trouble;
    batch.push(
        "INSERT INTO directory_troubles (cell, kind, what, since_ts) VALUES ($1, $2, $3, $4)
         ON CONFLICT (cell, kind) DO UPDATE SET what = excluded.what",
        params![cell.as_str(), kind.as_str(), what.as_str(), *since_ts],
    );
}

/// It is over.
pub fn remove(batch: &mut Batch, cell: &str, kind: &str) {
    batch.push("DELETE FROM directory_troubles WHERE cell = $1 AND kind = $2", params![cell, kind]);
}
