//! `partial_rooms`: rooms that were joined before all of their members were known, whose state is being fetched.

use domicile_core::ids::{EventNum, NodeNum, RoomNum};

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `partial_rooms`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialRoom {
    /// The room.
    pub room_num: RoomNum,
    /// The event by which this server came in.
    pub join_num: EventNum,
    /// Root of what is known of the state before it.
    pub state_before: NodeNum,
    /// The servers that were said to be in the room, as a JSON list of names; the one that let us in comes first.
    pub servers: String,
    /// When the room was joined, in milliseconds since the epoch.
    pub begun_ts: i64,
    /// How often the state was asked for in vain.
    pub attempts: i64,
    /// When it is asked for next.
    pub due_ts: i64,
    /// What went wrong last.
    pub last_error: Option<String>,
}

fn partial_room(row: &Row) -> Result<PartialRoom, StoreError> {
    Ok(PartialRoom {
        room_num: row.num(0)?,
        join_num: row.num(1)?,
        state_before: row.num(2)?,
        servers: row.text(3)?.to_owned(),
        begun_ts: row.int(4)?,
        attempts: row.int(5)?,
        due_ts: row.int(6)?,
        last_error: row.opt_text(7)?.map(str::to_owned),
    })
}

/// What is known of a room whose state is being fetched.
pub async fn of_room(snapshot: &Snapshot, room_num: RoomNum) -> Result<Option<PartialRoom>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT room_num, join_num, state_before, servers, begun_ts, attempts, due_ts, last_error FROM partial_rooms
             WHERE room_num = $1",
            &params![room_num],
        )
        .await?;
    row.as_ref().map(partial_room).transpose()
}

/// At most `limit` rooms whose state is to be asked for, those that wait longest first.
pub async fn due(snapshot: &Snapshot, now_ms: i64, limit: i64) -> Result<Vec<RoomNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT room_num FROM partial_rooms WHERE due_ts <= $1 ORDER BY due_ts, room_num LIMIT $2",
            &params![now_ms, limit],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// At most `limit` rooms with their Matrix ids, the oldest first.
pub async fn all(snapshot: &Snapshot, limit: i64) -> Result<Vec<(String, PartialRoom)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT p.room_num, p.join_num, p.state_before, p.servers, p.begun_ts, p.attempts, p.due_ts, p.last_error, r.room_id
             FROM partial_rooms p JOIN rooms r ON r.room_num = p.room_num ORDER BY p.begun_ts, p.room_num LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(8)?.to_owned(), partial_room(row)?))).collect()
}

/// Notes a room whose state is to be fetched, instead of what was noted of it before.
pub fn set(batch: &mut Batch, room: &PartialRoom) {
    batch.push(
        "INSERT INTO partial_rooms (room_num, join_num, state_before, servers, begun_ts, attempts, due_ts, last_error)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (room_num) DO UPDATE SET join_num = excluded.join_num,
         state_before = excluded.state_before, servers = excluded.servers, begun_ts = excluded.begun_ts,
         attempts = excluded.attempts, due_ts = excluded.due_ts, last_error = excluded.last_error",
        params![
            room.room_num,
            room.join_num,
            room.state_before,
            room.servers.as_str(),
            room.begun_ts,
            room.attempts,
            room.due_ts,
            room.last_error.as_deref()
        ],
    );
}

/// Puts a room off whose state could not be had.
pub fn postpone(batch: &mut Batch, room_num: RoomNum, join_num: EventNum, due_ts: i64, error: &str) {
    batch.push(
        "UPDATE partial_rooms SET attempts = attempts + 1, due_ts = $3, last_error = $4 WHERE room_num = $1 AND join_num = $2",
        params![room_num, join_num, due_ts, error],
    );
}

/// A room's state is whole, or a new copy was taken.
pub fn remove(batch: &mut Batch, room_num: RoomNum) {
    batch.push("DELETE FROM partial_rooms WHERE room_num = $1", params![room_num]);
}
