//! `transactions`: what a device's transaction ids led to, so that a repeated request gives the same event.

use domicile_core::ids::{DeviceNum, EventNum};

use crate::{Batch, Snapshot, StoreError, params};

/// The event that a transaction of a device made. `scope` is the hash of the request's path with the transaction id.
pub async fn event(snapshot: &Snapshot, device_num: DeviceNum, scope: &[u8]) -> Result<Option<EventNum>, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT event_num FROM transactions WHERE device_num = $1 AND scope = $2",
            &params![device_num, scope],
        )
        .await?;
    row.map(|row| row.num(0)).transpose()
}

/// Notes a transaction; a conflict if the device made it before.
pub fn insert(batch: &mut Batch, device_num: DeviceNum, scope: &[u8], event_num: EventNum, day: i64) {
    batch.push(
        "INSERT INTO transactions (device_num, scope, event_num, created_day) VALUES ($1, $2, $3, $4)",
        params![device_num, scope, event_num, day],
    );
}

/// Forgets a device's transactions of before a day.
pub fn remove_before(batch: &mut Batch, device_num: DeviceNum, day: i64) {
    batch.push("DELETE FROM transactions WHERE device_num = $1 AND created_day < $2", params![device_num, day]);
}
