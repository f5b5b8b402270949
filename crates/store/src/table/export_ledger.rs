//! `export_ledger`: what crossed a border, by day: sums, and nothing about a person.

use serde::Serialize;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `export_ledger`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Crossing {
    /// The day, counted from the epoch, in UTC.
    pub day: i64,
    /// The class of data.
    pub class: String,
    /// The region that it left.
    pub origin: String,
    /// The region that it went to; `outer` for other servers.
    pub destination: String,
    /// In which way.
    pub flow: String,
    /// The operator's legal basis, at the time.
    pub basis: String,
    /// How many.
    pub items: i64,
    /// How many bytes.
    pub bytes: i64,
}

fn crossing(row: &Row) -> Result<Crossing, StoreError> {
    Ok(Crossing {
        day: row.int(0)?,
        class: row.text(1)?.to_owned(),
        origin: row.text(2)?.to_owned(),
        destination: row.text(3)?.to_owned(),
        flow: row.text(4)?.to_owned(),
        basis: row.text(5)?.to_owned(),
        items: row.int(6)?,
        bytes: row.int(7)?,
    })
}

/// The crossings of days, the first and the last with them.
pub async fn between(snapshot: &Snapshot, from: i64, upto: i64) -> Result<Vec<Crossing>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT day, class, origin, destination, flow, basis, items, bytes FROM export_ledger
             WHERE day >= $1 AND day <= $2 ORDER BY day, class, origin, destination, flow, basis",
            &params![from, upto],
        )
        .await?;
    rows.iter().map(crossing).collect()
}

/// Adds to the sums of a day.
pub fn add(batch: &mut Batch, crossing: &Crossing) {
    batch.push(
        "INSERT INTO export_ledger (day, class, origin, destination, flow, basis, items, bytes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (day, class, origin, destination, flow, basis)
         DO UPDATE SET items = export_ledger.items + excluded.items, bytes = export_ledger.bytes + excluded.bytes",
        params![
            crossing.day,
            crossing.class.as_str(),
            crossing.origin.as_str(),
            crossing.destination.as_str(),
            crossing.flow.as_str(),
            crossing.basis.as_str(),
            crossing.items,
            crossing.bytes
        ],
    );
}
