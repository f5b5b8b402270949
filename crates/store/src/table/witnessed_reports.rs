//! `witnessed_reports`: the last report of each other cell that this one has countersigned.

use serde::{Deserialize, Serialize};

use crate::{Batch, Snapshot, StoreError, params};

/// A report that was countersigned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witnessed {
    /// Its number in the chain of its cell.
    pub number: i64,
    /// The SHA-256 of its file, in hexadecimal.
    pub hash: String,
    /// The key that signed it, in unpadded Base64.
    pub audit_key: String,
    /// When it was countersigned, in milliseconds since the epoch.
    pub at_ts: i64,
}

/// The last report of a cell.
pub async fn last(snapshot: &Snapshot, cell: &str) -> Result<Option<Witnessed>, StoreError> {
    let row = snapshot
        .query_opt("SELECT number, hash, audit_key, at_ts FROM witnessed_reports WHERE cell = $1", &params![cell])
        .await?;
    row.map(|row| {
        Ok(Witnessed {
            number: row.int(0)?,
            hash: row.text(1)?.to_owned(),
            audit_key: row.text(2)?.to_owned(),
            at_ts: row.int(3)?,
        })
    })
    .transpose()
}

/// Notes the last report of a cell. One that is not later than what is there changes nothing.
pub fn note(batch: &mut Batch, cell: &str, report: &Witnessed) {
    batch.push(
        "INSERT INTO witnessed_reports (cell, number, hash, audit_key, at_ts) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (cell) DO UPDATE SET number = excluded.number, hash = excluded.hash, audit_key = excluded.audit_key,
         at_ts = excluded.at_ts WHERE witnessed_reports.number < excluded.number",
        params![cell, report.number, report.hash.as_str(), report.audit_key.as_str(), report.at_ts],
    );
}
