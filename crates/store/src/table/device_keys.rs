//! `device_keys`: the identity keys of each device that encrypts.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params, value::int_list};

/// The keys of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceKeys {
    /// The device's owner.
    pub user_num: UserNum,
    /// The device's Matrix id.
    pub device_id: String,
    /// The keys as the device signed them, JSON.
    pub keys: String,
}

/// The keys of one device.
pub async fn one(snapshot: &Snapshot, user_num: UserNum, device_id: &str) -> Result<Option<String>, StoreError> {
    let row = snapshot
        .query_opt("SELECT keys FROM device_keys WHERE user_num = $1 AND device_id = $2", &params![user_num, device_id])
        .await?;
    row.map(|row| row.text(0).map(str::to_owned)).transpose()
}

/// The keys of all devices of some users.
pub async fn of_users(
    snapshot: &Snapshot,
    users: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<DeviceKeys>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT user_num, device_id, keys FROM device_keys WHERE user_num IN INTS($1) ORDER BY user_num, device_id",
            &[int_list(users)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(DeviceKeys { user_num: row.num(0)?, device_id: row.text(1)?.to_owned(), keys: row.text(2)?.to_owned() })
        })
        .collect()
}

/// Sets the keys of a device.
pub fn set(batch: &mut Batch, user_num: UserNum, device_id: &str, keys: &str) {
    batch.push(
        "INSERT INTO device_keys (user_num, device_id, keys) VALUES ($1, $2, $3)
         ON CONFLICT (user_num, device_id) DO UPDATE SET keys = excluded.keys",
        params![user_num, device_id, keys],
    );
}

/// Removes the keys of a device.
pub fn remove(batch: &mut Batch, user_num: UserNum, device_id: &str) {
    batch.push("DELETE FROM device_keys WHERE user_num = $1 AND device_id = $2", params![user_num, device_id]);
}
