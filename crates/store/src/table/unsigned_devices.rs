//! `unsigned_devices`: devices of other cells' people that these have not signed, so that each is noticed once.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params, value::int_list};

/// A row of `unsigned_devices`. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedDevice {
    /// Whose device.
    pub user_num: UserNum,
    /// The device.
    pub device_id: String,
    /// Since when it is known.
    pub since_ts: i64,
    /// When it is to have been signed; none where nothing is waited for any more.
    pub due_ts: Option<i64>,
}

/// Those of some users.
pub async fn of_users(
    snapshot: &Snapshot,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<UnsignedDevice>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, device_id, since_ts, due_ts FROM unsigned_devices WHERE user_num IN INTS($1)
             ORDER BY user_num, device_id",
            &[int_list(users)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(UnsignedDevice {
                user_num: row.num(0)?,
                device_id: row.text(1)?.to_owned(),
                since_ts: row.int(2)?,
                due_ts: row.opt_int(3)?,
            })
        })
        .collect()
}

/// Users of whom a device is to have been signed by now, those who wait longest first.
pub async fn due(snapshot: &Snapshot, now_ms: i64, limit: i64) -> Result<Vec<UserNum>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, MIN(due_ts) FROM unsigned_devices WHERE due_ts <= $1 GROUP BY user_num
             ORDER BY MIN(due_ts), user_num LIMIT $2",
            &params![now_ms, limit],
        )
        .await?;
    rows.iter().map(|row| row.num(0)).collect()
}

/// Notes a device, in place of what was noted of it before.
pub fn set(batch: &mut Batch, device: &UnsignedDevice) {
    batch.push(
        "INSERT INTO unsigned_devices (user_num, device_id, since_ts, due_ts) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_num, device_id) DO UPDATE SET since_ts = excluded.since_ts, due_ts = excluded.due_ts",
        params![device.user_num, device.device_id.as_str(), device.since_ts, device.due_ts],
    );
}

/// Notes that a device was to have been signed at `due_ts` and was not. The batch fails if it was signed meanwhile, or waits for another time.
pub fn decide(batch: &mut Batch, user_num: UserNum, device_id: &str, due_ts: i64) {
    batch.guard(
        "unsigned_devices.due_ts",
        "UPDATE unsigned_devices SET due_ts = NULL WHERE user_num = $1 AND device_id = $2 AND due_ts = $3",
        params![user_num, device_id, due_ts],
    );
}

/// Looks at somebody's devices again later, those whose time has come.
pub fn postpone(batch: &mut Batch, user_num: UserNum, now_ms: i64, due_ts: i64) {
    batch.push(
        "UPDATE unsigned_devices SET due_ts = $3 WHERE user_num = $1 AND due_ts <= $2",
        params![user_num, now_ms, due_ts],
    );
}

/// Forgets a device: it is signed, or gone.
pub fn remove(batch: &mut Batch, user_num: UserNum, device_id: &str) {
    batch.push("DELETE FROM unsigned_devices WHERE user_num = $1 AND device_id = $2", params![user_num, device_id]);
}

/// Forgets all of somebody.
pub fn remove_of(batch: &mut Batch, user_num: UserNum) {
    batch.push("DELETE FROM unsigned_devices WHERE user_num = $1", params![user_num]);
}
