//! `event_texts` and `search_cursors`: which events have which words, and how far each room is in the index. Only rooms that are not encrypted
//! are in it.
//!
//! A named pair (`engine/dialect.rs`): a table of FTS5 on SQLite, a column of words with an inverted index on PostgreSQL. What is a word, the
//! program decides (`domicile_room::words`); both engines find and forget the same.

use domicile_core::ids::{EventNum, Position, RoomNum};

use crate::{Batch, Snapshot, StoreError, params};

/// Adds an event with its words, which are letters and digits with one space between two; one that is redacted by then is left out.
pub fn insert(batch: &mut Batch, event_num: EventNum, words: &str) {
    batch.push(
        "INSERT INTO event_texts (rowid, words) SELECT event_num, WORDS($2) FROM events
         WHERE event_num = $1 AND redacted_by IS NULL",
        params![event_num, words],
    );
}

/// Adds an event whose content has come later, if the index is beyond its place: else it comes to it.
pub fn insert_late(batch: &mut Batch, event_num: EventNum, words: &str) {
    batch.push(
        "INSERT INTO event_texts (rowid, words) SELECT e.event_num, WORDS($2) FROM events e
         JOIN search_cursors c ON c.room_num = e.room_num AND c.position >= e.position
         WHERE e.event_num = $1 AND e.redacted_by IS NULL",
        params![event_num, words],
    );
}

/// How far the events of a room are in the index.
pub async fn cursor(snapshot: &Snapshot, room_num: RoomNum) -> Result<Option<Position>, StoreError> {
    let row = snapshot.query_opt("SELECT position FROM search_cursors WHERE room_num = $1", &params![room_num]).await?;
    row.map(|row| row.num(0)).transpose()
}

/// Moves a room's cursor on, if nobody else did since it was read.
pub fn advance(batch: &mut Batch, room_num: RoomNum, from: Option<Position>, to: Position) {
    batch.guard(
        "search_cursors.position",
        "INSERT INTO search_cursors (room_num, position) VALUES ($1, $3)
         ON CONFLICT (room_num) DO UPDATE SET position = excluded.position WHERE search_cursors.position = $2",
        params![room_num, from, to],
    );
}

/// At most `limit` rooms with a number above `after` whose last events are not in the index, in the order of their numbers.
pub async fn behind(snapshot: &Snapshot, after: RoomNum, limit: i64) -> Result<Vec<RoomNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT r.room_num FROM rooms r LEFT JOIN search_cursors c ON c.room_num = r.room_num
             WHERE r.room_num > $1 AND (c.position IS NULL OR c.position < r.last_position) ORDER BY r.room_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
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
