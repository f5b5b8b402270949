//! `deployment_document`: the document that the cell took last.

use crate::{Batch, Snapshot, StoreError, params};

/// The text of the document that was taken last, and when that was, in milliseconds since the epoch.
pub async fn last(snapshot: &Snapshot) -> Result<Option<(String, i64)>, StoreError> {
    let row = snapshot.query_opt("SELECT document, taken_ts FROM deployment_document WHERE id = 1", &[]).await?;
    row.map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?))).transpose()
}

/// Takes a document in place of the one before. `taken_ts` is in milliseconds since the epoch.
pub fn set(batch: &mut Batch, serial: u32, document: &str, taken_ts: i64) {
    batch.push(
        "INSERT INTO deployment_document (id, serial, document, taken_ts) VALUES (1, $1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET serial = excluded.serial, document = excluded.document, taken_ts = excluded.taken_ts",
        params![i64::from(serial), document, taken_ts],
    );
}
