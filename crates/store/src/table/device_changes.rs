//! `device_changes`: the last change of each device of local users, which other servers are told one by one.

use domicile_core::ids::{DestinationNum, Position, UserNum};

use crate::{Batch, Row, Snapshot, StoreError, Value, params, value::int_list};

/// Stands for a user's cross-signing keys where a device's id stands.
pub const CROSS_SIGNING: &str = "";

/// A device that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceChange {
    /// Whose it is.
    pub user_num: UserNum,
    /// The device's Matrix id, or [`CROSS_SIGNING`].
    pub device_id: String,
    /// Where it changed last.
    pub position: Position,
    /// Where anything of the user's changed before.
    pub prev_position: Position,
}

fn change(row: &Row) -> Result<DeviceChange, StoreError> {
    Ok(DeviceChange {
        user_num: row.num(0)?,
        device_id: row.text(1)?.to_owned(),
        position: row.num(2)?,
        prev_position: row.num(3)?,
    })
}

/// Notes that a device changed. Call it before the position is noted in `device_list_changes`, where the change before it stands.
pub fn set(batch: &mut Batch, user_num: UserNum, device_id: &str, position: Value) {
    batch.push(
        "INSERT INTO device_changes (user_num, device_id, position, prev_position) VALUES ($1, $2, $3, COALESCE(
         (SELECT c.position FROM device_list_changes c WHERE c.user_num = $1 AND c.viewer_num = 0), 0))
         ON CONFLICT (user_num, device_id) DO UPDATE SET position = excluded.position, prev_position = excluded.prev_position",
        params![user_num, device_id, position],
    );
}

/// At most `limit` changes with `since < position <= upto` of users who share a room with a destination, in their order.
pub async fn of_destination(
    snapshot: &Snapshot,
    destination_num: DestinationNum,
    since: Position,
    upto: Position,
    limit: i64,
) -> Result<Vec<DeviceChange>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT c.user_num, c.device_id, c.position, c.prev_position FROM device_changes c
             WHERE c.position > $2 AND c.position <= $3 AND EXISTS (SELECT 1 FROM memberships m CROSS JOIN destination_rooms r
             WHERE m.user_num = c.user_num AND m.membership = 'join'
             AND r.room_num = m.room_num AND r.destination_num = $1 AND r.until_position IS NULL) ORDER BY c.position LIMIT $4",
            &params![destination_num, since, upto, limit],
        )
        .await?;
    rows.iter().map(change).collect()
}

/// The last change of a device of each of some users, as far as they have any.
pub async fn last_of(
    snapshot: &Snapshot,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<DeviceChange>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT c.user_num, c.device_id, c.position, c.prev_position FROM device_changes c WHERE c.user_num IN INTS($1)
             AND c.device_id <> '' AND c.position = (SELECT MAX(l.position) FROM device_changes l
             WHERE l.user_num = c.user_num AND l.device_id <> '')",
            &[int_list(users)],
        )
        .await?;
    rows.iter().map(change).collect()
}

/// Removes the rows of devices that are gone, up to a position.
pub fn remove_gone(batch: &mut Batch, upto: Position) {
    batch.push(
        "DELETE FROM device_changes WHERE position <= $1 AND device_id <> '' AND NOT EXISTS (SELECT 1 FROM devices d
         WHERE d.user_num = device_changes.user_num AND d.device_id = device_changes.device_id)",
        params![upto],
    );
}
