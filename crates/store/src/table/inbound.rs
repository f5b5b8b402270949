//! `inbound_transactions` and `inbound_pdus`: what other servers told this one.

use bytes::Bytes;
use domicile_core::ids::RoomNum;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// An event that was taken and waits for others that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The number; they are worked off in its order.
    pub pdu_num: i64,
    /// The room.
    pub room_num: RoomNum,
    /// Who sent it.
    pub origin: String,
    /// The event id in stored form.
    pub event_id: Bytes,
    /// The event as it came.
    pub json: Bytes,
    /// When, in milliseconds since the epoch.
    pub received_ts: i64,
    /// How often its predecessors were asked for.
    pub attempts: i64,
    /// When it is tried again.
    pub due_ts: i64,
}

fn waiting(row: &Row) -> Result<Waiting, StoreError> {
    Ok(Waiting {
        pdu_num: row.int(0)?,
        room_num: row.num(1)?,
        origin: row.text(2)?.to_owned(),
        event_id: row.blob(3)?,
        json: row.blob(4)?,
        received_ts: row.int(5)?,
        attempts: row.int(6)?,
        due_ts: row.int(7)?,
    })
}

/// What the last transaction of an origin was answered: its id and the answer.
pub async fn last_transaction(snapshot: &Snapshot, origin: &str) -> Result<Option<(String, String)>, StoreError> {
    let row = snapshot
        .query_opt("SELECT txn_id, answer FROM inbound_transactions WHERE origin = $1", &params![origin])
        .await?;
    row.map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).transpose()
}

/// Notes what a transaction was answered; it replaces the origin's one before.
pub fn set_transaction(batch: &mut Batch, origin: &str, txn_id: &str, answer: String) {
    batch.push(
        "INSERT INTO inbound_transactions (origin, txn_id, answer) VALUES ($1, $2, $3)
         ON CONFLICT (origin) DO UPDATE SET txn_id = excluded.txn_id, answer = excluded.answer",
        params![origin, txn_id, answer],
    );
}

/// Adds an event that waits; nothing if it waits already.
pub fn add(batch: &mut Batch, pdu: &Waiting) {
    batch.push(
        "INSERT INTO inbound_pdus (pdu_num, room_num, origin, event_id, json, received_ts, attempts, due_ts)
         VALUES ($1, $2, $3, $4, $5, $6, 0, $6) ON CONFLICT (event_id) DO NOTHING",
        params![
            pdu.pdu_num,
            pdu.room_num,
            pdu.origin.as_str(),
            pdu.event_id.clone(),
            pdu.json.clone(),
            pdu.received_ts
        ],
    );
}

/// Rooms in which events wait whose time has come.
pub async fn rooms(snapshot: &Snapshot, now_ms: i64, limit: i64) -> Result<Vec<RoomNum>, StoreError> {
    let rows = snapshot
        .query("SELECT DISTINCT room_num FROM inbound_pdus WHERE due_ts <= $1 LIMIT $2", &params![now_ms, limit])
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// The events that wait in a room and whose time has come, in the order in which they came.
pub async fn of_room(
    snapshot: &Snapshot,
    room_num: RoomNum,
    now_ms: i64,
    limit: i64,
) -> Result<Vec<Waiting>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT pdu_num, room_num, origin, event_id, json, received_ts, attempts, due_ts FROM inbound_pdus
             WHERE room_num = $1 AND due_ts <= $2 ORDER BY pdu_num LIMIT $3",
            &params![room_num, now_ms, limit],
        )
        .await?;
    rows.iter().map(waiting).collect()
}

/// How many events wait in a room.
pub async fn count(snapshot: &Snapshot, room_num: RoomNum) -> Result<i64, StoreError> {
    snapshot.query_one("SELECT COUNT(*) FROM inbound_pdus WHERE room_num = $1", &params![room_num]).await?.int(0)
}

/// Puts an event off.
pub fn postpone(batch: &mut Batch, pdu_num: i64, due_ts: i64) {
    batch.push(
        "UPDATE inbound_pdus SET attempts = attempts + 1, due_ts = $2 WHERE pdu_num = $1",
        params![pdu_num, due_ts],
    );
}

/// Removes an event that waits no more.
pub fn remove(batch: &mut Batch, pdu_num: i64) {
    batch.push("DELETE FROM inbound_pdus WHERE pdu_num = $1", params![pdu_num]);
}

/// Puts an event off without counting it as an attempt.
pub fn put_off(batch: &mut Batch, pdu_num: i64, due_ts: i64) {
    batch.push("UPDATE inbound_pdus SET due_ts = $2 WHERE pdu_num = $1", params![pdu_num, due_ts]);
}

/// Has the events that wait in a room be looked at now.
pub fn hasten(batch: &mut Batch, room_num: RoomNum, now_ms: i64) {
    batch.push("UPDATE inbound_pdus SET due_ts = $2 WHERE room_num = $1", params![room_num, now_ms]);
}
