//! `event_relations`: which events point at which.

use bytes::Bytes;
use domicile_core::ids::{EventNum, Position, RoomNum};

use crate::{
    Batch, Snapshot, StoreError, Value, params,
    value::{blob_list, int_list},
};

/// A relation that is to be written.
#[derive(Clone, Debug)]
pub struct NewRelation<'a> {
    /// The event that points.
    pub event_num: EventNum,
    /// The room of both.
    pub room_num: RoomNum,
    /// The stored form of the id of what it points at, which need not be here.
    pub parent: Bytes,
    /// How.
    pub rel_type: &'a str,
    /// The type of the event that points.
    pub kind: &'a str,
    /// For a valid edit: when its sender says it was sent, in milliseconds since the epoch.
    pub replaces_ts: Option<i64>,
}

/// Notes that an event points at another.
pub fn insert(batch: &mut Batch, relation: &NewRelation<'_>, position: Value) {
    batch.push(
        "INSERT INTO event_relations (event_num, room_num, parent, position, rel_type, kind, replaces_ts)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        params![
            relation.event_num,
            relation.room_num,
            relation.parent.clone(),
            position,
            relation.rel_type,
            relation.kind,
            relation.replaces_ts
        ],
    );
}

/// Forgets at what an event pointed: it was redacted.
pub fn remove(batch: &mut Batch, event_num: EventNum) {
    batch.push("DELETE FROM event_relations WHERE event_num = $1", params![event_num]);
}

/// Whether anything in a room points at anything.
pub async fn any(snapshot: &Snapshot, room_num: RoomNum) -> Result<bool, StoreError> {
    let row =
        snapshot.query_opt("SELECT 1 FROM event_relations WHERE room_num = $1 LIMIT 1", &params![room_num]).await?;
    Ok(row.is_some())
}

/// Which children of an event.
#[derive(Clone, Debug)]
pub struct Children<'a> {
    /// The room.
    pub room_num: RoomNum,
    /// The stored form of the parent's id.
    pub parent: Bytes,
    /// Only those that point in this way; empty for all.
    pub rel_type: &'a str,
    /// Only those of this type; empty for all.
    pub kind: &'a str,
}

/// At most `limit` children with `after < position <= upto`, the newest or the oldest first.
pub async fn children(
    snapshot: &Snapshot,
    wanted: &Children<'_>,
    (after, upto): (Position, Position),
    newest_first: bool,
    limit: i64,
) -> Result<Vec<(EventNum, Position)>, StoreError> {
    let mut params = params![wanted.room_num, wanted.parent.clone(), after, upto, wanted.kind, limit];
    let sql = match (wanted.rel_type.is_empty(), newest_first) {
        (true, true) => {
            "SELECT event_num, position FROM event_relations WHERE room_num = $1 AND parent = $2 AND position > $3
             AND position <= $4 AND ($5 = '' OR kind = $5) ORDER BY position DESC LIMIT $6"
        }
        (true, false) => {
            "SELECT event_num, position FROM event_relations WHERE room_num = $1 AND parent = $2 AND position > $3
             AND position <= $4 AND ($5 = '' OR kind = $5) ORDER BY position LIMIT $6"
        }
        (false, true) => {
            "SELECT event_num, position FROM event_relations WHERE room_num = $1 AND parent = $2 AND position > $3
             AND position <= $4 AND ($5 = '' OR kind = $5) AND rel_type = $7 ORDER BY position DESC LIMIT $6"
        }
        (false, false) => {
            "SELECT event_num, position FROM event_relations WHERE room_num = $1 AND parent = $2 AND position > $3
             AND position <= $4 AND ($5 = '' OR kind = $5) AND rel_type = $7 ORDER BY position LIMIT $6"
        }
    };
    if !wanted.rel_type.is_empty() {
        params.push(Value::from(wanted.rel_type));
    }
    snapshot.query(sql, &params).await?.iter().map(|row| Ok((row.num(0)?, row.num(1)?))).collect()
}

/// Those of some event ids of a room, all in stored form, at which anything points.
pub async fn parents(
    snapshot: &Snapshot,
    room_num: RoomNum,
    ids: impl IntoIterator<Item = Bytes>,
) -> Result<Vec<Bytes>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT p.item FROM BLOBS($1) p WHERE EXISTS
             (SELECT 1 FROM event_relations r WHERE r.room_num = $2 AND r.parent = p.item)",
            &[blob_list(ids), Value::from(room_num)],
        )
        .await?;
    rows.iter().map(|row| row.blob(0)).collect()
}

/// Children of several events of a room, at most `limit`: of which event, and where they stand.
pub async fn children_of(
    snapshot: &Snapshot,
    parents: impl IntoIterator<Item = EventNum>,
    (rel_type, kind): (&str, &str),
    limit: i64,
) -> Result<Vec<(EventNum, Position)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT r.event_num, r.position FROM events e JOIN event_relations r ON r.room_num = e.room_num AND r.parent = e.event_id
             WHERE e.event_num IN INTS($1) AND ($2 = '' OR r.rel_type = $2) AND ($3 = '' OR r.kind = $3) LIMIT $4",
            &[int_list(parents), Value::from(rel_type), Value::from(kind), Value::from(limit)],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.num(1)?))).collect()
}

/// What is told about an event's children together with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aggregate {
    /// One event that refers to it.
    Reference(EventNum),
    /// Its newest valid edit, or one of several that were sent in the same millisecond.
    Edit(EventNum),
    /// The thread that it is the root of.
    Thread {
        /// The newest reply.
        latest: EventNum,
        /// How many there are.
        replies: i64,
        /// Whether the reader is among those who replied.
        participated: bool,
    },
}

/// What there is to tell about the children of events, at most `limit` rows. Edits are those up to a position.
pub async fn aggregates(
    snapshot: &Snapshot,
    parents: impl IntoIterator<Item = EventNum>,
    (reader, upto): (domicile_core::ids::UserNum, Position),
    limit: i64,
) -> Result<Vec<(EventNum, Aggregate)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT e.event_num, 1, r.event_num, r.position FROM events e
             JOIN event_relations r ON r.room_num = e.room_num AND r.parent = e.event_id AND r.rel_type = 'm.reference'
             WHERE e.event_num IN INTS($1) AND r.position <= $3
             UNION ALL SELECT e.event_num, 2, r.event_num, r.position FROM events e
             JOIN event_relations r ON r.room_num = e.room_num AND r.parent = e.event_id AND r.replaces_ts =
             (SELECT MAX(m.replaces_ts) FROM event_relations m WHERE m.room_num = e.room_num AND m.parent = e.event_id
             AND m.replaces_ts IS NOT NULL AND m.position <= $3)
             WHERE e.event_num IN INTS($1)
             UNION ALL SELECT t.root_num, CASE WHEN EXISTS (SELECT 1 FROM thread_replies p WHERE p.root_num = t.root_num
             AND p.sender_num = $2 AND p.event_num IS NOT NULL) THEN 4 ELSE 3 END, t.latest_num, t.replies FROM threads t
             WHERE t.root_num IN INTS($1) LIMIT $4",
            &[int_list(parents), Value::from(reader), Value::from(upto), Value::from(limit)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let aggregate = match row.int(1)? {
                1 => Aggregate::Reference(row.num(2)?),
                2 => Aggregate::Edit(row.num(2)?),
                what => Aggregate::Thread { latest: row.num(2)?, replies: row.int(3)?, participated: what == 4 },
            };
            Ok((row.num(0)?, aggregate))
        })
        .collect()
}
