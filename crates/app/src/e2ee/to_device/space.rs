//! How much other servers may have lying in one device's inbox.
//!
//! What is beyond is refused, the newcomer and not what lies there: else whoever sends most would push the keys of honest people out. A server
//! has room of its own in each inbox, so that one that fills it shuts out nobody but itself; all of them together have more, which only many
//! servers can fill that act as one. What this server's own people send is bounded by their rates, and is never refused here.

use std::collections::HashMap;

use domicile_core::{ids::DeviceNum, locality::is_cell};
use domicile_store::{Snapshot, table::to_device};
use ruma::ServerName;

use super::delivery::Delivery;
use crate::Result;

/// Messages, and their bytes together, that one server may have in an inbox.
const OF_SERVER: (i64, i64) = (5_000, 32 << 20);
/// The same for all other servers together; and for another cell of this deployment, which brings the messages of all of its people.
const OF_ALL: (i64, i64) = (50_000, 256 << 20);

/// What is left in inboxes while the messages of one transaction are added.
pub(crate) struct Space<'a> {
    snapshot: &'a Snapshot,
    origin: &'a ServerName,
    /// By device: messages and bytes of the server, and of all others.
    held: HashMap<DeviceNum, [(i64, i64); 2]>,
}

impl<'a> Space<'a> {
    /// For messages that `origin` brings.
    pub(crate) fn new(snapshot: &'a Snapshot, origin: &'a ServerName) -> Self {
        Self { snapshot, origin, held: HashMap::new() }
    }

    /// Whether there is room for a message, which is counted then.
    pub(crate) async fn takes(&mut self, delivery: &Delivery) -> Result<bool> {
        let device_num = delivery.device_num;
        if !self.held.contains_key(&device_num) {
            let of_server = to_device::held_of(self.snapshot, device_num, self.origin.as_str(), OF_ALL.0).await?;
            let of_all = to_device::held_of_others(self.snapshot, device_num, OF_ALL.0).await?;
            self.held.insert(device_num, [of_server, of_all]);
        }
        let size = i64::try_from(delivery.event.len()).unwrap_or(i64::MAX);
        let Some(held) = self.held.get_mut(&device_num) else { return Ok(false) };
        let fits = held
            .iter()
            .zip([if is_cell(self.origin) { OF_ALL } else { OF_SERVER }, OF_ALL])
            .all(|((count, bytes), (most, largest))| *count < most && bytes.saturating_add(size) <= largest);
        if fits {
            for (count, bytes) in held {
                *count += 1;
                *bytes += size;
            }
        }
        Ok(fits)
    }
}
