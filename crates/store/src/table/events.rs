//! `events`: every event once, canonical, in the order of its arrival.

use bytes::Bytes;
use domicile_core::ids::{EventNum, KeyNum, NodeNum, Position, RoomNum, UserNum};
use ruma::EventId;

use crate::{Batch, Row, Snapshot, StoreError, Value, event_id, params, value::int_list};

/// A row of `events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The number.
    pub event_num: EventNum,
    /// The room.
    pub room_num: RoomNum,
    /// The place in the room's timeline; none if it is no part of it.
    pub position: Option<Position>,
    /// The event id in stored form.
    pub event_id: Bytes,
    /// The sender.
    pub sender_num: UserNum,
    /// When the sender says it was sent, in milliseconds since the epoch.
    pub origin_server_ts: i64,
    /// Root of the state before the event.
    pub state_before: NodeNum,
    /// The state key, if it is a state event.
    pub key_num: Option<KeyNum>,
    /// The root of the thread that it is in.
    pub thread_num: Option<EventNum>,
    /// The redaction that emptied it.
    pub redacted_by: Option<EventNum>,
    /// Running totals of notifications after it.
    pub totals: Option<Bytes>,
    /// The event as canonical JSON.
    pub json: Bytes,
    /// Root of the state before the event by the events that it names, where that is not `state_before`.
    pub graph_state: Option<NodeNum>,
    /// How the event stands.
    pub status: Status,
}

/// How an event stands in its room. The zero is an event like any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status(i64);

impl Status {
    /// Part of the room.
    pub const ACCEPTED: Self = Self(0);
    /// Allowed by the state before it, but not by the room's state when it came: not shown, but later events may name it.
    pub const SOFT_FAILED: Self = Self(1);
    /// Not allowed.
    pub const REJECTED: Self = Self(2);
    /// Known as a part of the state or of the events that allow others; the state before it is not known.
    pub const OUTLIER: Self = Self(4);

    /// As it is stored.
    pub(super) fn read(number: i64) -> Self {
        Self(number)
    }

    /// Both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `other` is part of it.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nobody here is shown the event: it is not part of the room, or nothing is known of the state before it.
    pub fn is_hidden(self) -> bool {
        !self.is_accepted()
    }

    /// Whether the event is part of the room.
    pub fn is_accepted(self) -> bool {
        self.0 == 0
    }
}

impl From<Status> for Value {
    fn from(status: Status) -> Self {
        Self::Int(status.0)
    }
}

fn event(row: &Row) -> Result<Event, StoreError> {
    Ok(Event {
        event_num: row.num(0)?,
        room_num: row.num(1)?,
        position: row.opt_num(2)?,
        event_id: row.blob(3)?,
        sender_num: row.num(4)?,
        origin_server_ts: row.int(5)?,
        state_before: row.num(6)?,
        key_num: row.opt_num(7)?,
        thread_num: row.opt_num(8)?,
        redacted_by: row.opt_num(9)?,
        totals: row.opt_blob(10)?,
        json: row.blob(11)?,
        graph_state: row.opt_num(12)?,
        status: Status::read(row.int(13)?),
    })
}

/// Events by their numbers, in the order of the numbers; missing ones are left out.
pub async fn by_nums(snapshot: &Snapshot, nums: impl IntoIterator<Item = EventNum>) -> Result<Vec<Event>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT event_num, room_num, position, event_id, sender_num, origin_server_ts, state_before, key_num, thread_num,
             redacted_by, totals, json, graph_state, status FROM events WHERE event_num IN INTS($1) ORDER BY event_num",
            &[int_list(nums)],
        )
        .await?;
    rows.iter().map(event).collect()
}

/// Events as JSON by their numbers, in the order of the numbers; missing ones are left out.
pub async fn jsons(snapshot: &Snapshot, nums: impl IntoIterator<Item = EventNum>) -> Result<Vec<Bytes>, StoreError> {
    let rows = snapshot
        .query("SELECT json FROM events WHERE event_num IN INTS($1) ORDER BY event_num", &[int_list(nums)])
        .await?;
    rows.iter().map(|row| row.blob(0)).collect()
}

/// The event ids of numbers in stored form, in the order of the numbers; missing ones are left out.
pub async fn ids_in_order(
    snapshot: &Snapshot,
    nums: impl IntoIterator<Item = EventNum>,
) -> Result<Vec<Bytes>, StoreError> {
    let rows = snapshot
        .query("SELECT event_id FROM events WHERE event_num IN INTS($1) ORDER BY event_num", &[int_list(nums)])
        .await?;
    rows.iter().map(|row| row.blob(0)).collect()
}

/// The event with a Matrix id.
pub async fn by_id(snapshot: &Snapshot, id: &EventId) -> Result<Option<Event>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT event_num, room_num, position, event_id, sender_num, origin_server_ts, state_before, key_num, thread_num,
             redacted_by, totals, json, graph_state, status FROM events WHERE event_id = $1",
            &params![event_id::to_bytes(id)],
        )
        .await?;
    row.as_ref().map(event).transpose()
}

/// At most `limit` events of a room with `after < position <= upto`, the newest first.
pub async fn backwards(
    snapshot: &Snapshot,
    room_num: RoomNum,
    after: Position,
    upto: Position,
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT event_num, room_num, position, event_id, sender_num, origin_server_ts, state_before, key_num, thread_num,
             redacted_by, totals, json, graph_state, status FROM events WHERE room_num = $1 AND position > $2 AND position <= $3
             ORDER BY position DESC LIMIT $4",
            &params![room_num, after, upto, limit],
        )
        .await?;
    rows.iter().map(event).collect()
}

/// At most `limit` events of a room with `after < position <= upto`, the oldest first.
pub async fn forwards(
    snapshot: &Snapshot,
    room_num: RoomNum,
    after: Position,
    upto: Position,
    limit: i64,
) -> Result<Vec<Event>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT event_num, room_num, position, event_id, sender_num, origin_server_ts, state_before, key_num, thread_num,
             redacted_by, totals, json, graph_state, status FROM events WHERE room_num = $1 AND position > $2 AND position <= $3
             ORDER BY position LIMIT $4",
            &params![room_num, after, upto, limit],
        )
        .await?;
    rows.iter().map(event).collect()
}

/// The numbers of all events of a room, those without a place among them.
pub async fn of_room(snapshot: &Snapshot, room_num: RoomNum) -> Result<Vec<EventNum>, StoreError> {
    let rows = snapshot.query("SELECT event_num FROM events WHERE room_num = $1", &params![room_num]).await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// The first and the last position of a room.
pub async fn ends(snapshot: &Snapshot, room_num: RoomNum) -> Result<Option<(Position, Position)>, StoreError> {
    let row = snapshot
        .query_one(
            "SELECT (SELECT MIN(position) FROM events WHERE room_num = $1), (SELECT MAX(position) FROM events WHERE room_num = $1)",
            &params![room_num],
        )
        .await?;
    Ok(row.opt_num(0)?.zip(row.opt_num(1)?))
}

/// The first event of a room at a position or after it: where it stands, and when its sender says it was sent.
pub async fn time_at(
    snapshot: &Snapshot,
    room_num: RoomNum,
    position: Position,
) -> Result<Option<(Position, i64)>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT position, origin_server_ts FROM events WHERE room_num = $1 AND position >= $2 ORDER BY position LIMIT 1",
            &params![room_num, position],
        )
        .await?;
    row.map(|row| Ok((row.num(0)?, row.int(1)?))).transpose()
}

/// Adds an event; a conflict if its id is there.
pub fn insert(batch: &mut Batch, event: &Event, position: Value) {
    batch.push(
        "INSERT INTO events (event_num, room_num, position, event_id, sender_num, origin_server_ts, state_before, key_num,
         thread_num, totals, json, graph_state, status) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        params![
            event.event_num,
            event.room_num,
            position,
            event.event_id.clone(),
            event.sender_num,
            event.origin_server_ts,
            event.state_before,
            event.key_num,
            event.thread_num,
            event.totals.clone(),
            event.json.clone(),
            event.graph_state,
            event.status
        ],
    );
}

/// Empties an event that was redacted: what it said is gone from this row for good.
pub fn redact(batch: &mut Batch, event_num: EventNum, redacted_by: EventNum, json: Bytes) {
    batch.push(
        "UPDATE events SET json = $3, redacted_by = $2, thread_num = NULL WHERE event_num = $1",
        params![event_num, redacted_by, json],
    );
}

/// Makes an event that was known by itself a part of the graph: its place, the states before it, and how it stands.
pub fn place(batch: &mut Batch, event: &Event, position: Value) {
    batch.push(
        "UPDATE events SET position = $2, state_before = $3, graph_state = $4, status = $5, thread_num = $6, totals = $7
         WHERE event_num = $1",
        params![
            event.event_num,
            position,
            event.state_before,
            event.graph_state,
            event.status,
            event.thread_num,
            event.totals.clone()
        ],
    );
}

/// Of events by their ids in stored form, those that are state and are not rejected: the pair that each sets, and its number. Each once.
pub async fn state_of_ids(
    snapshot: &Snapshot,
    room_num: RoomNum,
    ids: impl IntoIterator<Item = Bytes>,
) -> Result<Vec<(KeyNum, EventNum)>, StoreError> {
    let mut found = Vec::new();
    for id in ids {
        let row = snapshot
            .query_opt(
                "SELECT event_num, key_num, status FROM events WHERE event_id = $1 AND room_num = $2",
                &params![id, room_num],
            )
            .await?;
        let Some(row) = row.filter(|row| row.int(2).is_ok_and(|status| !Status(status).has(Status::REJECTED))) else {
            continue;
        };
        if let Some(key_num) = row.opt_num(1)? {
            found.push((key_num, row.num(0)?));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// The events of a room after a number that were looked at and are not part of it, in their order.
pub async fn refused_after(
    snapshot: &Snapshot,
    room_num: RoomNum,
    after: EventNum,
) -> Result<Vec<EventNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT event_num, status FROM events WHERE room_num = $1 AND position IS NULL AND event_num > $2 ORDER BY event_num",
            &params![room_num, after],
        )
        .await?;
    let mut refused = Vec::new();
    for row in rows {
        if !Status(row.int(1)?).has(Status::OUTLIER) {
            refused.push(row.num(0)?);
        }
    }
    Ok(refused)
}

/// Sets the states before an event anew, since more is known of the room.
pub fn set_states(batch: &mut Batch, event_num: EventNum, state_before: NodeNum, graph_state: Option<NodeNum>) {
    batch.push(
        "UPDATE events SET state_before = $2, graph_state = $3 WHERE event_num = $1",
        params![event_num, state_before, graph_state],
    );
}

/// Takes an event out of the timeline: it turned out not to be allowed.
pub fn take_out(batch: &mut Batch, event_num: EventNum, status: Status) {
    batch.push("UPDATE events SET position = NULL, status = $2 WHERE event_num = $1", params![event_num, status]);
}

/// What is known of events by their ids in stored form: id, number, how they stand.
pub async fn known(
    snapshot: &Snapshot,
    room_num: RoomNum,
    ids: impl IntoIterator<Item = Bytes>,
) -> Result<Vec<(Bytes, EventNum, Status)>, StoreError> {
    let mut found = Vec::new();
    for id in ids {
        let row = snapshot
            .query_opt(
                "SELECT event_num, status FROM events WHERE event_id = $1 AND room_num = $2",
                &params![id.clone(), room_num],
            )
            .await?;
        if let Some(row) = row {
            found.push((id, row.num(0)?, Status(row.int(1)?)));
        }
    }
    Ok(found)
}

/// The ids of events in stored form.
pub async fn ids(
    snapshot: &Snapshot,
    nums: impl IntoIterator<Item = EventNum>,
) -> Result<Vec<(EventNum, Bytes)>, StoreError> {
    let rows =
        snapshot.query("SELECT event_num, event_id FROM events WHERE event_num IN INTS($1)", &[int_list(nums)]).await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.blob(1)?))).collect()
}
