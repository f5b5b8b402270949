//! `waiting_receipts`: receipts of other servers' people for events that are not here, or wait for others.

use bytes::Bytes;
use domicile_core::ids::{EventNum, Position, RoomNum, UserNum};

use crate::{Batch, Snapshot, StoreError, params};

/// A row of `waiting_receipts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingReceipt {
    /// Where.
    pub room_num: RoomNum,
    /// Who has read.
    pub user_num: UserNum,
    /// The thread: empty for the whole room, `main`, or the root's event id.
    pub thread: String,
    /// What was read: the event id in stored form.
    pub event_id: Bytes,
    /// When, in milliseconds since the epoch.
    pub ts: i64,
    /// When it came.
    pub received_ts: i64,
}

/// A receipt whose event is here now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// The receipt.
    pub receipt: WaitingReceipt,
    /// The event.
    pub event_num: EventNum,
    /// Its place in the timeline.
    pub event_position: Position,
}

/// The rooms in which receipts wait.
pub async fn rooms(snapshot: &Snapshot) -> Result<Vec<RoomNum>, StoreError> {
    let rows = snapshot.query("SELECT DISTINCT room_num FROM waiting_receipts", &[]).await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// How many wait in a room.
pub async fn count(snapshot: &Snapshot, room_num: RoomNum) -> Result<i64, StoreError> {
    snapshot.query_one("SELECT COUNT(*) FROM waiting_receipts WHERE room_num = $1", &params![room_num]).await?.int(0)
}

/// How many of one person wait in a room.
pub async fn count_of(snapshot: &Snapshot, room_num: RoomNum, user_num: UserNum) -> Result<i64, StoreError> {
    let sql = "SELECT COUNT(*) FROM waiting_receipts WHERE room_num = $1 AND user_num = $2";
    snapshot.query_one(sql, &params![room_num, user_num]).await?.int(0)
}

/// Those of a room whose events are part of its timeline.
pub async fn arrived(snapshot: &Snapshot, room_num: RoomNum) -> Result<Vec<Arrived>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT w.user_num, w.thread, w.event_id, w.ts, w.received_ts, e.event_num, e.position FROM waiting_receipts w
             JOIN events e ON e.event_id = w.event_id AND e.room_num = w.room_num
             WHERE w.room_num = $1 AND e.position IS NOT NULL ORDER BY e.position",
            &params![room_num],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let receipt = WaitingReceipt {
                room_num,
                user_num: row.num(0)?,
                thread: row.text(1)?.to_owned(),
                event_id: row.blob(2)?,
                ts: row.int(3)?,
                received_ts: row.int(4)?,
            };
            Ok(Arrived { receipt, event_num: row.num(5)?, event_position: row.num(6)? })
        })
        .collect()
}

/// Keeps a receipt.
pub fn keep(batch: &mut Batch, receipt: &WaitingReceipt) {
    batch.push(
        "INSERT INTO waiting_receipts (room_num, user_num, thread, event_id, ts, received_ts) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (room_num, user_num, thread, event_id) DO UPDATE SET ts = excluded.ts, received_ts = excluded.received_ts",
        params![
            receipt.room_num,
            receipt.user_num,
            receipt.thread.as_str(),
            receipt.event_id.clone(),
            receipt.ts,
            receipt.received_ts
        ],
    );
}

/// Removes a receipt.
pub fn remove(batch: &mut Batch, receipt: &WaitingReceipt) {
    batch.push(
        "DELETE FROM waiting_receipts WHERE room_num = $1 AND user_num = $2 AND thread = $3 AND event_id = $4",
        params![receipt.room_num, receipt.user_num, receipt.thread.as_str(), receipt.event_id.clone()],
    );
}

/// Removes those that came before a time: their events do not come any more.
pub fn remove_before(batch: &mut Batch, received_ts: i64) {
    batch.push("DELETE FROM waiting_receipts WHERE received_ts < $1", params![received_ts]);
}
