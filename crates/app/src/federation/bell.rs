//! Tells those who deliver to other servers that there is something to deliver. A ring may be lost, what is to be delivered may not: it is on disk.
//! Typing and presence are the exceptions: they are nowhere but here, and the last word about somebody counts.

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::{
    ids::{DestinationNum, RoomNum, UserNum},
    locality::Destination,
};
use parking_lot::Mutex;
use ruma::ServerName;
use tokio::sync::Notify;

use super::resting::Resting;

/// Words about typing that wait to be heard; and people whose presence changed. What comes beyond is dropped: it passes anyway.
const PASSING: usize = 10_000;

/// What was rung for since the last time it was heard.
#[derive(Debug, Default)]
pub struct Rung {
    /// Rooms in which something is to be told.
    pub rooms: BTreeSet<RoomNum>,
    /// Rooms in which somebody has read something.
    pub read: BTreeSet<RoomNum>,
    /// Destinations for which there is something.
    pub destinations: BTreeSet<DestinationNum>,
    /// Destinations that rest and are to be tried, and whether at once: the operator wants it. Others were heard from.
    pub awake: BTreeMap<DestinationNum, bool>,
    /// Who began to type, or ceased.
    pub typing: BTreeMap<(RoomNum, UserNum), bool>,
    /// Whose presence changed.
    pub presence: BTreeSet<UserNum>,
    /// Whose devices or keys changed.
    pub devices: BTreeSet<UserNum>,
}

impl Rung {
    fn is_empty(&self) -> bool {
        self.rooms.is_empty()
            && self.read.is_empty()
            && self.destinations.is_empty()
            && self.awake.is_empty()
            && self.typing.is_empty()
            && self.presence.is_empty()
            && self.devices.is_empty()
    }
}

/// The bell. Ringing it costs the same however many destinations a room has.
#[derive(Debug, Default)]
pub struct OutboundBell {
    rung: Mutex<Rung>,
    notify: Notify,
    pub(super) resting: Resting,
}

impl OutboundBell {
    fn ring(&self, note: impl FnOnce(&mut Rung)) {
        note(&mut self.rung.lock());
        self.notify.notify_one();
    }

    /// Something of a room is to be told.
    pub fn room(&self, room_num: RoomNum) {
        self.ring(|rung| {
            rung.rooms.insert(room_num);
        });
    }

    /// Somebody has read something in a room of others, too.
    pub fn read(&self, room_num: RoomNum) {
        self.ring(|rung| {
            rung.read.insert(room_num);
        });
    }

    /// There is something for a destination.
    pub fn destination(&self, destination_num: DestinationNum) {
        self.ring(|rung| {
            rung.destinations.insert(destination_num);
        });
    }

    /// A destination that rests is to be tried: at once, or, because it was heard from, soon.
    pub fn awake(&self, destination_num: DestinationNum, at_once: bool) {
        self.ring(|rung| *rung.awake.entry(destination_num).or_default() |= at_once);
    }

    /// A server has shown that it is there: if it was left alone because it was not reached, it is tried soon. Costs nothing while none is left
    /// alone.
    pub fn heard_from(&self, server_name: &ServerName) {
        if self.resting.is_empty() {
            return;
        }
        if let Some(destination_num) = self.resting.remove(&Destination::of_peer(server_name)) {
            self.awake(destination_num, false);
        }
    }

    /// Somebody began to type in a room of others, too, or ceased.
    pub fn typing(&self, room_num: RoomNum, user_num: UserNum, typing: bool) {
        self.ring(|rung| {
            if rung.typing.len() < PASSING || rung.typing.contains_key(&(room_num, user_num)) {
                rung.typing.insert((room_num, user_num), typing);
            }
        });
    }

    /// The presence of people changed.
    pub fn presence(&self, users: impl IntoIterator<Item = UserNum>) {
        let mut users = users.into_iter().peekable();
        if users.peek().is_none() {
            return;
        }
        self.ring(|rung| {
            for user_num in users {
                if rung.presence.len() < PASSING {
                    rung.presence.insert(user_num);
                }
            }
        });
    }

    /// Somebody's devices or keys changed.
    pub fn devices(&self, user_num: UserNum) {
        self.ring(|rung| {
            rung.devices.insert(user_num);
        });
    }

    /// Waits until it rings, and takes what it rang for.
    pub async fn heard(&self) -> Rung {
        loop {
            let waiting = self.notify.notified();
            let rung = std::mem::take(&mut *self.rung.lock());
            if !rung.is_empty() {
                return rung;
            }
            waiting.await;
        }
    }
}
