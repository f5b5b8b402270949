//! `to_device_messages` and `to_device_transactions`: each device's inbox, and what was put into inboxes already.

use domicile_core::ids::{DeviceNum, Position, UserNum};

use crate::{Batch, Snapshot, StoreError, Value, params, value::int_list};

/// A message in an inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it stands.
    pub position: Position,
    /// Which of the messages of its position it is.
    pub part: i64,
    /// The event, JSON.
    pub content: String,
}

/// Where messages can go: all devices of some users, as owner, number and Matrix id.
pub async fn devices_of(
    snapshot: &Snapshot,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<(UserNum, DeviceNum, String)>, StoreError> {
    let rows = snapshot
        .query("SELECT user_num, device_num, device_id FROM devices WHERE user_num IN INTS($1)", &[int_list(users)])
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.num(1)?, row.text(2)?.to_owned()))).collect()
}

/// Puts a message into a device's inbox, if the device is still there. `origin` is the server that brought it, if it is not of this one.
pub fn insert(
    batch: &mut Batch,
    device_num: DeviceNum,
    (position, part): (Value, i64),
    content: &str,
    origin: Option<&str>,
) {
    batch.push(
        "INSERT INTO to_device_messages (device_num, position, part, content, origin, size)
         SELECT d.device_num, CAST($2 AS BIGINT), CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS TEXT), CAST($6 AS BIGINT)
         FROM devices d WHERE d.device_num = $1",
        params![device_num, position, part, content, origin, i64::try_from(content.len()).unwrap_or(i64::MAX)],
    );
}

/// How many messages of a server lie in a device's inbox, and how many bytes they have together. Counting ends at `limit`.
pub async fn held_of(
    snapshot: &Snapshot,
    device_num: DeviceNum,
    origin: &str,
    limit: i64,
) -> Result<(i64, i64), StoreError> {
    let row = snapshot
        .query_one(
            "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM (SELECT size FROM to_device_messages
             WHERE device_num = $1 AND origin = $2 LIMIT $3) held",
            &params![device_num, origin, limit],
        )
        .await?;
    Ok((row.int(0)?, row.int(1)?))
}

/// The same of all other servers together.
pub async fn held_of_others(snapshot: &Snapshot, device_num: DeviceNum, limit: i64) -> Result<(i64, i64), StoreError> {
    let row = snapshot
        .query_one(
            "SELECT COUNT(*), CAST(COALESCE(SUM(size), 0) AS BIGINT) FROM (SELECT size FROM to_device_messages
             WHERE device_num = $1 AND origin IS NOT NULL LIMIT $2) held",
            &params![device_num, limit],
        )
        .await?;
    Ok((row.int(0)?, row.int(1)?))
}

/// Messages of a device after `since` and up to `upto`, at most `limit`.
pub async fn page(
    snapshot: &Snapshot,
    device_num: DeviceNum,
    since: Position,
    upto: Position,
    limit: usize,
) -> Result<Vec<Message>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT position, part, content FROM to_device_messages WHERE device_num = $1 AND position > $2 AND position <= $3
             ORDER BY position, part LIMIT $4",
            &params![device_num, since, upto, i64::try_from(limit).unwrap_or(i64::MAX)],
        )
        .await?;
    rows.iter()
        .map(|row| Ok(Message { position: row.num(0)?, part: row.int(1)?, content: row.text(2)?.to_owned() }))
        .collect()
}

/// Whether a device's inbox still holds messages up to `upto`.
pub async fn any(snapshot: &Snapshot, device_num: DeviceNum, upto: Position) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT 1 FROM to_device_messages WHERE device_num = $1 AND position <= $2 LIMIT 1",
            &params![device_num, upto],
        )
        .await?;
    Ok(row.is_some())
}

/// Removes what a device has received.
pub fn remove(batch: &mut Batch, device_num: DeviceNum, upto: Position) {
    batch.push("DELETE FROM to_device_messages WHERE device_num = $1 AND position <= $2", params![device_num, upto]);
}

/// Whether a device made a transaction before. `scope` is the hash of the request's path with the transaction id.
pub async fn is_sent(snapshot: &Snapshot, device_num: DeviceNum, scope: &[u8]) -> Result<bool, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT 1 FROM to_device_transactions WHERE device_num = $1 AND scope = $2",
            &params![device_num, scope],
        )
        .await?;
    Ok(row.is_some())
}

/// Notes a transaction; a conflict if the device made it before.
pub fn insert_transaction(batch: &mut Batch, device_num: DeviceNum, scope: &[u8], day: i64) {
    batch.push(
        "INSERT INTO to_device_transactions (device_num, scope, created_day) VALUES ($1, $2, $3)",
        params![device_num, scope, day],
    );
}

/// Forgets a device's transactions of before a day.
pub fn remove_transactions_before(batch: &mut Batch, device_num: DeviceNum, day: i64) {
    batch.push(
        "DELETE FROM to_device_transactions WHERE device_num = $1 AND created_day < $2",
        params![device_num, day],
    );
}

/// Messages for a user's devices that came after a place, in their order: device, place and content.
pub async fn of_user_after(
    snapshot: &Snapshot,
    user_num: UserNum,
    after: Position,
) -> Result<Vec<(String, i64, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT d.device_id, t.position, t.content FROM devices d JOIN to_device_messages t ON t.device_num = d.device_num
             WHERE d.user_num = $1 AND t.position > $2 ORDER BY t.position, t.part",
            &params![user_num, after],
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?, row.text(2)?.to_owned()))).collect()
}
