//! `arrivals`, `arrived_media` and `arrived_inboxes`: people who move to this cell.

use std::collections::HashSet;

use bytes::Bytes;
use domicile_core::ids::{DeviceNum, Position, UserNum};

use super::spans::SPAN;
use crate::{Batch, Row, Snapshot, StoreError, Value, params};

/// A row of `arrivals`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Who comes.
    pub user_id: String,
    /// The move.
    pub move_id: String,
    /// The cell that they come from.
    pub origin: String,
    /// How far it is.
    pub state: String,
    /// When that changed, in milliseconds since the epoch.
    pub changed_ts: i64,
    /// The hash of the vault that waits.
    pub digest: Option<String>,
    /// The vault that waits, sealed.
    pub sealed: Option<Bytes>,
    /// What this cell has confirmed, JSON.
    pub receipt: Option<String>,
}

fn read(row: &Row) -> Result<Arrival, StoreError> {
    Ok(Arrival {
        user_id: row.text(0)?.to_owned(),
        move_id: row.text(1)?.to_owned(),
        origin: row.text(2)?.to_owned(),
        state: row.text(3)?.to_owned(),
        changed_ts: row.int(4)?,
        digest: row.opt_text(5)?.map(str::to_owned),
        sealed: row.opt_blob(6)?,
        receipt: row.opt_text(7)?.map(str::to_owned),
    })
}

/// Somebody's arrival.
pub async fn of_user(snapshot: &Snapshot, user_id: &str) -> Result<Option<Arrival>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT user_id, move_id, origin, state, changed_ts, digest, sealed, receipt FROM arrivals WHERE user_id = $1",
            &params![user_id],
        )
        .await?;
    row.as_ref().map(read).transpose()
}

/// Those in a state, without their vaults: user, move, origin and time.
pub async fn in_state(
    snapshot: &Snapshot,
    state: &str,
    limit: i64,
) -> Result<Vec<(String, String, String, i64)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_id, move_id, origin, changed_ts FROM arrivals WHERE state = $1 ORDER BY changed_ts LIMIT $2",
            &params![state, limit],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.text(2)?.to_owned(), row.int(3)?)))
        .collect()
}

/// How many arrivals there are by the cell that they come from and by state, with the earliest and the latest time of a change.
pub async fn counts(snapshot: &Snapshot) -> Result<Vec<(String, String, i64, i64, i64)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT origin, state, COUNT(*), MIN(changed_ts), MAX(changed_ts) FROM arrivals GROUP BY origin, state ORDER BY origin, state",
            &[],
        )
        .await?;
    rows.iter()
        .map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.int(2)?, row.int(3)?, row.int(4)?)))
        .collect()
}

/// An arrival without whose it is: how far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// The move.
    pub move_id: String,
    /// The cell that they come from.
    pub origin: String,
    /// How far it is.
    pub state: String,
    /// When that changed, in milliseconds since the epoch.
    pub changed_ts: i64,
    /// Files that are here already, while they come.
    pub files: i64,
}

/// At most `limit` arrivals in some states, those first that have stood where they are for longest.
pub async fn under_way(snapshot: &Snapshot, states: &[&str], limit: i64) -> Result<Vec<UnderWay>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT a.move_id, a.origin, a.state, a.changed_ts, (SELECT COUNT(*) FROM arrived_media f WHERE f.user_id = a.user_id)
             FROM arrivals a WHERE a.state IN TEXTS($1) ORDER BY a.changed_ts, a.move_id LIMIT $2",
            &[crate::value::text_list(states), limit.into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(UnderWay {
                move_id: row.text(0)?.to_owned(),
                origin: row.text(1)?.to_owned(),
                state: row.text(2)?.to_owned(),
                changed_ts: row.int(3)?,
                files: row.int(4)?,
            })
        })
        .collect()
}

/// Sets somebody's arrival.
pub fn set(batch: &mut Batch, row: &Arrival) {
    batch.push(
        "INSERT INTO arrivals (user_id, move_id, origin, state, changed_ts, digest, sealed, receipt)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (user_id) DO UPDATE SET move_id = excluded.move_id, origin = excluded.origin, state = excluded.state,
         changed_ts = excluded.changed_ts, digest = excluded.digest, sealed = excluded.sealed, receipt = excluded.receipt",
        params![
            row.user_id.as_str(),
            row.move_id.as_str(),
            row.origin.as_str(),
            row.state.as_str(),
            row.changed_ts,
            row.digest.clone(),
            row.sealed.clone(),
            row.receipt.clone()
        ],
    );
}

/// Forgets somebody's arrival with the list of their files.
pub fn remove(batch: &mut Batch, user_id: &str) {
    batch.push("DELETE FROM arrivals WHERE user_id = $1", params![user_id]);
    batch.push("DELETE FROM arrived_media WHERE user_id = $1", params![user_id]);
}

/// Notes a file that is here.
pub fn put_media(batch: &mut Batch, user_id: &str, media_id: &str, content_hash: Bytes) {
    batch.push(
        "INSERT INTO arrived_media (user_id, media_id, content_hash) VALUES ($1, $2, $3)
         ON CONFLICT (user_id, media_id) DO UPDATE SET content_hash = excluded.content_hash",
        params![user_id, media_id, content_hash],
    );
}

/// The files that are here: their ids and the names of their blobs.
pub async fn media_of(snapshot: &Snapshot, user_id: &str) -> Result<Vec<(String, Bytes)>, StoreError> {
    let rows = snapshot
        .query("SELECT media_id, content_hash FROM arrived_media WHERE user_id = $1", &params![user_id])
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.blob(1)?))).collect()
}

/// Forgets the list of somebody's files.
pub fn forget_media(batch: &mut Batch, user_id: &str) {
    batch.push("DELETE FROM arrived_media WHERE user_id = $1", params![user_id]);
}

/// Notes where a message stands now that stood elsewhere before.
pub fn put_inbox(batch: &mut Batch, device_num: DeviceNum, old_position: i64, position: Value) {
    batch.push(
        "INSERT INTO arrived_inboxes (device_num, old_position, position) VALUES ($1, $2, $3) ON CONFLICT (device_num, old_position)
         DO UPDATE SET position = excluded.position",
        params![device_num, old_position, position],
    );
}

/// The place here up to which a device has its inbox that had it up to a place in another cell, or in this one in an earlier stay. Places of other
/// cells are of other spans, and say nothing about this one.
pub async fn inbox_at(
    snapshot: &Snapshot,
    device_num: DeviceNum,
    old_position: Position,
) -> Result<Position, StoreError> {
    let row = snapshot
        .query_one(
            "SELECT MAX(position) FROM arrived_inboxes WHERE device_num = $1 AND old_position <= $2 AND old_position >= $3",
            &params![device_num, old_position, Position(old_position.0.div_euclid(SPAN).saturating_mul(SPAN))],
        )
        .await?;
    Ok(row.opt_num(0)?.unwrap_or(Position::START))
}

/// Notes what somebody's clients had been shown of their rooms, JSON, up to the end of the stream of the cell from which they come.
pub fn set_frontiers(batch: &mut Batch, user_num: UserNum, head: i64, rooms: String) {
    batch.push(
        "INSERT INTO arrived_frontiers (user_num, head, rooms) VALUES ($1, $2, $3)
         ON CONFLICT (user_num) DO UPDATE SET head = excluded.head, rooms = excluded.rooms",
        params![user_num, head, rooms],
    );
}

/// What a client of somebody has been shown of their rooms, JSON, whose token has a place in the stream of the cell from which they came.
pub async fn frontiers(snapshot: &Snapshot, user_num: UserNum, place: Position) -> Result<Option<String>, StoreError> {
    let row =
        snapshot.query_opt("SELECT head, rooms FROM arrived_frontiers WHERE user_num = $1", &params![user_num]).await?;
    let Some(row) = row else { return Ok(None) };
    let head = row.int(0)?;
    let is_of_it = head.div_euclid(SPAN) == place.0.div_euclid(SPAN) && place.0 <= head;
    is_of_it.then(|| Ok(row.text(1)?.to_owned())).transpose()
}

/// Where messages stood before that a user's devices have brought along and not received yet: device, place here, place there.
pub async fn earlier(snapshot: &Snapshot, user_num: UserNum) -> Result<Vec<(String, i64, i64)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT d.device_id, a.position, a.old_position FROM devices d
             JOIN arrived_inboxes a ON a.device_num = d.device_num
             WHERE d.user_num = $1 AND EXISTS (SELECT 1 FROM to_device_messages t WHERE t.device_num = a.device_num
             AND t.position = a.position) ORDER BY d.device_id, a.old_position",
            &params![user_num],
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?, row.int(2)?))).collect()
}

/// The places of all messages that a user's devices have brought along: device and old place.
pub async fn inboxes(snapshot: &Snapshot, user_num: UserNum) -> Result<HashSet<(i64, i64)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT a.device_num, a.old_position FROM devices d JOIN arrived_inboxes a ON a.device_num = d.device_num
             WHERE d.user_num = $1",
            &params![user_num],
        )
        .await?;
    rows.iter().map(|row| Ok((row.int(0)?, row.int(1)?))).collect()
}

/// The numbers of those who are on the way here.
pub async fn on_the_way(snapshot: &Snapshot) -> Result<Vec<i64>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT u.user_num FROM arrivals a JOIN users u ON u.user_id = a.user_id WHERE a.state IN ('coming', 'confirmed')",
            &[],
        )
        .await?;
    rows.iter().map(|row| row.int(0)).collect()
}

/// Notes that nothing more comes of what somebody said where they came from.
pub fn settle(batch: &mut Batch, user_id: &str, move_id: &str, origin: &str, settled: &str) {
    batch.push(
        "UPDATE arrivals SET state = $4 WHERE user_id = $1 AND move_id = $2 AND origin = $3 AND state = 'here'",
        params![user_id, move_id, origin, settled],
    );
}

/// Lets a batch fail if somebody is not in the one state any more, and puts them into the other: nobody is taken in twice.
pub fn take_in(batch: &mut Batch, user_id: &str, from: &str, to: &str) {
    batch.guard(
        "arrivals.state",
        "UPDATE arrivals SET state = $3 WHERE user_id = $1 AND state = $2",
        params![user_id, from, to],
    );
}
