//! Tells those who deliver to other servers that there is something to deliver. A ring may be lost, what is to be delivered may not: it is on disk.

use std::collections::BTreeSet;

use domicile_core::ids::{DestinationNum, RoomNum};
use parking_lot::Mutex;
use tokio::sync::Notify;

/// What was rung for since the last time it was heard.
#[derive(Debug, Default)]
pub struct Rung {
    /// Rooms in which something is to be told.
    pub rooms: BTreeSet<RoomNum>,
    /// Destinations for which there is something.
    pub destinations: BTreeSet<DestinationNum>,
}

/// The bell. Ringing it costs the same however many destinations a room has.
#[derive(Debug, Default)]
pub struct OutboundBell {
    rung: Mutex<Rung>,
    notify: Notify,
}

impl OutboundBell {
    /// Something of a room is to be told.
    pub fn room(&self, room_num: RoomNum) {
        self.rung.lock().rooms.insert(room_num);
        self.notify.notify_one();
    }

    /// There is something for a destination.
    pub fn destination(&self, destination_num: DestinationNum) {
        self.rung.lock().destinations.insert(destination_num);
        self.notify.notify_one();
    }

    /// Waits until it rings, and takes what it rang for.
    pub async fn heard(&self) -> Rung {
        loop {
            let waiting = self.notify.notified();
            let rung = std::mem::take(&mut *self.rung.lock());
            if !rung.rooms.is_empty() || !rung.destinations.is_empty() {
                return rung;
            }
            waiting.await;
        }
    }
}
