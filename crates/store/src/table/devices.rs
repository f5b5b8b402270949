//! `devices`: every session there can be of a local user.

use bytes::Bytes;
use domicile_core::ids::{DeviceNum, UserNum};

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `devices`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The number.
    pub device_num: DeviceNum,
    /// The owner.
    pub user_num: UserNum,
    /// The Matrix id, unique for the owner.
    pub device_id: String,
    /// When it was made, in milliseconds since the epoch.
    pub created_ts: i64,
    /// Its name, address and last use, sealed with the owner's key.
    pub sealed: Option<Bytes>,
}

fn device(row: &Row) -> Result<Device, StoreError> {
    Ok(Device {
        device_num: row.num(0)?,
        user_num: row.num(1)?,
        device_id: row.text(2)?.to_owned(),
        created_ts: row.int(3)?,
        sealed: row.opt_blob(4)?,
    })
}

/// All devices of a user.
pub async fn of_user(snapshot: &Snapshot, user_num: UserNum) -> Result<Vec<Device>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT device_num, user_num, device_id, created_ts, sealed FROM devices WHERE user_num = $1 ORDER BY device_num",
            &params![user_num],
        )
        .await?;
    rows.iter().map(device).collect()
}

/// One device of a user.
pub async fn by_id(snapshot: &Snapshot, user_num: UserNum, device_id: &str) -> Result<Option<Device>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT device_num, user_num, device_id, created_ts, sealed FROM devices WHERE user_num = $1 AND device_id = $2",
            &params![user_num, device_id],
        )
        .await?;
    row.as_ref().map(device).transpose()
}

/// Adds a device; a conflict if the user has one of that id.
pub fn insert(batch: &mut Batch, device: &Device) {
    batch.push(
        "INSERT INTO devices (device_num, user_num, device_id, created_ts, sealed) VALUES ($1, $2, $3, $4, $5)",
        params![
            device.device_num,
            device.user_num,
            device.device_id.as_str(),
            device.created_ts,
            device.sealed.clone()
        ],
    );
}

/// Lets a batch fail if the device is gone by then.
pub fn require(batch: &mut Batch, user_num: UserNum, device_id: &str) {
    batch.guard(
        "devices.device_id",
        "UPDATE devices SET created_ts = created_ts WHERE user_num = $1 AND device_id = $2",
        params![user_num, device_id],
    );
}

/// Replaces the sealed part; a conflict if it is not `before` any more.
pub fn replace_sealed(batch: &mut Batch, device_num: DeviceNum, before: Option<Bytes>, sealed: Bytes) {
    match before {
        Some(before) => batch.guard(
            "devices.sealed",
            "UPDATE devices SET sealed = $3 WHERE device_num = $1 AND sealed = $2",
            params![device_num, before, sealed],
        ),
        // A device that sleeps was made with nothing sealed.
        None => batch.guard(
            "devices.sealed",
            "UPDATE devices SET sealed = $2 WHERE device_num = $1 AND sealed IS NULL",
            params![device_num, sealed],
        ),
    };
}

/// The devices after one, by number.
pub async fn page(snapshot: &Snapshot, after: DeviceNum, limit: i64) -> Result<Vec<Device>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT device_num, user_num, device_id, created_ts, sealed FROM devices WHERE device_num > $1 ORDER BY device_num LIMIT $2",
            &params![after, limit],
        )
        .await?;
    rows.iter().map(device).collect()
}

/// Removes a device with all that belongs to it alone: tokens, keys, its inbox, its transactions.
pub fn remove(batch: &mut Batch, device: &Device) {
    batch.push("DELETE FROM devices WHERE device_num = $1", params![device.device_num]);
    batch.push("DELETE FROM access_tokens WHERE device_num = $1", params![device.device_num]);
    batch.push("DELETE FROM refresh_tokens WHERE device_num = $1", params![device.device_num]);
    batch.push("DELETE FROM device_doors WHERE device_num = $1", params![device.device_num]);
    batch.push("DELETE FROM to_device_messages WHERE device_num = $1", params![device.device_num]);
    batch.push("DELETE FROM to_device_transactions WHERE device_num = $1", params![device.device_num]);
    batch.push("DELETE FROM transactions WHERE device_num = $1", params![device.device_num]);
    batch.push("DELETE FROM pushers WHERE device_num = $1", params![device.device_num]);
    batch.push("DELETE FROM dehydrated_devices WHERE device_num = $1", params![device.device_num]);
    let owner = || params![device.user_num, device.device_id.as_str()];
    batch.push("DELETE FROM device_keys WHERE user_num = $1 AND device_id = $2", owner());
    batch.push("DELETE FROM one_time_keys WHERE user_num = $1 AND device_id = $2", owner());
    batch.push("DELETE FROM fallback_keys WHERE user_num = $1 AND device_id = $2", owner());
    batch.push("DELETE FROM key_signatures WHERE target_num = $1 AND target_key = $2", owner());
}
