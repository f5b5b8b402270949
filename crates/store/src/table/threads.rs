//! `threads` and `thread_replies`: a thread's summary, and its replies in their order.

use bytes::Bytes;
use domicile_core::ids::{EventNum, Position, RoomNum, UserNum};

use crate::{Batch, Snapshot, StoreError, Value, event_id, params, value::int_list};

/// A reply that is to be written.
#[derive(Clone, Debug)]
pub struct NewReply {
    /// The thread's root.
    pub root_num: EventNum,
    /// The room.
    pub room_num: RoomNum,
    /// The reply.
    pub event_num: EventNum,
    /// Its sender.
    pub sender_num: UserNum,
    /// Running totals of the thread's notifications after it.
    pub totals: Bytes,
}

/// Adds a reply to a thread, which begins with its first.
pub fn reply(batch: &mut Batch, reply: &NewReply, position: &Value) {
    batch.push(
        "INSERT INTO thread_replies (root_num, position, room_num, event_num, sender_num, totals) VALUES ($1, $2, $3, $4, $5, $6)",
        params![
            reply.root_num,
            position.clone(),
            reply.room_num,
            reply.event_num,
            reply.sender_num,
            reply.totals.clone()
        ],
    );
    batch.push(
        "INSERT INTO threads (root_num, room_num, latest_num, latest_position, replies) VALUES ($1, $2, $3, $4, 1)
         ON CONFLICT (root_num) DO UPDATE SET latest_num = excluded.latest_num, latest_position = excluded.latest_position,
         replies = threads.replies + 1",
        params![reply.root_num, reply.room_num, reply.event_num, position.clone()],
    );
}

/// Takes a reply that was redacted out of its thread, which ends with its last.
pub fn remove_reply(batch: &mut Batch, root_num: EventNum, position: Position) {
    batch.push(
        "UPDATE thread_replies SET event_num = NULL WHERE root_num = $1 AND position = $2",
        params![root_num, position],
    );
    batch.push(
        "UPDATE threads SET replies = replies - 1, latest_num = COALESCE((SELECT r.event_num FROM thread_replies r
         WHERE r.root_num = $1 AND r.event_num IS NOT NULL ORDER BY r.position DESC LIMIT 1), latest_num),
         latest_position = COALESCE((SELECT r.position FROM thread_replies r
         WHERE r.root_num = $1 AND r.event_num IS NOT NULL ORDER BY r.position DESC LIMIT 1), latest_position)
         WHERE root_num = $1",
        params![root_num],
    );
    batch.push("DELETE FROM threads WHERE root_num = $1 AND replies <= 0", params![root_num]);
}

/// A thread in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread {
    /// The root.
    pub root_num: EventNum,
    /// Where the newest reply stands.
    pub latest_position: Position,
    /// Whether the reader has replied.
    pub replied: bool,
}

/// At most `limit` threads of a room whose newest reply stands at `upto` or before it, that of the newest reply first.
pub async fn list(
    snapshot: &Snapshot,
    room_num: RoomNum,
    reader: UserNum,
    upto: Position,
    limit: i64,
) -> Result<Vec<Thread>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT t.root_num, t.latest_position, CASE WHEN EXISTS (SELECT 1 FROM thread_replies p WHERE p.root_num = t.root_num
             AND p.sender_num = $2 AND p.event_num IS NOT NULL) THEN 1 ELSE 0 END FROM threads t
             WHERE t.room_num = $1 AND t.latest_position <= $3 ORDER BY t.latest_position DESC LIMIT $4",
            &params![room_num, reader, upto, limit],
        )
        .await?;
    rows.iter()
        .map(|row| Ok(Thread { root_num: row.num(0)?, latest_position: row.num(1)?, replied: row.flag(2)? }))
        .collect()
}

/// How many replies a thread has up to a position that are not by one of `senders`, and the newest of them.
pub async fn without(
    snapshot: &Snapshot,
    root_num: EventNum,
    upto: Position,
    senders: &[UserNum],
) -> Result<Option<(i64, EventNum)>, StoreError> {
    let senders = int_list(senders.iter().copied());
    let params = [Value::from(root_num), Value::from(upto), senders];
    let latest = snapshot
        .query_opt(
            "SELECT event_num FROM thread_replies WHERE root_num = $1 AND position <= $2 AND event_num IS NOT NULL
             AND sender_num NOT IN INTS($3) ORDER BY position DESC LIMIT 1",
            &params,
        )
        .await?;
    let Some(latest) = latest else { return Ok(None) };
    let count = snapshot
        .query_one(
            "SELECT COUNT(*) FROM thread_replies WHERE root_num = $1 AND position <= $2 AND event_num IS NOT NULL
             AND sender_num NOT IN INTS($3)",
            &params,
        )
        .await?;
    Ok(Some((count.int(0)?, latest.num(0)?)))
}

/// The running totals of a thread after its last reply up to a position, redacted ones included.
pub async fn totals_at(
    snapshot: &Snapshot,
    root_num: EventNum,
    position: Position,
) -> Result<Option<Bytes>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT totals FROM thread_replies WHERE root_num = $1 AND position <= $2 ORDER BY position DESC LIMIT 1",
            &params![root_num, position],
        )
        .await?;
    row.map(|row| row.blob(0)).transpose()
}

/// A thread in which something is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// The root.
    pub root_num: EventNum,
    /// The root's id.
    pub root_id: ruma::OwnedEventId,
    /// The thread's totals at the later position.
    pub now: Option<Bytes>,
    /// The thread's totals at the earlier position.
    pub before: Option<Bytes>,
}

/// At most `limit` threads of a room with replies after a position, those with the newest replies first, and their totals after it and
/// up to another.
pub async fn active(
    snapshot: &Snapshot,
    room_num: RoomNum,
    (after, upto): (Position, Position),
    limit: i64,
) -> Result<Vec<Active>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT t.root_num, e.event_id,
             (SELECT n.totals FROM thread_replies n WHERE n.root_num = t.root_num AND n.position <= $3 ORDER BY n.position DESC LIMIT 1),
             (SELECT b.totals FROM thread_replies b WHERE b.root_num = t.root_num AND b.position <= $2 ORDER BY b.position DESC LIMIT 1)
             FROM threads t JOIN events e ON e.event_num = t.root_num
             WHERE t.room_num = $1 AND t.latest_position > $2 ORDER BY t.latest_position DESC LIMIT $4",
            &params![room_num, after, upto, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Active {
                root_num: row.num(0)?,
                root_id: event_id::from_bytes(&row.blob(1)?)?,
                now: row.opt_blob(2)?,
                before: row.opt_blob(3)?,
            })
        })
        .collect()
}
