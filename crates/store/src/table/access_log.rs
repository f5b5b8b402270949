//! `access_log`: every look of an administrator at a person's data, as a chain of its own for each person. Rows are added and never changed.

use bytes::Bytes;
use domicile_core::ids::UserNum;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `access_log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The person whose data was looked at.
    pub user_num: UserNum,
    /// From 1, without gaps.
    pub entry: i64,
    /// When, in milliseconds since the epoch.
    pub ts: i64,
    /// Who looked at what and why, sealed with the person's key; empty for somebody who had none any more.
    pub sealed: Bytes,
    /// A hash over this row and the hash of the one before it.
    pub hash: Bytes,
}

fn entry(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry { user_num: row.num(0)?, entry: row.int(1)?, ts: row.int(2)?, sealed: row.blob(3)?, hash: row.blob(4)? })
}

/// The last entry about a person.
pub async fn last(snapshot: &Snapshot, user_num: UserNum) -> Result<Option<Entry>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT user_num, entry, ts, sealed, hash FROM access_log WHERE user_num = $1 ORDER BY entry DESC LIMIT 1",
            &params![user_num],
        )
        .await?;
    row.as_ref().map(entry).transpose()
}

/// At most `limit` entries about a person after one.
pub async fn page(snapshot: &Snapshot, user_num: UserNum, after: i64, limit: i64) -> Result<Vec<Entry>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, entry, ts, sealed, hash FROM access_log WHERE user_num = $1 AND entry > $2 ORDER BY entry LIMIT $3",
            &params![user_num, after, limit],
        )
        .await?;
    rows.iter().map(entry).collect()
}

/// At most `limit` entries about anybody after one, in the order of people and entries.
pub async fn everybody(snapshot: &Snapshot, after: (UserNum, i64), limit: i64) -> Result<Vec<Entry>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, entry, ts, sealed, hash FROM access_log WHERE (user_num, entry) > ($1, $2)
             ORDER BY user_num, entry LIMIT $3",
            &params![after.0, after.1, limit],
        )
        .await?;
    rows.iter().map(entry).collect()
}

/// Adds an entry; a conflict if somebody else added one of this number.
pub fn insert(batch: &mut Batch, entry: Entry) {
    batch.push(
        "INSERT INTO access_log (user_num, entry, ts, sealed, hash) VALUES ($1, $2, $3, $4, $5)",
        params![entry.user_num, entry.entry, entry.ts, entry.sealed, entry.hash],
    );
}
