//! `timeline_gaps` and `gap_events`: places in the middle of timelines before which something is missing, and what was fetched of it later.

use bytes::Bytes;
use domicile_core::ids::{EventNum, Position, RoomNum};

use crate::{Batch, Snapshot, StoreError, params};

/// Notes that something is missing before an event, unless what it names is missing elsewhere in the room already. Add the event and what is missing to
/// the batch first.
pub fn note(batch: &mut Batch, room_num: RoomNum, event_num: EventNum) {
    batch.push(
        "INSERT INTO timeline_gaps (room_num, position, event_num)
         SELECT e.room_num, e.position, e.event_num FROM events e WHERE e.event_num = $2 AND e.position IS NOT NULL
         AND EXISTS (SELECT 1 FROM backward_extremities b WHERE b.room_num = $1 AND b.successor_num = $2
         AND NOT EXISTS (SELECT 1 FROM backward_extremities o WHERE o.room_num = $1 AND o.missing = b.missing AND o.successor_num < $2))
         ON CONFLICT DO NOTHING",
        params![room_num, event_num],
    );
}

/// The newest gap with `after < position <= upto`.
pub async fn newest(
    snapshot: &Snapshot,
    room_num: RoomNum,
    after: Position,
    upto: Position,
) -> Result<Option<Position>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT position FROM timeline_gaps WHERE room_num = $1 AND position > $2 AND position <= $3 ORDER BY position DESC LIMIT 1",
            &params![room_num, after, upto],
        )
        .await?;
    row.map(|row| row.num(0)).transpose()
}

/// All gaps of a room, the newest first.
pub async fn of_room(snapshot: &Snapshot, room_num: RoomNum) -> Result<Vec<Position>, StoreError> {
    let rows = snapshot
        .query("SELECT position FROM timeline_gaps WHERE room_num = $1 ORDER BY position DESC", &params![room_num])
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// At most `limit` events of a gap after a rank, the newest first: rank and number.
pub async fn events(
    snapshot: &Snapshot,
    room_num: RoomNum,
    position: Position,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, EventNum)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT rank, event_num FROM gap_events WHERE room_num = $1 AND position = $2 AND rank > $3 ORDER BY rank LIMIT $4",
            &params![room_num, position, after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.num(1)?))).collect()
}

/// The rank of the oldest event of a gap; 0 if nothing of it is here.
pub async fn last_rank(snapshot: &Snapshot, room_num: RoomNum, position: Position) -> Result<i64, StoreError> {
    let row = snapshot
        .query_one(
            "SELECT MAX(rank) FROM gap_events WHERE room_num = $1 AND position = $2",
            &params![room_num, position],
        )
        .await?;
    Ok(row.opt_int(0)?.unwrap_or(0))
}

/// Adds an event to a gap.
pub fn add(batch: &mut Batch, room_num: RoomNum, position: Position, rank: i64, event_num: EventNum) {
    batch.push(
        "INSERT INTO gap_events (room_num, position, rank, event_num) VALUES ($1, $2, $3, $4)",
        params![room_num, position, rank, event_num],
    );
}

/// At most `limit` events that are missing in a gap.
pub async fn missing(
    snapshot: &Snapshot,
    room_num: RoomNum,
    position: Position,
    limit: i64,
) -> Result<Vec<Bytes>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT DISTINCT missing FROM backward_extremities WHERE room_num = $1 AND successor_num IN
             (SELECT event_num FROM timeline_gaps WHERE room_num = $1 AND position = $2
             UNION SELECT event_num FROM gap_events WHERE room_num = $1 AND position = $2) ORDER BY missing LIMIT $3",
            &params![room_num, position, limit],
        )
        .await?;
    rows.iter().map(|row| row.blob(0)).collect()
}
