//! `dehydrated_devices`: the one device of a user that sleeps on the server, sealed, and takes messages in meanwhile.

use domicile_core::ids::{DeviceNum, UserNum};

use crate::{Batch, Snapshot, StoreError, params};

/// A row of `dehydrated_devices`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DehydratedDevice {
    /// The owner.
    pub user_num: UserNum,
    /// Its number in `devices`.
    pub device_num: DeviceNum,
    /// Its Matrix id.
    pub device_id: String,
    /// The sealed device, JSON.
    pub device_data: String,
}

/// A user's dehydrated device.
pub async fn of_user(snapshot: &Snapshot, user_num: UserNum) -> Result<Option<DehydratedDevice>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT user_num, device_num, device_id, device_data FROM dehydrated_devices WHERE user_num = $1",
            &params![user_num],
        )
        .await?;
    row.map(|row| {
        Ok(DehydratedDevice {
            user_num: row.num(0)?,
            device_num: row.num(1)?,
            device_id: row.text(2)?.to_owned(),
            device_data: row.text(3)?.to_owned(),
        })
    })
    .transpose()
}

/// Adds a user's dehydrated device; a conflict if there is one.
pub fn insert(batch: &mut Batch, device: &DehydratedDevice) {
    batch.push(
        "INSERT INTO dehydrated_devices (user_num, device_num, device_id, device_data) VALUES ($1, $2, $3, $4)",
        params![device.user_num, device.device_num, device.device_id.as_str(), device.device_data.as_str()],
    );
}

/// Removes the dehydrated device that the writer read. The batch fails if it is another by now.
pub fn remove(batch: &mut Batch, user_num: UserNum, device_num: DeviceNum) {
    batch.guard(
        "dehydrated_devices.device_num",
        "DELETE FROM dehydrated_devices WHERE user_num = $1 AND device_num = $2",
        params![user_num, device_num],
    );
}
