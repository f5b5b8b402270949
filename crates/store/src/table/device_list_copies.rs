//! `device_list_copies`: how good the copies of other people's devices and keys are. The copies themselves stand where local ones do, in
//! `device_keys` and `cross_signing_keys`.

use domicile_core::ids::{Position, UserNum};

use crate::{Batch, Row, Snapshot, StoreError, params, value::int_list};

/// A row of `device_list_copies`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceListCopy {
    /// Whose devices.
    pub user_num: UserNum,
    /// Their server's name for this version, if it told one.
    pub stream_id: Option<i64>,
    /// When they were asked for last with success, in milliseconds since the epoch.
    pub fetched_ts: Option<i64>,
    /// Whether something is known to be missing.
    pub is_stale: bool,
    /// Grows with each word that changes the copy.
    pub revision: i64,
    /// How often in a row it could not be fetched.
    pub attempts: i64,
}

fn copy(row: &Row) -> Result<DeviceListCopy, StoreError> {
    Ok(DeviceListCopy {
        user_num: row.num(0)?,
        stream_id: row.opt_int(1)?,
        fetched_ts: row.opt_int(2)?,
        is_stale: row.flag(3)?,
        revision: row.int(4)?,
        attempts: row.int(5)?,
    })
}

/// The copies of some users.
pub async fn of_users(
    snapshot: &Snapshot,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<DeviceListCopy>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, stream_id, fetched_ts, is_stale, revision, attempts FROM device_list_copies
             WHERE user_num IN INTS($1)",
            &[int_list(users)],
        )
        .await?;
    rows.iter().map(copy).collect()
}

/// Those of `users` whose copies `reader` can rely on: nothing is missing, and ever since they were fetched the two have been in one room, so that
/// the other server has told of every change.
pub async fn usable(
    snapshot: &Snapshot,
    reader: UserNum,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT c.user_num FROM device_list_copies c WHERE c.user_num IN INTS($2) AND c.is_stale = 0 AND EXISTS (
             SELECT 1 FROM memberships theirs JOIN memberships mine ON mine.room_num = theirs.room_num AND mine.user_num = $1
             AND mine.membership = 'join' AND mine.turned_position <= c.position
             WHERE theirs.user_num = c.user_num AND theirs.membership = 'join' AND theirs.turned_position <= c.position)",
            &[reader.into(), int_list(users)],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Stale copies whose time has come, with their users' Matrix ids, the oldest first.
pub async fn due(snapshot: &Snapshot, now_ms: i64, limit: i64) -> Result<Vec<(DeviceListCopy, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT c.user_num, c.stream_id, c.fetched_ts, c.is_stale, c.revision, c.attempts, u.user_id FROM device_list_copies c
             JOIN users u ON u.user_num = c.user_num WHERE c.is_stale = 1 AND c.retry_ts <= $1 ORDER BY c.retry_ts LIMIT $2",
            &params![now_ms, limit],
        )
        .await?;
    rows.iter().map(|row| Ok((copy(row)?, row.text(6)?.to_owned()))).collect()
}

/// Users of whom there is a copy, after `after`.
pub async fn page(snapshot: &Snapshot, after: UserNum, limit: i64) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num FROM device_list_copies WHERE user_num > $1 ORDER BY user_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Begins a copy that is still to be fetched, unless there is one. It is fetched by itself at `retry_ts`.
pub fn begin(batch: &mut Batch, user_num: UserNum, retry_ts: i64) {
    batch.push(
        "INSERT INTO device_list_copies (user_num, is_stale, revision, attempts, retry_ts) VALUES ($1, 1, 0, 0, $2)
         ON CONFLICT (user_num) DO NOTHING",
        params![user_num, retry_ts],
    );
}

/// Notes that something is missing in a copy, or that there is to be one: it is fetched at `retry_ts`.
pub fn set_stale(batch: &mut Batch, user_num: UserNum, retry_ts: i64) {
    batch.push(
        "INSERT INTO device_list_copies (user_num, is_stale, revision, attempts, retry_ts) VALUES ($1, 1, 1, 0, $2)
         ON CONFLICT (user_num) DO UPDATE SET is_stale = 1, revision = device_list_copies.revision + 1, attempts = 0,
         retry_ts = excluded.retry_ts",
        params![user_num, retry_ts],
    );
}

/// Notes that a copy was brought from `revision` to the next by a word of its server. The batch fails if it is another by now.
pub fn advance(batch: &mut Batch, user_num: UserNum, revision: i64, stream_id: Option<i64>) {
    batch.guard(
        "device_list_copies.revision",
        "UPDATE device_list_copies SET stream_id = $3, revision = revision + 1 WHERE user_num = $1 AND revision = $2",
        params![user_num, revision, stream_id],
    );
}

/// Notes that a copy is whole: it was fetched when our stream stood at `position`. The batch fails if there was another word of it since.
pub fn set_fetched(
    batch: &mut Batch,
    user_num: UserNum,
    revision: i64,
    stream_id: Option<i64>,
    position: Position,
    now_ms: i64,
) {
    batch.guard(
        "device_list_copies.revision",
        "UPDATE device_list_copies SET stream_id = $3, position = $4, fetched_ts = $5, is_stale = 0, attempts = 0
         WHERE user_num = $1 AND revision = $2",
        params![user_num, revision, stream_id, position, now_ms],
    );
}

/// Puts the fetching of a copy off.
pub fn postpone(batch: &mut Batch, user_num: UserNum, retry_ts: i64) {
    batch.push(
        "UPDATE device_list_copies SET attempts = attempts + 1, retry_ts = $2 WHERE user_num = $1",
        params![user_num, retry_ts],
    );
}

/// Removes a copy with the keys in it.
pub fn remove(batch: &mut Batch, user_num: UserNum) {
    batch.push("DELETE FROM device_list_copies WHERE user_num = $1", params![user_num]);
    batch.push("DELETE FROM device_keys WHERE user_num = $1", params![user_num]);
    batch.push("DELETE FROM cross_signing_keys WHERE user_num = $1", params![user_num]);
}
