//! What only `/sync` asks, across tables: which of a user's rooms have anything new.

use domicile_core::ids::{EventNum, NodeNum, Position, RoomNum, UserNum};

use crate::{Snapshot, StoreError, params};

/// A user's membership with the newest position of its room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomOfUser {
    /// The user.
    pub user_num: UserNum,
    /// The room.
    pub room_num: RoomNum,
    /// `join`, `invite`, `knock`, `leave` or `ban`.
    pub membership: String,
    /// The member event.
    pub event_num: EventNum,
    /// Its position.
    pub position: Position,
    /// Where the user last went from joined to not joined, or back.
    pub turned_position: Position,
    /// The position of the room's last event.
    pub last_position: Position,
    /// Root of the room's state after its last event.
    pub state_root: NodeNum,
    /// Where the last members came of a room that was joined without them; -1 while they are missing, 0 where none ever were.
    pub whole_position: Position,
}

impl RoomOfUser {
    /// Whether not all of the room's members were known at a position.
    pub fn lacks_members(&self, upto: Position) -> bool {
        self.whole_position.0 < 0 || self.whole_position > upto
    }
}

/// A user's rooms in which something was written after `since`, and all of those that they are invited to, left and so on after it. With
/// `since` at the start: all.
pub async fn rooms_of_user(
    snapshot: &Snapshot,
    user_num: UserNum,
    since: Position,
) -> Result<Vec<RoomOfUser>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT m.room_num, m.membership, m.event_num, m.position, m.turned_position, r.last_position, r.state_root,
             r.whole_position
             FROM memberships m JOIN rooms r ON r.room_num = m.room_num
             WHERE m.user_num = $1 AND m.forgotten = 0
             AND (m.position > $2 OR (m.membership = 'join' AND (r.last_position > $2 OR r.whole_position > $2))) ORDER BY m.room_num",
            &params![user_num, since],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(RoomOfUser {
                user_num,
                room_num: row.num(0)?,
                membership: row.text(1)?.to_owned(),
                event_num: row.num(2)?,
                position: row.num(3)?,
                turned_position: row.num(4)?,
                last_position: row.num(5)?,
                state_root: row.num(6)?,
                whole_position: row.num(7)?,
            })
        })
        .collect()
}

/// One of a user's joined rooms, whether anything is new in it or not.
pub async fn joined_room(
    snapshot: &Snapshot,
    user_num: UserNum,
    room_num: RoomNum,
) -> Result<Option<RoomOfUser>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT m.room_num, m.membership, m.event_num, m.position, m.turned_position, r.last_position, r.state_root,
             r.whole_position
             FROM memberships m JOIN rooms r ON r.room_num = m.room_num
             WHERE m.user_num = $1 AND m.room_num = $2 AND m.membership = 'join'",
            &params![user_num, room_num],
        )
        .await?;
    row.map(|row| {
        Ok(RoomOfUser {
            user_num,
            room_num: row.num(0)?,
            membership: row.text(1)?.to_owned(),
            event_num: row.num(2)?,
            position: row.num(3)?,
            turned_position: row.num(4)?,
            last_position: row.num(5)?,
            state_root: row.num(6)?,
            whole_position: row.num(7)?,
        })
    })
    .transpose()
}

/// Account data that a user changed with `since < position <= upto`: room (0 is none), type, content.
pub async fn account_data(
    snapshot: &Snapshot,
    user_num: UserNum,
    since: Position,
    upto: Position,
) -> Result<Vec<(RoomNum, String, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT room_num, kind, content FROM account_data WHERE user_num = $1 AND position > $2 AND position <= $3
             ORDER BY position",
            &params![user_num, since, upto],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.text(1)?.to_owned(), row.text(2)?.to_owned()))).collect()
}

/// The root of a room's state just before its first event after `position`; none if there is no such event.
pub async fn state_before_next(
    snapshot: &Snapshot,
    room_num: RoomNum,
    position: Position,
) -> Result<Option<NodeNum>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT state_before FROM events WHERE room_num = $1 AND position > $2 ORDER BY position LIMIT 1",
            &params![room_num, position],
        )
        .await?;
    row.map(|row| row.num(0)).transpose()
}

/// The definition of a filter that a user stored.
pub async fn filter(snapshot: &Snapshot, user_num: UserNum, filter_num: i64) -> Result<Option<String>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT definition FROM filters WHERE user_num = $1 AND filter_num = $2",
            &params![user_num, filter_num],
        )
        .await?;
    row.map(|row| row.text(0).map(str::to_owned)).transpose()
}
