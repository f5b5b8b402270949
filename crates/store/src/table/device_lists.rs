//! `device_list_changes`: where each user's devices and keys last changed, and who has come to share a room, or ceased to.

use domicile_core::ids::{Position, RoomNum, UserNum};

use crate::{Batch, Snapshot, StoreError, Value, params, value::int_list};

/// Notes at `position` that a user's devices or keys changed. `viewer` is the one user who may know, or [`UserNum::NOBODY`] for everybody.
///
/// Only the last change is kept: a reader asks who changed since, never how often.
pub fn set(batch: &mut Batch, user_num: UserNum, viewer: UserNum, position: Value) {
    batch.push(
        "INSERT INTO device_list_changes (user_num, viewer_num, position) VALUES ($1, $2, $3)
         ON CONFLICT (user_num, viewer_num) DO UPDATE SET position = excluded.position",
        params![user_num, viewer, position],
    );
}

/// Users whose devices or keys changed after `since`, as far as `reader` may know: their own, those of people in the same rooms, and those
/// that changed for the reader alone.
pub async fn changed(snapshot: &Snapshot, reader: UserNum, since: Position) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT DISTINCT c.user_num FROM device_list_changes c WHERE c.position > $2 AND (c.viewer_num = $1 OR (c.viewer_num = 0
             AND (c.user_num = $1 OR EXISTS (SELECT 1 FROM memberships theirs JOIN memberships mine ON mine.room_num = theirs.room_num
             AND mine.user_num = $1 AND mine.membership = 'join' WHERE theirs.user_num = c.user_num AND theirs.membership = 'join'))))",
            &params![reader, since],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// A room of the reader in which something happened after a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveRoom {
    /// The room.
    pub room_num: RoomNum,
    /// Whether the reader is joined.
    pub joined: bool,
    /// Whether the reader joined or ceased to be joined after the position, or is joined and the last members became known after it.
    pub turned: bool,
}

/// The reader's rooms whose timeline went on after `since`: nobody joins or leaves without an event there. And those whose last members became
/// known after it.
pub async fn active_rooms(
    snapshot: &Snapshot,
    reader: UserNum,
    since: Position,
) -> Result<Vec<ActiveRoom>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT m.room_num, m.membership, m.turned_position, r.whole_position FROM memberships m
             JOIN rooms r ON r.room_num = m.room_num WHERE m.user_num = $1 AND (r.last_position > $2 OR r.whole_position > $2)",
            &params![reader, since],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let joined = row.text(1)? == "join";
            let became_whole = row.num::<Position>(3)? > since;
            let turned = row.num::<Position>(2)? > since || (joined && became_whole);
            Ok(ActiveRoom { room_num: row.num(0)?, joined, turned })
        })
        .collect()
}

/// Who joined (`true`) a room after `since`, or ceased to be joined.
pub async fn turned_in(
    snapshot: &Snapshot,
    room_num: RoomNum,
    since: Position,
) -> Result<Vec<(UserNum, bool)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, membership FROM memberships WHERE room_num = $1 AND turned_position > $2",
            &params![room_num, since],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.text(1)? == "join"))).collect()
}

/// Everybody who is joined to a room.
pub async fn joined(snapshot: &Snapshot, room_num: RoomNum) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query("SELECT user_num FROM memberships WHERE room_num = $1 AND membership = 'join'", &params![room_num])
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Those of `users` who are joined to a room to which `reader` is joined too.
pub async fn sharing(
    snapshot: &Snapshot,
    reader: UserNum,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT DISTINCT theirs.user_num FROM memberships theirs JOIN memberships mine ON mine.room_num = theirs.room_num
             WHERE theirs.user_num IN INTS($2) AND theirs.membership = 'join' AND mine.user_num = $1 AND mine.membership = 'join'",
            &[reader.into(), int_list(users)],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Local users who are joined to a room together with `user_num`: who is told when their devices change.
pub async fn audience(snapshot: &Snapshot, user_num: UserNum) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT DISTINCT theirs.user_num FROM memberships mine JOIN memberships theirs ON theirs.room_num = mine.room_num
             AND theirs.membership = 'join' JOIN users u ON u.user_num = theirs.user_num AND u.is_local = 1
             WHERE mine.user_num = $1 AND mine.membership = 'join'",
            &params![user_num],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Whether a user is joined to a room together with any local user.
pub async fn is_shared(snapshot: &Snapshot, user_num: UserNum) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT 1 FROM memberships theirs JOIN memberships ours ON ours.room_num = theirs.room_num AND ours.membership = 'join'
             JOIN users u ON u.user_num = ours.user_num AND u.is_local = 1
             WHERE theirs.user_num = $1 AND theirs.membership = 'join' LIMIT 1",
            &params![user_num],
        )
        .await?;
    Ok(row.is_some())
}

/// Where a user's devices or keys last changed for everybody; the start if they never did.
pub async fn last_change(snapshot: &Snapshot, user_num: UserNum) -> Result<Position, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT position FROM device_list_changes WHERE user_num = $1 AND viewer_num = 0",
            &params![user_num],
        )
        .await?;
    row.map_or(Ok(Position::START), |row| row.num(0))
}
