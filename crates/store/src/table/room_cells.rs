//! Over `rooms`, `memberships` and `destination_rooms`: which cells are in a room, as this cell knows it.

use domicile_core::ids::RoomNum;

use crate::{Snapshot, StoreError, params};

/// Whether anybody of this cell is joined to a room, and which other cells have joined members, by their names. Nothing where nobody of this
/// cell is in the room: then it is not heard of what happens there.
pub async fn others(snapshot: &Snapshot, room_id: &str) -> Result<Option<Vec<String>>, StoreError> {
    let here = snapshot
        .query_opt(
            "SELECT r.room_num FROM rooms r WHERE r.room_id = $1 AND r.has_copy = 1 AND EXISTS (
                 SELECT 1 FROM memberships m JOIN users u ON u.user_num = m.user_num
                 WHERE m.room_num = r.room_num AND m.membership = 'join' AND u.is_local = 1)",
            &params![room_id],
        )
        .await?;
    let Some(here) = here else { return Ok(None) };
    let rows = snapshot
        .query(
            "SELECT d.destination FROM destination_rooms r JOIN destinations d ON d.destination_num = r.destination_num
             WHERE r.room_num = $1 AND r.joined > 0 AND d.destination LIKE '=%' ORDER BY d.destination",
            &params![here.int(0)?],
        )
        .await?;
    rows.iter().map(|row| Ok(row.text(0)?.trim_start_matches('=').to_owned())).collect::<Result<_, _>>().map(Some)
}

/// Rooms of which there is a copy here and in which people of a destination are, after a number.
pub async fn of_cell(
    snapshot: &Snapshot,
    destination: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<RoomNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT r.room_num FROM destinations d JOIN destination_rooms t ON t.destination_num = d.destination_num AND t.joined > 0
             JOIN rooms r ON r.room_num = t.room_num AND r.has_copy = 1
             WHERE d.destination = $1 AND r.room_num > $2 ORDER BY r.room_num LIMIT $3",
            &params![destination, after, limit],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}
