//! `new_regions`: regions into which a copy of a room went, or goes, for the first time, and how far the people in it have been told.

use domicile_core::ids::{RoomNum, UserNum};

use crate::{
    Batch, Snapshot, StoreError, params,
    value::{int_list, text_list},
};

/// A room of which there has been no copy in a region so far, as is known here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The room.
    pub room_num: RoomNum,
    /// Its id.
    pub room_id: String,
    /// Whether it is noted that people are to be told.
    pub is_noted: bool,
}

/// A room and a region of which people are to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The room.
    pub room_num: RoomNum,
    /// The region.
    pub region: String,
    /// The last who was told in a round that is not over yet.
    pub told_upto: UserNum,
}

/// Those of some rooms of which a region has no copy yet, or has one of which people have not all been told. `destinations` are the region's cells, as destinations are
/// called. Rooms in which the server tells somebody something are none of them.
pub async fn fresh(
    snapshot: &Snapshot,
    rooms: impl IntoIterator<Item = RoomNum>,
    region: &str,
    destinations: impl IntoIterator<Item = String>,
) -> Result<Vec<Fresh>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT r.room_num, r.room_id, n.due_ts FROM rooms r LEFT JOIN new_regions n ON n.room_num = r.room_num AND n.region = $2
             WHERE r.room_num IN INTS($1) AND r.has_copy = 1
                AND NOT EXISTS (SELECT 1 FROM notice_rooms o WHERE o.room_id = r.room_id)
                AND (n.due_ts IS NOT NULL OR (n.room_num IS NULL
                    AND NOT EXISTS (SELECT 1 FROM destination_rooms t JOIN destinations d ON d.destination_num = t.destination_num
                        WHERE t.room_num = r.room_num AND t.joined > 0 AND d.destination IN TEXTS($3))))
             ORDER BY r.room_num",
            &params![int_list(rooms), region, text_list(destinations)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let is_noted = row.opt_int(2)?.is_some();
            Ok(Fresh { room_num: row.num(0)?, room_id: row.text(1)?.to_owned(), is_noted })
        })
        .collect()
}

/// Which of some rooms, by their ids, somebody here and somebody of a destination are in.
pub async fn shared_with(
    snapshot: &Snapshot,
    room_ids: impl IntoIterator<Item = String>,
    destination: &str,
) -> Result<Vec<RoomNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT r.room_num FROM rooms r WHERE r.room_id IN TEXTS($1) AND r.has_copy = 1
                AND EXISTS (SELECT 1 FROM destination_rooms t JOIN destinations d ON d.destination_num = t.destination_num
                    WHERE t.room_num = r.room_num AND t.joined > 0 AND d.destination = $2)
                AND EXISTS (SELECT 1 FROM memberships m JOIN users u ON u.user_num = m.user_num
                    WHERE m.room_num = r.room_num AND m.membership = 'join' AND u.is_local = 1)
             ORDER BY r.room_num",
            &params![text_list(room_ids), destination],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Notes that people in a room are to be told of a region, unless that was noted before.
pub fn note(batch: &mut Batch, room_num: RoomNum, region: &str, now_ms: i64) {
    batch.push(
        "INSERT INTO new_regions (room_num, region, noted_ts, due_ts, told_upto, told) VALUES ($1, $2, $3, $3, 0, 0)
         ON CONFLICT (room_num, region) DO NOTHING",
        params![room_num, region, now_ms],
    );
}

/// At most `limit` of which people are to be told; who waits longest first.
pub async fn due(snapshot: &Snapshot, limit: i64) -> Result<Vec<Due>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT room_num, region, told_upto FROM new_regions WHERE due_ts IS NOT NULL ORDER BY due_ts, room_num, region LIMIT $1",
            &params![limit],
        )
        .await?;
    rows.iter()
        .map(|row| Ok(Due { room_num: row.num(0)?, region: row.text(1)?.to_owned(), told_upto: row.num(2)? }))
        .collect()
}

/// How many of some rooms still have people who are to be told of a region.
pub async fn waiting(
    snapshot: &Snapshot,
    rooms: impl IntoIterator<Item = RoomNum>,
    region: &str,
) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM new_regions WHERE room_num IN INTS($1) AND region = $2 AND due_ts IS NOT NULL";
    snapshot.query_one(sql, &params![int_list(rooms), region]).await?.int(0)
}

/// Notes how far the telling has come: `more` were told since.
pub fn reach(batch: &mut Batch, due: &Due, upto: UserNum, more: i64) {
    batch.push(
        "UPDATE new_regions SET told_upto = $3, told = told + $4 WHERE room_num = $1 AND region = $2",
        params![due.room_num, due.region.as_str(), upto, more],
    );
}

/// Notes that everybody was told.
pub fn set_told(batch: &mut Batch, due: &Due) {
    batch.push(
        "UPDATE new_regions SET due_ts = NULL, told_upto = 0 WHERE room_num = $1 AND region = $2",
        params![due.room_num, due.region.as_str()],
    );
}
