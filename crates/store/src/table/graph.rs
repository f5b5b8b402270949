//! `backward_extremities`, `auth_edges` and `early_redactions`: what is known of a room's graph beside its events.

use bytes::Bytes;
use domicile_core::ids::{EventNum, RoomNum};

use crate::{Batch, Snapshot, StoreError, params, value::int_list};

/// At most `limit` events that others name and that are not here, with an event that names each; without those that are missing in the
/// [middle](super::timeline_gaps) of the timeline.
pub async fn backward_extremities(
    snapshot: &Snapshot,
    room_num: RoomNum,
    limit: i64,
) -> Result<Vec<(Bytes, EventNum)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT b.missing, b.successor_num FROM backward_extremities b WHERE b.room_num = $1
             AND NOT EXISTS (SELECT 1 FROM timeline_gaps g WHERE g.room_num = $1 AND g.event_num = b.successor_num)
             AND NOT EXISTS (SELECT 1 FROM gap_events e WHERE e.event_num = b.successor_num)
             ORDER BY b.successor_num DESC LIMIT $2",
            &params![room_num, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((row.blob(0)?, row.num(1)?))).collect()
}

/// Those of the rooms in which something is missing, before the timeline or within it.
pub async fn rooms_with_gaps(
    snapshot: &Snapshot,
    nums: impl IntoIterator<Item = RoomNum>,
) -> Result<Vec<RoomNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT r.room_num FROM rooms r WHERE r.room_num IN INTS($1)
             AND EXISTS (SELECT 1 FROM backward_extremities b WHERE b.room_num = r.room_num)",
            &[int_list(nums)],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Notes that an event names another that is not here.
pub fn add_backward_extremity(batch: &mut Batch, room_num: RoomNum, missing: Bytes, successor_num: EventNum) {
    batch.push(
        "INSERT INTO backward_extremities (room_num, missing, successor_num) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        params![room_num, missing, successor_num],
    );
}

/// Notes that an event is here now, or that nobody has it.
pub fn remove_backward_extremity(batch: &mut Batch, room_num: RoomNum, missing: Bytes) {
    batch.push("DELETE FROM backward_extremities WHERE room_num = $1 AND missing = $2", params![room_num, missing]);
}

/// The events that allow each of `nums`, as far as they are state events.
pub async fn auth_edges(
    snapshot: &Snapshot,
    nums: impl IntoIterator<Item = EventNum>,
) -> Result<Vec<(EventNum, Vec<EventNum>)>, StoreError> {
    let rows = snapshot
        .query("SELECT event_num, auths FROM auth_edges WHERE event_num IN INTS($1)", &[int_list(nums)])
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, unpack(&row.blob(1)?)))).collect()
}

/// The events that allow each of a room's state events.
pub async fn auth_edges_of_room(
    snapshot: &Snapshot,
    room_num: RoomNum,
) -> Result<Vec<(EventNum, Vec<EventNum>)>, StoreError> {
    let rows =
        snapshot.query("SELECT event_num, auths FROM auth_edges WHERE room_num = $1", &params![room_num]).await?;
    rows.iter().map(|row| Ok((row.num(0)?, unpack(&row.blob(1)?)))).collect()
}

/// Notes the events that allow a state event.
pub fn add_auth_edges(batch: &mut Batch, room_num: RoomNum, event_num: EventNum, auths: &[EventNum]) {
    batch.push(
        "INSERT INTO auth_edges (event_num, room_num, auths) VALUES ($1, $2, $3) ON CONFLICT (event_num) DO NOTHING",
        params![event_num, room_num, pack(auths)],
    );
}

/// Notes a redaction whose target is not here.
pub fn add_early_redaction(batch: &mut Batch, room_num: RoomNum, target: Bytes, redaction_num: EventNum) {
    batch.push(
        "INSERT INTO early_redactions (target, redaction_num, room_num) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        params![target, redaction_num, room_num],
    );
}

/// The redactions that came before their target.
pub async fn early_redactions(snapshot: &Snapshot, target: Bytes) -> Result<Vec<EventNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT redaction_num FROM early_redactions WHERE target = $1 ORDER BY redaction_num LIMIT 10",
            &params![target],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// The rooms with redactions that came before their target.
pub async fn rooms_with_early_redactions(snapshot: &Snapshot) -> Result<Vec<RoomNum>, StoreError> {
    let rows = snapshot.query("SELECT DISTINCT room_num FROM early_redactions", &[]).await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Forgets the redactions of a target that is here now.
pub fn remove_early_redactions(batch: &mut Batch, target: Bytes) {
    batch.push("DELETE FROM early_redactions WHERE target = $1", params![target]);
}

fn pack(nums: &[EventNum]) -> Vec<u8> {
    nums.iter().flat_map(|num| num.0.to_le_bytes()).collect()
}

fn unpack(bytes: &[u8]) -> Vec<EventNum> {
    bytes.as_chunks::<8>().0.iter().map(|chunk| EventNum(i64::from_le_bytes(*chunk))).collect()
}
