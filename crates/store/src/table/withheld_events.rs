//! `withheld_events`: events of which whoever told them left the content away.

use bytes::Bytes;
use domicile_core::ids::{EventNum, Position, RoomNum};

use super::events::Status;
use crate::{
    Batch, Snapshot, StoreError, params,
    value::{blob_list, int_list},
};

/// Notes that an event came without its content.
pub fn note(batch: &mut Batch, room_num: RoomNum, event_num: EventNum) {
    batch.push(
        "INSERT INTO withheld_events (room_num, event_num) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        params![room_num, event_num],
    );
}

/// Notes that its content is here.
pub fn remove(batch: &mut Batch, room_num: RoomNum, event_num: EventNum) {
    batch.push("DELETE FROM withheld_events WHERE room_num = $1 AND event_num = $2", params![room_num, event_num]);
}

/// Those of the rooms in which there are such events.
pub async fn rooms(snapshot: &Snapshot, nums: impl IntoIterator<Item = RoomNum>) -> Result<Vec<RoomNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT r.room_num FROM rooms r WHERE r.room_num IN INTS($1)
             AND EXISTS (SELECT 1 FROM withheld_events w WHERE w.room_num = r.room_num)",
            &[int_list(nums)],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Such events of a room that nobody redacted, after a number, in the order of their numbers: number and id in stored form.
pub async fn of_room(
    snapshot: &Snapshot,
    room_num: RoomNum,
    after: EventNum,
    limit: i64,
) -> Result<Vec<(EventNum, Bytes)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT e.event_num, e.event_id FROM withheld_events w JOIN events e ON e.event_num = w.event_num
             WHERE w.room_num = $1 AND w.event_num > $2 AND e.redacted_by IS NULL ORDER BY w.event_num LIMIT $3",
            &params![room_num, after, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.blob(1)?))).collect()
}

/// Of a room's events by their ids in stored form, those of which the content is missing and that nobody redacted.
pub async fn among(snapshot: &Snapshot, room_num: RoomNum, ids: &[Bytes]) -> Result<Vec<Withheld>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT e.event_num, e.event_id, e.status,
             COALESCE(e.position, (SELECT g.position FROM gap_events g WHERE g.event_num = e.event_num))
             FROM BLOBS($2) p JOIN events e ON e.event_id = p.item AND e.redacted_by IS NULL
             JOIN withheld_events w ON w.event_num = e.event_num AND w.room_num = $1",
            &[room_num.into(), blob_list(ids)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let status = Status::read(row.int(2)?);
            Ok(Withheld { event_num: row.num(0)?, event_id: row.blob(1)?, status, place: row.opt_num(3)? })
        })
        .collect()
}

/// An event whose content is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// Its number.
    pub event_num: EventNum,
    /// Its id in stored form.
    pub event_id: Bytes,
    /// How it stands.
    pub status: Status,
    /// Where it stands, or the gap in which it does.
    pub place: Option<Position>,
}

/// Puts an event's content in its place, unless it was redacted meanwhile.
pub fn fill(batch: &mut Batch, event_num: EventNum, json: Bytes) {
    batch.push("UPDATE events SET json = $2 WHERE event_num = $1 AND redacted_by IS NULL", params![event_num, json]);
}
