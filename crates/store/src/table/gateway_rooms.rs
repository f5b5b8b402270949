//! `gateway_rooms`: which cells are in rooms, as a gateway has found out.

use crate::{Batch, Snapshot, StoreError, params};

/// The cells of a room, each with the last day on which it was counted on (days since the epoch).
pub async fn cells(snapshot: &Snapshot, room_id: &str) -> Result<Vec<(String, i64)>, StoreError> {
    let sql = "SELECT cell, day FROM gateway_rooms WHERE room_id = $1 ORDER BY cell";
    let rows = snapshot.query(sql, &params![room_id]).await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?))).collect()
}

/// Notes that a cell is in a room.
pub fn set(batch: &mut Batch, room_id: &str, cell: &str, day: i64) {
    batch.push(
        "INSERT INTO gateway_rooms (room_id, cell, day) VALUES ($1, $2, $3)
         ON CONFLICT (room_id, cell) DO UPDATE SET day = excluded.day",
        params![room_id, cell, day],
    );
}

/// Notes that a cell is not in a room any more.
pub fn remove(batch: &mut Batch, room_id: &str, cell: &str) {
    batch.push("DELETE FROM gateway_rooms WHERE room_id = $1 AND cell = $2", params![room_id, cell]);
}

/// Removes what nobody has counted on since a day. It reads the whole table, once a day.
pub fn remove_before(batch: &mut Batch, day: i64) {
    batch.push("DELETE FROM gateway_rooms WHERE day < $1", params![day]);
}
