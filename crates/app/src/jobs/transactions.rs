//! Forgetting what repeated requests are told by: a client repeats a request for minutes, or after its device slept for days, and then no more.
//! And receipts for events that did not come within a day, and of a gateway which cells are in rooms of which it has not heard for long.
//!
//! The tables have no index by day, which would cost every message a page; each device's rows stand together.

use domicile_core::{clock::DAY_MS, ids::DeviceNum};
use domicile_store::{
    Batch, Store,
    table::{devices, gateway_rooms, inbound_messages, to_device, transactions, waiting_receipts},
};

use crate::Result;

/// Days for which a repeated transaction gives the same event.
const KEPT_DAYS: i64 = 14;
/// Days for which a gateway remembers the cells of a room of which it does not hear.
const ROOMS_DAYS: i64 = 90;
/// Devices that are looked at in one write.
const DEVICES: i64 = 50;

/// Removes the transactions that are too old to be repeated, of each device after the other.
pub(super) async fn forget(store: &Store, now_ms: i64) -> Result<()> {
    let day = now_ms.div_euclid(DAY_MS) - KEPT_DAYS;
    let mut batch = Batch::new();
    batch.low_priority();
    inbound_messages::remove_before(&mut batch, day);
    gateway_rooms::remove_before(&mut batch, day + KEPT_DAYS - ROOMS_DAYS);
    waiting_receipts::remove_before(&mut batch, now_ms - DAY_MS);
    store.write(batch).await?;
    let mut after = DeviceNum(0);
    loop {
        let page = store.read(move |snapshot| async move { devices::page(&snapshot, after, DEVICES).await }).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.device_num;
        let mut batch = Batch::new();
        batch.low_priority();
        for device in &page {
            transactions::remove_before(&mut batch, device.device_num, day);
            to_device::remove_transactions_before(&mut batch, device.device_num, day);
        }
        store.write(batch).await?;
    }
}
