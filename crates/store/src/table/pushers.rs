//! `pushers`: where users want to be notified, each with how far it has been told.

use bytes::Bytes;
use domicile_core::ids::{DeviceNum, Position, UserNum};

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `pushers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pusher {
    /// The number.
    pub pusher_num: i64,
    /// The owner.
    pub user_num: UserNum,
    /// The device that made it, with which it ends.
    pub device_num: DeviceNum,
    /// A hash of the application and its push key, by which other people's pushers of the same are found.
    pub key_hash: Bytes,
    /// Everything else, sealed with the owner's key.
    pub sealed: Bytes,
    /// Up to here it has been told.
    pub position: Position,
}

fn pusher(row: &Row) -> Result<Pusher, StoreError> {
    Ok(Pusher {
        pusher_num: row.int(0)?,
        user_num: row.num(1)?,
        device_num: row.num(2)?,
        key_hash: row.blob(3)?,
        sealed: row.blob(4)?,
        position: row.num(5)?,
    })
}

/// A user's pushers.
pub async fn of_user(snapshot: &Snapshot, user_num: UserNum) -> Result<Vec<Pusher>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT pusher_num, user_num, device_num, key_hash, sealed, position FROM pushers WHERE user_num = $1
             ORDER BY pusher_num",
            &params![user_num],
        )
        .await?;
    rows.iter().map(pusher).collect()
}

/// Pushers of a key, whosever they are: number and owner.
pub async fn of_key(snapshot: &Snapshot, key_hash: &[u8]) -> Result<Vec<(i64, UserNum)>, StoreError> {
    let rows =
        snapshot.query("SELECT pusher_num, user_num FROM pushers WHERE key_hash = $1", &params![key_hash]).await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.num(1)?))).collect()
}

/// One pusher.
pub async fn one(snapshot: &Snapshot, pusher_num: i64) -> Result<Option<Pusher>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT pusher_num, user_num, device_num, key_hash, sealed, position FROM pushers WHERE pusher_num = $1",
            &params![pusher_num],
        )
        .await?;
    row.as_ref().map(pusher).transpose()
}

/// All pushers after a number, in the order of their numbers: number and owner.
pub async fn page(snapshot: &Snapshot, after: i64, limit: i64) -> Result<Vec<(i64, UserNum)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT pusher_num, user_num FROM pushers WHERE pusher_num > $1 ORDER BY pusher_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.num(1)?))).collect()
}

/// All pushers after a number, in the order of their numbers.
pub async fn after(snapshot: &Snapshot, after: i64, limit: i64) -> Result<Vec<Pusher>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT pusher_num, user_num, device_num, key_hash, sealed, position FROM pushers WHERE pusher_num > $1
             ORDER BY pusher_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(pusher).collect()
}

/// Adds a pusher; a conflict if the user has one of that key.
pub fn insert(batch: &mut Batch, pusher: &Pusher) {
    batch.push(
        "INSERT INTO pushers (pusher_num, user_num, device_num, key_hash, sealed, position) VALUES ($1, $2, $3, $4, $5, $6)",
        params![
            pusher.pusher_num,
            pusher.user_num,
            pusher.device_num,
            pusher.key_hash.clone(),
            pusher.sealed.clone(),
            pusher.position
        ],
    );
}

/// Replaces what a pusher is, and which device it ends with; how far it has been told stays.
pub fn set(batch: &mut Batch, pusher_num: i64, device_num: DeviceNum, sealed: Bytes) {
    batch.push(
        "UPDATE pushers SET device_num = $2, sealed = $3 WHERE pusher_num = $1",
        params![pusher_num, device_num, sealed],
    );
}

/// Notes how far a pusher has been told.
pub fn told(batch: &mut Batch, pusher_num: i64, position: Position) {
    batch.push("UPDATE pushers SET position = $2 WHERE pusher_num = $1", params![pusher_num, position]);
}

/// Removes a pusher.
pub fn remove(batch: &mut Batch, pusher_num: i64) {
    batch.push("DELETE FROM pushers WHERE pusher_num = $1", params![pusher_num]);
}

/// Joined rooms of a user in which something came after what they have read by sending or by a receipt for the whole room: the room, where
/// they came in, and the room's last position.
pub async fn unread_rooms(
    snapshot: &Snapshot,
    user_num: UserNum,
) -> Result<Vec<(domicile_core::ids::RoomNum, Position, Position)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT m.room_num, m.turned_position, r.last_position FROM memberships m JOIN rooms r ON r.room_num = m.room_num
             WHERE m.user_num = $1 AND m.membership = 'join' AND r.last_position > m.turned_position
             AND NOT EXISTS (SELECT 1 FROM read_state s WHERE s.user_num = $1 AND s.room_num = m.room_num
             AND s.read_position >= r.last_position)
             AND NOT EXISTS (SELECT 1 FROM receipts x WHERE x.room_num = m.room_num AND x.user_num = $1 AND x.thread = ''
             AND x.event_position >= r.last_position)",
            &params![user_num],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.num(1)?, row.num(2)?))).collect()
}
