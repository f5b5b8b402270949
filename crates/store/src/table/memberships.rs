//! `memberships`: each user's current membership in each room, for reading by user and by room.

use domicile_core::ids::{EventNum, Position, RoomNum, UserNum};

use crate::{Batch, Row, Snapshot, StoreError, Value, params, value::int_list};

/// A row of `memberships`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The user.
    pub user_num: UserNum,
    /// The room.
    pub room_num: RoomNum,
    /// `join`, `invite`, `knock`, `leave` or `ban`.
    pub membership: String,
    /// The event that says so.
    pub event_num: EventNum,
    /// The event's position; negative for what became known of a room whose members are not all known yet.
    pub position: Position,
    /// Whether the user asked to forget the room.
    pub forgotten: bool,
}

fn membership(row: &Row) -> Result<Membership, StoreError> {
    Ok(Membership {
        user_num: row.num(0)?,
        room_num: row.num(1)?,
        membership: row.text(2)?.to_owned(),
        event_num: row.num(3)?,
        position: row.num(4)?,
        forgotten: row.flag(5)?,
    })
}

/// All of a user's memberships that are not forgotten.
pub async fn of_user(snapshot: &Snapshot, user_num: UserNum) -> Result<Vec<Membership>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, room_num, membership, event_num, position, forgotten FROM memberships
             WHERE user_num = $1 AND forgotten = 0 ORDER BY room_num",
            &params![user_num],
        )
        .await?;
    rows.iter().map(membership).collect()
}

/// The rooms that `users` are joined to, one at a time.
pub async fn joined_by(
    snapshot: &Snapshot,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<(UserNum, RoomNum)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, room_num FROM memberships WHERE user_num IN INTS($1) AND membership = 'join'",
            &[int_list(users)],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.num(1)?))).collect()
}

/// A user's membership in one room, forgotten or not.
pub async fn one(snapshot: &Snapshot, user_num: UserNum, room_num: RoomNum) -> Result<Option<Membership>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT user_num, room_num, membership, event_num, position, forgotten FROM memberships
             WHERE user_num = $1 AND room_num = $2",
            &params![user_num, room_num],
        )
        .await?;
    row.as_ref().map(membership).transpose()
}

/// Where a user last joined a room or ceased to be joined; none if they never had to do with it.
pub async fn turned(snapshot: &Snapshot, user_num: UserNum, room_num: RoomNum) -> Result<Option<Position>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT turned_position FROM memberships WHERE user_num = $1 AND room_num = $2",
            &params![user_num, room_num],
        )
        .await?;
    row.map(|row| row.num(0)).transpose()
}

/// The word of a user's membership in the room of a Matrix id.
pub async fn by_room_id(snapshot: &Snapshot, user_num: UserNum, room_id: &str) -> Result<Option<String>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT membership FROM memberships WHERE user_num = $1
             AND room_num = (SELECT room_num FROM rooms WHERE room_id = $2)",
            &params![user_num, room_id],
        )
        .await?;
    row.map(|row| row.text(0).map(str::to_owned)).transpose()
}

/// Everybody's membership in a room.
pub async fn of_room(snapshot: &Snapshot, room_num: RoomNum) -> Result<Vec<Membership>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, room_num, membership, event_num, position, forgotten FROM memberships WHERE room_num = $1",
            &params![room_num],
        )
        .await?;
    rows.iter().map(membership).collect()
}

/// The same a part after the other, at most `most` rows: those after a membership's word and a user, which begin with an empty word.
pub async fn part_of_room(
    snapshot: &Snapshot,
    room_num: RoomNum,
    after: (&str, UserNum),
    most: i64,
) -> Result<Vec<Membership>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, room_num, membership, event_num, position, forgotten FROM memberships
             WHERE room_num = $1 AND (membership, user_num) > ($2, $3) ORDER BY membership, user_num LIMIT $4",
            &params![room_num, after.0, after.1, most],
        )
        .await?;
    rows.iter().map(membership).collect()
}

/// Whether anybody of another server is invited to a room.
pub async fn any_invited_of(snapshot: &Snapshot, room_num: RoomNum, server_name: &str) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT 1 FROM memberships m JOIN users u ON u.user_num = m.user_num
             WHERE m.room_num = $1 AND m.membership = 'invite' AND u.user_id LIKE $2 LIMIT 1",
            // No server's name has a sign that means something in a pattern.
            &params![room_num, format!("%:{server_name}")],
        )
        .await?;
    Ok(row.is_some())
}

/// How many are joined to a room.
pub async fn joined_count(snapshot: &Snapshot, room_num: RoomNum) -> Result<i64, StoreError> {
    let row = snapshot
        .query_one("SELECT COUNT(*) FROM memberships WHERE room_num = $1 AND membership = 'join'", &params![room_num])
        .await?;
    row.int(0)
}

/// Those of `users` who are joined to a room that `viewer` is joined to, or to one that is open to anybody.
pub async fn visible_to(
    snapshot: &Snapshot,
    viewer: UserNum,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT DISTINCT t.user_num FROM memberships t WHERE t.user_num IN INTS($1) AND t.membership = 'join'
             AND (EXISTS (SELECT 1 FROM memberships v WHERE v.user_num = $2 AND v.room_num = t.room_num AND v.membership = 'join')
             OR EXISTS (SELECT 1 FROM rooms r WHERE r.room_num = t.room_num AND r.is_open = 1))",
            &[int_list(users), viewer.into()],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// At most `limit` rooms after a number to which both users are joined: number and Matrix id.
pub async fn mutual(
    snapshot: &Snapshot,
    users: (UserNum, UserNum),
    after: RoomNum,
    limit: i64,
) -> Result<Vec<(RoomNum, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT r.room_num, r.room_id FROM memberships a JOIN memberships b ON b.room_num = a.room_num AND b.user_num = $2
             JOIN rooms r ON r.room_num = a.room_num
             WHERE a.user_num = $1 AND a.membership = 'join' AND b.membership = 'join' AND a.room_num > $3
             ORDER BY a.room_num LIMIT $4",
            &params![users.0, users.1, after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.text(1)?.to_owned()))).collect()
}

/// To how many rooms both users are joined.
pub async fn mutual_count(snapshot: &Snapshot, users: (UserNum, UserNum)) -> Result<i64, StoreError> {
    let row = snapshot
        .query_one(
            "SELECT COUNT(*) FROM memberships a JOIN memberships b ON b.room_num = a.room_num AND b.user_num = $2
             WHERE a.user_num = $1 AND a.membership = 'join' AND b.membership = 'join'",
            &params![users.0, users.1],
        )
        .await?;
    row.int(0)
}

/// Sets a membership. Whoever joins or is invited again has forgotten nothing.
pub fn set(
    batch: &mut Batch,
    user_num: UserNum,
    room_num: RoomNum,
    membership: &str,
    event_num: EventNum,
    position: Value,
) {
    batch.push(
        "INSERT INTO memberships (user_num, room_num, membership, event_num, position, turned_position, forgotten)
         VALUES ($1, $2, $3, $4, $5, $5, 0)
         ON CONFLICT (user_num, room_num) DO UPDATE SET membership = excluded.membership, event_num = excluded.event_num,
         position = excluded.position, forgotten = 0, turned_position = CASE
         WHEN (memberships.membership = 'join') = (excluded.membership = 'join') THEN memberships.turned_position
         ELSE excluded.turned_position END",
        params![user_num, room_num, membership, event_num, position],
    );
}

/// Adds what became known of an older membership, unless something is known of the user already. It does not count before the room is whole,
/// as its position tells.
pub fn add_known(batch: &mut Batch, user_num: UserNum, room_num: RoomNum, membership: &str, event_num: EventNum) {
    batch.push(
        "INSERT INTO memberships (user_num, room_num, membership, event_num, position, turned_position, forgotten)
         VALUES ($1, $2, $3, $4, -1, -1, 0) ON CONFLICT (user_num, room_num) DO NOTHING",
        params![user_num, room_num, membership, event_num],
    );
}

/// Removes what is known of a user and a room: it was not so, or cannot be known any more.
pub fn remove(batch: &mut Batch, user_num: UserNum, room_num: RoomNum) {
    batch.push("DELETE FROM memberships WHERE user_num = $1 AND room_num = $2", params![user_num, room_num]);
}

/// How many of this server's own people are joined to a room.
pub async fn joined_here(snapshot: &Snapshot, room_num: RoomNum) -> Result<i64, StoreError> {
    let row = snapshot
        .query_one(
            "SELECT COUNT(*) FROM memberships m JOIN users u ON u.user_num = m.user_num AND u.is_local = 1
             WHERE m.room_num = $1 AND m.membership = 'join'",
            &params![room_num],
        )
        .await?;
    row.int(0)
}

/// At most `limit` of this server's own people who are joined to a room.
pub async fn some_here(snapshot: &Snapshot, room_num: RoomNum, limit: i64) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT m.user_num FROM memberships m JOIN users u ON u.user_num = m.user_num AND u.is_local = 1
             WHERE m.room_num = $1 AND m.membership = 'join' LIMIT $2",
            &params![room_num, limit],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Has the clients of those of this server's people who are joined to a room be shown it as if they had just come.
pub fn show_anew(batch: &mut Batch, room_num: RoomNum, position: Value) {
    batch.push(
        "UPDATE memberships SET position = $2, turned_position = $2 WHERE room_num = $1 AND membership = 'join'
         AND user_num IN (SELECT user_num FROM users WHERE is_local = 1)",
        params![room_num, position],
    );
}

/// Notes that a user who has left wants to forget the room.
pub fn forget(batch: &mut Batch, user_num: UserNum, room_num: RoomNum) {
    batch.push(
        "UPDATE memberships SET forgotten = 1 WHERE user_num = $1 AND room_num = $2 AND membership IN ('leave', 'ban')",
        params![user_num, room_num],
    );
}

/// In place of the event by which somebody has to do with a room: it is in the cell that they have moved here from.
pub const ELSEWHERE: EventNum = EventNum(0);

/// Notes how a user has to do with a room that they are not in, unless more is known here: then it stands where its event does, if that has come.
pub fn meet(
    batch: &mut Batch,
    user_num: UserNum,
    room_num: RoomNum,
    membership: &str,
    forgotten: bool,
    position: Value,
) {
    batch.push(
        "INSERT INTO memberships (user_num, room_num, membership, event_num, position, turned_position, forgotten)
         VALUES ($1, $2, $3, 0, $4, $4, $5)
         ON CONFLICT (user_num, room_num) DO UPDATE SET forgotten = excluded.forgotten,
         position = COALESCE((SELECT e.position FROM events e WHERE e.event_num = memberships.event_num), memberships.position),
         turned_position = CASE WHEN memberships.turned_position = memberships.position
         THEN COALESCE((SELECT e.position FROM events e WHERE e.event_num = memberships.event_num), memberships.position)
         ELSE memberships.turned_position END",
        params![user_num, room_num, membership, position, forgotten],
    );
}
