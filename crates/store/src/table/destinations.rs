//! `destinations`, `destination_rooms` and `outgoing_events`: whom this cell tells, of which rooms, and how far they have been told.

use domicile_core::ids::{DestinationNum, EventNum, Position, RoomNum};

use crate::{Batch, Row, Snapshot, StoreError, Value, params};

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

/// Notes an event that destinations are to be told.
pub fn tell(batch: &mut Batch, position: Value, room_num: RoomNum, event_num: EventNum) {
    batch.push(
        "INSERT INTO outgoing_events (position, room_num, event_num) VALUES ($1, $2, $3)",
        params![position, room_num, event_num],
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
