//! With which transaction a device sent an event: it is told so with the event (`unsigned.transaction_id`; client-server, *Local echo*), and knows that
//! the message which it shows already has come.
//!
//! In memory alone. A client that has its answer knows the event by its id; one that has none repeats its request and gets it. So after a restart nothing
//! is missing that anybody waits for.

use std::sync::Arc;

use domicile_core::ids::{DeviceNum, EventNum};
use quick_cache::sync::Cache;

/// Messages that are remembered, the last ones.
const ECHOES: usize = 50_000;

/// The transactions of the last messages.
pub struct Echoes(Cache<EventNum, (DeviceNum, Arc<str>)>);

impl Default for Echoes {
    fn default() -> Self {
        Self(Cache::new(ECHOES))
    }
}

impl Echoes {
    /// Notes with which transaction a device sends an event.
    pub fn note(&self, event_num: EventNum, device_num: DeviceNum, txn_id: &Arc<str>) {
        self.0.insert(event_num, (device_num, Arc::clone(txn_id)));
    }

    /// The transaction with which a device sent an event, if it was that device.
    pub fn of(&self, event_num: EventNum, device_num: DeviceNum) -> Option<Arc<str>> {
        self.0.get(&event_num).filter(|(sender, _)| *sender == device_num).map(|(_, txn_id)| txn_id)
    }
}
