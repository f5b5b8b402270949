//! `event_texts`: which events have which words. Only events of rooms that are not encrypted are in it.
//!
//! A named pair (`engine/dialect.rs`): a table of FTS5 on SQLite, a column of words with an inverted index on PostgreSQL. What is a word, the
//! program decides (`domicile_room::words`); both engines find and forget the same.

use domicile_core::ids::EventNum;

use crate::{Batch, Snapshot, StoreError, params};

/// Adds an event with its words, which are letters and digits with one space between two.
pub fn insert(batch: &mut Batch, event_num: EventNum, words: &str) {
    batch.push("INSERT INTO event_texts (rowid, words) VALUES ($1, WORDS($2))", params![event_num, words]);
}

/// Forgets the words of an event.
pub fn remove(batch: &mut Batch, event_num: EventNum) {
    batch.push("DELETE FROM event_texts WHERE rowid = $1", params![event_num]);
}

/// At most `limit` events with a number below `before` that have the words, the newest first. `query` is made of words, ` AND `, ` OR ` and
/// brackets.
pub async fn matching(
    snapshot: &Snapshot,
    query: &str,
    before: EventNum,
    limit: i64,
) -> Result<Vec<EventNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT rowid FROM event_texts WHERE MATCHES($1) AND rowid < $2 ORDER BY rowid DESC LIMIT $3",
            &params![query, before, limit],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}
