//! `outgoing_events`: which of the events that are told concern a destination, and how long they are kept.

use domicile_core::ids::{DestinationNum, EventNum, Position, RoomNum};

use crate::{Batch, Snapshot, StoreError, params};

/// Under what name of `meta` it stands up to where rows were removed that somebody had not been told.
const PURGED: &str = "outgoing_events.purged";

/// At most `limit` events with `since < position <= upto` that a destination is to be told, in their order.
///
/// The stream is walked and not the destination's rooms: whoever is nearly up to date has little to walk, however many rooms they are in.
pub async fn of_destination(
    snapshot: &Snapshot,
    destination_num: DestinationNum,
    since: Position,
    upto: Position,
    limit: i64,
) -> Result<Vec<(Position, EventNum)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT e.position, e.event_num FROM outgoing_events e CROSS JOIN destination_rooms r
             WHERE e.position > $2 AND e.position <= $3 AND r.room_num = e.room_num AND r.destination_num = $1
             AND e.position > r.since_position AND (r.until_position IS NULL OR e.position <= r.until_position)
             ORDER BY e.position LIMIT $4",
            &params![destination_num, since, upto, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.num(1)?))).collect()
}

/// Where the last event stands that anybody is to be told; the start if there is none.
pub async fn last(snapshot: &Snapshot) -> Result<Position, StoreError> {
    let row = snapshot.query_one("SELECT MAX(position) FROM outgoing_events", &[]).await?;
    Ok(row.opt_num(0)?.unwrap_or(Position::START))
}

/// How many events a destination is to be told after `since`, counted up to `limit`.
pub async fn count(
    snapshot: &Snapshot,
    destination_num: DestinationNum,
    since: Position,
    limit: i64,
) -> Result<i64, StoreError> {
    snapshot
        .query_one(
            "SELECT COUNT(*) FROM (SELECT e.position FROM destination_rooms r CROSS JOIN outgoing_events e
             WHERE r.destination_num = $1 AND e.room_num = r.room_num AND e.position > $2
             AND e.position > r.since_position AND (r.until_position IS NULL OR e.position <= r.until_position) LIMIT $3) waiting",
            &params![destination_num, since, limit],
        )
        .await?
        .int(0)
}

/// A room of a destination that went on since it was told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoomBehind {
    /// The room.
    pub room_num: RoomNum,
    /// Up to where the destination is told of it, if it has left.
    pub until: Option<Position>,
}

/// At most `limit` rooms that went on after `since`, and of which the destination was not told anything from `upto` on.
pub async fn rooms_behind(
    snapshot: &Snapshot,
    destination_num: DestinationNum,
    since: Position,
    upto: Position,
    limit: i64,
) -> Result<Vec<RoomBehind>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT r.room_num, r.until_position FROM destination_rooms r JOIN rooms m ON m.room_num = r.room_num
             WHERE r.destination_num = $1 AND r.since_position < $3 AND m.last_position > $2 AND m.last_position > r.since_position
             AND (r.until_position IS NULL OR (r.until_position > $2 AND r.until_position > r.since_position))
             ORDER BY r.room_num LIMIT $4",
            &params![destination_num, since, upto, limit],
        )
        .await?;
    rows.iter().map(|row| Ok(RoomBehind { room_num: row.num(0)?, until: row.opt_num(1)? })).collect()
}

/// The event of a room that is told and stands at a position.
pub async fn at(snapshot: &Snapshot, room_num: RoomNum, position: Position) -> Result<Option<EventNum>, StoreError> {
    let row = snapshot
        .query_opt("SELECT event_num FROM events WHERE room_num = $1 AND position = $2", &params![room_num, position])
        .await?;
    row.map(|row| row.num(0)).transpose()
}

/// Notes that a destination was told the newest of a room up to `upto`: nothing older of the room is told.
pub fn skip(batch: &mut Batch, destination_num: DestinationNum, room_num: RoomNum, upto: Position) {
    batch.push(
        "UPDATE destination_rooms SET since_position = $3 WHERE room_num = $1 AND destination_num = $2 AND since_position < $3",
        params![room_num, destination_num, upto],
    );
}

/// Up to where rows were removed that somebody had not been told.
pub async fn purged(snapshot: &Snapshot) -> Result<Position, StoreError> {
    let row = snapshot.query_opt("SELECT value FROM meta WHERE name = $1", &params![PURGED]).await?;
    let Some(row) = row else { return Ok(Position::START) };
    let text = row.text(0)?;
    text.parse()
        .map(Position)
        .map_err(|_| StoreError::Corrupt(format!("{PURGED} should be a number, found {text:.40}")))
}

/// Notes up to where rows were removed that somebody had not been told.
pub fn set_purged(batch: &mut Batch, upto: Position) {
    batch.push(
        "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        params![PURGED, upto.to_string()],
    );
}

/// At most `limit` events after a position, in their order: position, and when the sender says it was sent, in milliseconds since the epoch.
pub async fn page(snapshot: &Snapshot, after: Position, limit: i64) -> Result<Vec<(Position, i64)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT o.position, e.origin_server_ts FROM outgoing_events o JOIN events e ON e.event_num = o.event_num
             WHERE o.position > $1 ORDER BY o.position LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.int(1)?))).collect()
}

/// Removes the rows with `after < position <= upto`.
pub fn remove(batch: &mut Batch, after: Position, upto: Position) {
    batch.push("DELETE FROM outgoing_events WHERE position > $1 AND position <= $2", params![after, upto]);
}
