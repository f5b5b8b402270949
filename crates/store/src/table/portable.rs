//! What the numbers of this cell stand for elsewhere, and the other way round: for rows that go to another cell.

use std::collections::HashMap;

use bytes::Bytes;
use domicile_core::ids::{EventNum, Position, RoomNum, UserNum};

use crate::{
    Snapshot, StoreError, params,
    value::{blob_list, int_list},
};

/// The Matrix ids of users.
pub async fn user_ids(snapshot: &Snapshot, nums: &[i64]) -> Result<HashMap<i64, String>, StoreError> {
    let list = int_list(nums.iter().copied());
    let rows = snapshot.query("SELECT user_num, user_id FROM users WHERE user_num IN INTS($1)", &[list]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?.to_owned()))).collect()
}

/// The Matrix ids and versions of rooms.
pub async fn room_ids(snapshot: &Snapshot, nums: &[i64]) -> Result<HashMap<i64, (String, String)>, StoreError> {
    let list = int_list(nums.iter().copied());
    let rows =
        snapshot.query("SELECT room_num, room_id, room_version FROM rooms WHERE room_num IN INTS($1)", &[list]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, (row.text(1)?.to_owned(), row.text(2)?.to_owned())))).collect()
}

/// The ids of events in stored form.
pub async fn event_ids(snapshot: &Snapshot, nums: &[i64]) -> Result<HashMap<i64, Bytes>, StoreError> {
    let list = int_list(nums.iter().copied());
    let rows = snapshot.query("SELECT event_num, event_id FROM events WHERE event_num IN INTS($1)", &[list]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.blob(1)?))).collect()
}

/// Events by their ids in stored form: number and place in the timeline.
pub async fn event_nums(
    snapshot: &Snapshot,
    ids: &[Bytes],
) -> Result<HashMap<Bytes, (EventNum, Option<Position>)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT e.event_id, e.event_num, e.position FROM BLOBS($1) p JOIN events e ON e.event_id = p.item",
            &[blob_list(ids)],
        )
        .await?;
    rows.iter().map(|row| Ok((row.blob(0)?, (row.num(1)?, row.opt_num(2)?)))).collect()
}

/// The id in stored form of a room's last event up to a place.
pub async fn event_at(snapshot: &Snapshot, room_num: RoomNum, position: Position) -> Result<Option<Bytes>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT event_id FROM events WHERE room_num = $1 AND position <= $2 ORDER BY position DESC LIMIT 1",
            &params![room_num, position],
        )
        .await?;
    row.map(|row| row.blob(0)).transpose()
}

/// The numbers and ids of a user's devices.
pub async fn devices(snapshot: &Snapshot, user_num: UserNum) -> Result<HashMap<i64, String>, StoreError> {
    let rows =
        snapshot.query("SELECT device_num, device_id FROM devices WHERE user_num = $1", &params![user_num]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.text(1)?.to_owned()))).collect()
}

/// The rooms with which a user has to do.
pub async fn rooms_of(snapshot: &Snapshot, user_num: UserNum) -> Result<Vec<RoomOf>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT r.room_num, r.room_id, r.room_version, m.membership, r.has_copy, m.forgotten, r.last_position, m.position FROM memberships m
             JOIN rooms r ON r.room_num = m.room_num WHERE m.user_num = $1 ORDER BY r.room_num",
            &params![user_num],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(RoomOf {
                room_num: row.num(0)?,
                room_id: row.text(1)?.to_owned(),
                version: row.text(2)?.to_owned(),
                membership: row.text(3)?.to_owned(),
                has_copy: row.flag(4)?,
                forgotten: row.flag(5)?,
                last_position: row.num(6)?,
                position: row.num(7)?,
            })
        })
        .collect()
}

/// A room with which a user has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomOf {
    /// Its number.
    pub room_num: RoomNum,
    /// Its id.
    pub room_id: String,
    /// Its version.
    pub version: String,
    /// The user's membership.
    pub membership: String,
    /// Whether there is a copy of it here.
    pub has_copy: bool,
    /// Whether the user forgot it.
    pub forgotten: bool,
    /// Where its last event stands.
    pub last_position: Position,
    /// Where the user's membership stands.
    pub position: Position,
}
