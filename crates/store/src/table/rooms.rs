//! `rooms` and `forward_extremities`: a room's row carries the guard of every write to the room, and nearly always all that such a write changes.

use bytes::Bytes;
use domicile_core::ids::{EventNum, NodeNum, Position, RoomNum};

use crate::{Batch, Row, Snapshot, StoreError, Value, params};

/// A row of `rooms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The number.
    pub room_num: RoomNum,
    /// The Matrix id.
    pub room_id: String,
    /// The room version, as Matrix spells it.
    pub room_version: String,
    /// Grows by one with every write to the room.
    pub revision: i64,
    /// Root of the current state.
    pub state_root: NodeNum,
    /// Position of the last event of the timeline.
    pub last_position: Position,
    /// An end of the graph, to which the next event refers.
    pub end_num: EventNum,
    /// Depth of the deepest event.
    pub depth: i64,
    /// Running totals of notifications.
    pub totals: Bytes,
    /// Whether the room is in the public directory.
    pub is_public: bool,
    /// Whether there is a copy of the room here; else it is known by an invite or a knock only.
    pub has_copy: bool,
}

fn room(row: &Row) -> Result<Room, StoreError> {
    Ok(Room {
        room_num: row.num(0)?,
        room_id: row.text(1)?.to_owned(),
        room_version: row.text(2)?.to_owned(),
        revision: row.int(3)?,
        state_root: row.num(4)?,
        last_position: row.num(5)?,
        end_num: row.num(6)?,
        depth: row.int(7)?,
        totals: row.blob(8)?,
        is_public: row.flag(9)?,
        has_copy: row.flag(10)?,
    })
}

/// The room with a Matrix id.
pub async fn by_id(snapshot: &Snapshot, room_id: &str) -> Result<Option<Room>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT room_num, room_id, room_version, revision, state_root, last_position, end_num, depth, totals, is_public,
             has_copy FROM rooms WHERE room_id = $1",
            &params![room_id],
        )
        .await?;
    row.as_ref().map(room).transpose()
}

/// The room with a number.
pub async fn by_num(snapshot: &Snapshot, room_num: RoomNum) -> Result<Option<Room>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT room_num, room_id, room_version, revision, state_root, last_position, end_num, depth, totals, is_public,
             has_copy FROM rooms WHERE room_num = $1",
            &params![room_num],
        )
        .await?;
    row.as_ref().map(room).transpose()
}

/// Adds a room; a conflict if the id is there.
pub fn insert(batch: &mut Batch, room: &Room, last_position: Value, created_ts: i64) {
    batch.push(
        "INSERT INTO rooms (room_num, room_id, room_version, revision, state_root, last_position, end_num, depth, totals, is_public,
         created_ts, has_copy) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        params![
            room.room_num,
            room.room_id.as_str(),
            room.room_version.as_str(),
            room.revision,
            room.state_root,
            last_position,
            room.end_num,
            room.depth,
            room.totals.clone(),
            room.is_public,
            created_ts,
            room.has_copy
        ],
    );
}

/// What a write to a room's timeline changes in its row.
#[derive(Clone, Debug)]
pub struct Advance {
    /// The room.
    pub room_num: RoomNum,
    /// The revision that the writer read.
    pub from_revision: i64,
    /// The new root of the current state.
    pub state_root: NodeNum,
    /// The new last position, given by [`Batch::position`].
    pub last_position: Value,
    /// The new end of the graph, or one of its ends.
    pub end_num: EventNum,
    /// The new depth.
    pub depth: i64,
    /// The new totals.
    pub totals: Bytes,
}

/// Moves a room on, if nobody else did since it was read.
pub fn advance(batch: &mut Batch, advance: Advance) {
    batch.guard(
        "rooms.revision",
        "UPDATE rooms SET revision = $2 + 1, state_root = $3, last_position = $4, end_num = $5, depth = $6, totals = $7
         WHERE room_num = $1 AND revision = $2",
        params![
            advance.room_num,
            advance.from_revision,
            advance.state_root,
            advance.last_position,
            advance.end_num,
            advance.depth,
            advance.totals
        ],
    );
}

/// Puts a room into the public directory or takes it out.
pub fn set_public(batch: &mut Batch, room_num: RoomNum, is_public: bool) {
    batch.push("UPDATE rooms SET is_public = $2 WHERE room_num = $1", params![room_num, is_public]);
}

/// Notes whether anybody may join or read a room.
pub fn set_open(batch: &mut Batch, room_num: RoomNum, is_open: bool) {
    batch.push("UPDATE rooms SET is_open = $2 WHERE room_num = $1", params![room_num, is_open]);
}

/// The ends of a room's graph, to which the next event refers: numbers and event ids in stored form.
pub async fn forward_extremities(snapshot: &Snapshot, room_num: RoomNum) -> Result<Vec<(EventNum, Bytes)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT event_num, event_id FROM events WHERE event_num IN (SELECT end_num FROM rooms WHERE room_num = $1
             UNION ALL SELECT event_num FROM forward_extremities WHERE room_num = $1) ORDER BY event_num",
            &params![room_num],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.blob(1)?))).collect()
}

/// Leaves a room's graph with the one end that its row names. Not needed where it had no other.
pub fn remove_further_extremities(batch: &mut Batch, room_num: RoomNum) {
    batch.push("DELETE FROM forward_extremities WHERE room_num = $1", params![room_num]);
}

/// Adds an end to a room's graph beside the one that its row names.
pub fn add_further_extremity(batch: &mut Batch, room_num: RoomNum, event_num: EventNum) {
    batch.push(
        "INSERT INTO forward_extremities (room_num, event_num) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        params![room_num, event_num],
    );
}

/// Turns a room that was known by an invite only into one with a copy; a conflict if somebody else did.
pub fn take_copy(batch: &mut Batch, room: &Room, last_position: Value) {
    batch.guard(
        "rooms.revision",
        "UPDATE rooms SET revision = $2, state_root = $3, last_position = $4, end_num = $5, depth = $6, totals = $7, has_copy = 1,
         room_version = $8 WHERE room_num = $1 AND revision + 1 = $2",
        params![
            room.room_num,
            room.revision,
            room.state_root,
            last_position,
            room.end_num,
            room.depth,
            room.totals.clone(),
            room.room_version.as_str()
        ],
    );
}

/// How many rooms there are a copy of here.
pub async fn copies(snapshot: &Snapshot) -> Result<i64, StoreError> {
    snapshot.query_one("SELECT COUNT(*) FROM rooms WHERE has_copy = 1", &[]).await?.int(0)
}

/// Holds a write to a room that changes nothing of its row to the revision that was read.
pub fn touch(batch: &mut Batch, room_num: RoomNum, revision: i64) {
    batch.guard(
        "rooms.revision",
        "UPDATE rooms SET revision = $2 + 1 WHERE room_num = $1 AND revision = $2",
        params![room_num, revision],
    );
}

/// Notes whether a room's members are all known: `position` is where the last of them came, -1 while some are missing, 0 where none ever were.
pub fn set_whole(batch: &mut Batch, room_num: RoomNum, position: Value) {
    batch.push("UPDATE rooms SET whole_position = $2 WHERE room_num = $1", params![room_num, position]);
}
