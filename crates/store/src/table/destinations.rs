//! `destinations`, `destination_rooms` and `outgoing_events`: whom this cell tells, of which rooms, and how far they have been told.

use domicile_core::ids::{DestinationNum, EventNum, Position, RoomNum, UserNum};

use crate::{Batch, Row, Snapshot, StoreError, Value, params, value::int_list};

/// A row of `destinations`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The number.
    pub destination_num: DestinationNum,
    /// The server or cell as text.
    pub destination: String,
    /// Everything up to here has been told.
    pub position: Position,
    /// How often in a row it was not reached.
    pub failures: i64,
    /// Since when, in milliseconds since the epoch.
    pub failing_since_ts: Option<i64>,
    /// When it is tried again.
    pub retry_ts: Option<i64>,
    /// What went wrong last.
    pub last_error: Option<String>,
}

fn destination(row: &Row) -> Result<Destination, StoreError> {
    Ok(Destination {
        destination_num: row.num(0)?,
        destination: row.text(1)?.to_owned(),
        position: row.num(2)?,
        failures: row.int(3)?,
        failing_since_ts: row.opt_int(4)?,
        retry_ts: row.opt_int(5)?,
        last_error: row.opt_text(6)?.map(str::to_owned),
    })
}

/// The number of a destination.
pub async fn by_name(snapshot: &Snapshot, name: &str) -> Result<Option<DestinationNum>, StoreError> {
    let row =
        snapshot.query_opt("SELECT destination_num FROM destinations WHERE destination = $1", &params![name]).await?;
    row.map(|row| row.num(0)).transpose()
}

/// The destination of a number.
pub async fn by_num(snapshot: &Snapshot, destination_num: DestinationNum) -> Result<Option<Destination>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT destination_num, destination, position, failures, failing_since_ts, retry_ts, last_error FROM destinations
             WHERE destination_num = $1",
            &params![destination_num],
        )
        .await?;
    row.as_ref().map(destination).transpose()
}

/// Adds a destination, which has been told everything up to now; a conflict if it is there.
pub fn insert(batch: &mut Batch, destination_num: DestinationNum, name: &str) {
    batch.push(
        "INSERT INTO destinations (destination_num, destination, position)
         VALUES ($1, $2, (SELECT position FROM stream_head WHERE id = 1))",
        params![destination_num, name],
    );
}

/// The destinations that have members in a room, with how many.
pub async fn of_room(snapshot: &Snapshot, room_num: RoomNum) -> Result<Vec<(DestinationNum, i64)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT destination_num, joined FROM destination_rooms WHERE room_num = $1 AND until_position IS NULL",
            &params![room_num],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.int(1)?))).collect()
}

/// Sets how many members a destination has in a room. Whoever comes anew is told what is added after `position`; who has none left, what was
/// added up to it.
pub fn set_joined(batch: &mut Batch, room_num: RoomNum, destination_num: DestinationNum, joined: i64, position: Value) {
    if joined > 0 {
        batch.push(
            "INSERT INTO destination_rooms (room_num, destination_num, joined, since_position) VALUES ($1, $2, $3, $4)
             ON CONFLICT (room_num, destination_num) DO UPDATE SET joined = excluded.joined, until_position = NULL,
             since_position = CASE WHEN destination_rooms.until_position IS NULL THEN destination_rooms.since_position
             ELSE excluded.since_position END",
            params![room_num, destination_num, joined, position],
        );
    } else {
        batch.push(
            "UPDATE destination_rooms SET joined = 0, until_position = $3 WHERE room_num = $1 AND destination_num = $2",
            params![room_num, destination_num, position],
        );
    }
}

/// Lets a destination that has no members in a room be told the one event at `position`.
pub fn tell_once(batch: &mut Batch, room_num: RoomNum, destination_num: DestinationNum, position: Value) {
    batch.push(
        "INSERT INTO destination_rooms (room_num, destination_num, joined, since_position, until_position) VALUES ($1, $2, 0, CAST($3 AS BIGINT) - 1, CAST($3 AS BIGINT))
         ON CONFLICT (room_num, destination_num) DO UPDATE SET since_position = excluded.since_position,
         until_position = excluded.until_position WHERE destination_rooms.joined = 0",
        params![room_num, destination_num, position],
    );
}

/// Notes an event that destinations are to be told.
pub fn tell(batch: &mut Batch, position: Value, room_num: RoomNum, event_num: EventNum) {
    batch.push(
        "INSERT INTO outgoing_events (position, room_num, event_num) VALUES ($1, $2, $3)",
        params![position, room_num, event_num],
    );
}

/// At most `limit` destinations after a number.
pub async fn page(snapshot: &Snapshot, after: DestinationNum, limit: i64) -> Result<Vec<Destination>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT destination_num, destination, position, failures, failing_since_ts, retry_ts, last_error FROM destinations
             WHERE destination_num > $1 ORDER BY destination_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(destination).collect()
}

/// The destinations that have members in rooms in which each of some users is.
pub async fn of_users(
    snapshot: &Snapshot,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<(UserNum, DestinationNum)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT DISTINCT m.user_num, r.destination_num FROM memberships m
             JOIN destination_rooms r ON r.room_num = m.room_num AND r.until_position IS NULL
             WHERE m.user_num IN INTS($1) AND m.membership = 'join'",
            &[int_list(users)],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.num(1)?))).collect()
}

/// Those of some users who are in a room with somebody of a destination.
pub async fn who_share(
    snapshot: &Snapshot,
    users: impl IntoIterator<Item = UserNum>,
    destination: &str,
) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT DISTINCT m.user_num FROM memberships m
             JOIN destination_rooms r ON r.room_num = m.room_num AND r.until_position IS NULL
             JOIN destinations d ON d.destination_num = r.destination_num
             WHERE m.user_num IN INTS($1) AND m.membership = 'join' AND d.destination = $2",
            &[int_list(users), destination.into()],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Whether people of another cell are in any room here.
pub async fn shares_with_cells(snapshot: &Snapshot) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT 1 FROM destinations d JOIN destination_rooms r ON r.destination_num = d.destination_num
             WHERE d.destination LIKE '=%' AND r.until_position IS NULL LIMIT 1",
            &[],
        )
        .await?;
    Ok(row.is_some())
}

/// Up to where every destination with rooms has been told everything; none if there is no such destination.
pub async fn told_to_all(snapshot: &Snapshot) -> Result<Option<Position>, StoreError> {
    snapshot
        .query_one(
            "SELECT MIN(d.position) FROM destinations d
             WHERE EXISTS (SELECT 1 FROM destination_rooms r WHERE r.destination_num = d.destination_num)",
            &[],
        )
        .await?
        .opt_num(0)
}

/// Notes that a destination has been told everything up to a position, and so answers.
pub fn set_told(batch: &mut Batch, destination_num: DestinationNum, position: Position) {
    batch.push(
        "UPDATE destinations SET position = $2, failures = 0, failing_since_ts = NULL, retry_ts = NULL, last_error = NULL
         WHERE destination_num = $1",
        params![destination_num, position],
    );
}

/// Notes that a destination was not reached: how often in a row, since when (unless an earlier time stands), when it is tried again, and why.
pub fn set_failed(
    batch: &mut Batch,
    destination_num: DestinationNum,
    failures: i64,
    since_ms: i64,
    retry_ms: i64,
    error: &str,
) {
    batch.push(
        "UPDATE destinations SET failures = $2, failing_since_ts = COALESCE(failing_since_ts, $3), retry_ts = $4, last_error = $5
         WHERE destination_num = $1",
        params![destination_num, failures, since_ms, retry_ms, error],
    );
}

/// Notes when a destination is asked again that wishes to be left alone until then; none: at once.
pub fn set_retry(batch: &mut Batch, destination_num: DestinationNum, retry_ms: Option<i64>) {
    batch.push("UPDATE destinations SET retry_ts = $2 WHERE destination_num = $1", params![destination_num, retry_ms]);
}

/// Forgets the rooms that destinations have left and been told of, and those of destinations that were not reached since before a time.
pub fn remove_ended(batch: &mut Batch, before_ms: i64) {
    batch.push(
        "DELETE FROM destination_rooms WHERE until_position IS NOT NULL AND EXISTS (SELECT 1 FROM destinations d
         WHERE d.destination_num = destination_rooms.destination_num
         AND (d.position >= destination_rooms.until_position OR d.failing_since_ts < $1))",
        params![before_ms],
    );
}

/// At most `limit` events that destinations are to be told, after a position: position and number, in their order.
pub async fn told_after(
    snapshot: &Snapshot,
    after: Position,
    limit: i64,
) -> Result<Vec<(Position, EventNum)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT position, event_num FROM outgoing_events WHERE position > $1 ORDER BY position LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.num(1)?))).collect()
}

/// Whether anybody whose account is here has to do with a room, and has not forgotten it.
pub async fn is_needed(snapshot: &Snapshot, room_num: RoomNum) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT 1 FROM memberships m JOIN users u ON u.user_num = m.user_num AND u.is_local = 1
             WHERE m.room_num = $1 AND m.forgotten = 0 LIMIT 1",
            &params![room_num],
        )
        .await?;
    Ok(row.is_some())
}

/// Whether a destination of a room has yet to be told something of it.
pub async fn is_behind(snapshot: &Snapshot, room_num: RoomNum) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT 1 FROM destination_rooms r JOIN destinations d ON d.destination_num = r.destination_num
             JOIN outgoing_events o ON o.room_num = r.room_num AND o.position > d.position AND o.position > r.since_position
             AND (r.until_position IS NULL OR o.position <= r.until_position)
             WHERE r.room_num = $1 LIMIT 1",
            &params![room_num],
        )
        .await?;
    Ok(row.is_some())
}
