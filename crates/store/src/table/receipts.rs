//! `receipts`: how far users have read.

use domicile_core::ids::{DestinationNum, EventNum, Position, RoomNum, UserNum};
use ruma::OwnedEventId;

use crate::{Batch, Snapshot, StoreError, Value, event_id, params};

/// A receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Who has read.
    pub user_num: UserNum,
    /// `m.read` or `m.read.private`.
    pub kind: String,
    /// The thread: empty for the whole room, `main`, or the root's event id.
    pub thread: String,
    /// What was read.
    pub event_id: OwnedEventId,
    /// When, in milliseconds since the epoch.
    pub ts: i64,
}

/// Receipts in a room that changed with `since < position <= upto`, but for other people's private ones.
pub async fn changed(
    snapshot: &Snapshot,
    room_num: RoomNum,
    reader: UserNum,
    since: Position,
    upto: Position,
) -> Result<Vec<Receipt>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT x.user_num, x.kind, x.thread, e.event_id, x.ts FROM receipts x JOIN events e ON e.event_num = x.event_num
             WHERE x.room_num = $1 AND x.position > $3 AND x.position <= $4 AND (x.kind = 'm.read' OR x.user_num = $2)
             ORDER BY x.position DESC",
            &params![room_num, reader, since, upto],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Receipt {
                user_num: row.num(0)?,
                kind: row.text(1)?.to_owned(),
                thread: row.text(2)?.to_owned(),
                event_id: event_id::from_bytes(&row.blob(3)?)?,
                ts: row.int(4)?,
            })
        })
        .collect()
}

/// Rooms that a user is in and where a receipt changed after `since`.
pub async fn rooms_changed(
    snapshot: &Snapshot,
    user_num: UserNum,
    since: Position,
) -> Result<Vec<RoomNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT DISTINCT x.room_num FROM receipts x
             JOIN memberships m ON m.room_num = x.room_num AND m.user_num = $1 AND m.membership = 'join'
             WHERE x.position > $2 AND (x.kind = 'm.read' OR x.user_num = $1)",
            &params![user_num, since],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// A public receipt of a local user that other servers are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingReceipt {
    /// Where it was set.
    pub position: Position,
    /// The room.
    pub room_num: RoomNum,
    /// The receipt.
    pub receipt: Receipt,
}

/// At most `limit` public receipts of local users with `since < position <= upto` in the rooms of a destination, in their order; not those for
/// the user's own events, which say it themselves. As with events, the stream is walked and not the rooms.
pub async fn of_destination(
    snapshot: &Snapshot,
    destination_num: DestinationNum,
    since: Position,
    upto: Position,
    limit: i64,
) -> Result<Vec<OutgoingReceipt>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT x.user_num, x.kind, x.thread, e.event_id, x.ts, x.position, x.room_num FROM receipts x
             CROSS JOIN destination_rooms r CROSS JOIN users u CROSS JOIN events e
             WHERE x.position > $2 AND x.position <= $3 AND x.kind = 'm.read'
             AND r.room_num = x.room_num AND r.destination_num = $1 AND r.until_position IS NULL
             AND u.user_num = x.user_num AND u.is_local = 1 AND e.event_num = x.event_num AND e.sender_num <> x.user_num
             ORDER BY x.position LIMIT $4",
            &params![destination_num, since, upto, limit],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let receipt = Receipt {
                user_num: row.num(0)?,
                kind: row.text(1)?.to_owned(),
                thread: row.text(2)?.to_owned(),
                event_id: event_id::from_bytes(&row.blob(3)?)?,
                ts: row.int(4)?,
            };
            Ok(OutgoingReceipt { position: row.num(5)?, room_num: row.num(6)?, receipt })
        })
        .collect()
}

/// Where a user's receipt of a kind and thread stands.
pub async fn position(
    snapshot: &Snapshot,
    room_num: RoomNum,
    user_num: UserNum,
    kind: &str,
    thread: &str,
) -> Result<Option<Position>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT event_position FROM receipts WHERE room_num = $1 AND user_num = $2 AND kind = $3 AND thread = $4",
            &params![room_num, user_num, kind, thread],
        )
        .await?;
    row.map(|row| row.num(0)).transpose()
}

/// A receipt that is to be written.
#[derive(Clone, Debug)]
pub struct NewReceipt<'a> {
    /// The room.
    pub room_num: RoomNum,
    /// Who has read.
    pub user_num: UserNum,
    /// `m.read` or `m.read.private`.
    pub kind: &'a str,
    /// The thread.
    pub thread: &'a str,
    /// What was read.
    pub event_num: EventNum,
    /// Its place in the timeline.
    pub event_position: Position,
    /// When.
    pub ts: i64,
}

/// Sets a receipt, unless a newer one stands.
pub fn set(batch: &mut Batch, receipt: &NewReceipt<'_>, position: Value) {
    batch.push(
        "INSERT INTO receipts (room_num, user_num, kind, thread, event_num, event_position, ts, position)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (room_num, user_num, kind, thread) DO UPDATE SET event_num = excluded.event_num,
         event_position = excluded.event_position, ts = excluded.ts, position = excluded.position
         WHERE excluded.event_position >= receipts.event_position",
        params![
            receipt.room_num,
            receipt.user_num,
            receipt.kind,
            receipt.thread,
            receipt.event_num,
            receipt.event_position,
            receipt.ts,
            position
        ],
    );
}

/// Sets the marker of what a user has read fully in a room, as room account data.
pub fn set_fully_read(batch: &mut Batch, user_num: UserNum, room_num: RoomNum, content: String, position: Value) {
    batch.push(
        "INSERT INTO account_data (user_num, room_num, kind, content, position) VALUES ($1, $2, 'm.fully_read', $3, $4)
         ON CONFLICT (user_num, room_num, kind) DO UPDATE SET content = excluded.content, position = excluded.position",
        params![user_num, room_num, content, position],
    );
}

/// Removes the receipts of a room of which there is no copy any more.
pub fn remove_of_room(batch: &mut Batch, room_num: RoomNum) {
    batch.push("DELETE FROM receipts WHERE room_num = $1", params![room_num]);
}

/// Removes the private receipts of somebody whose home is elsewhere now.
pub fn remove_private(batch: &mut Batch, user_num: UserNum) {
    batch.push(
        "DELETE FROM receipts WHERE user_num = $1 AND kind = 'm.read.private'
         AND room_num IN (SELECT m.room_num FROM memberships m WHERE m.user_num = $1)",
        params![user_num],
    );
}
