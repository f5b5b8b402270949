//! The bell that tells the delivery of notifications that something may be new, and whose pushers there are.
//!
//! Sending rings for the room: one entry in a set, whatever the room's size, and nothing at all while there is no pusher. Who of the room has a
//! pusher is found out by whoever hears the bell. A ring carries no fact and may be lost: each pusher has its own place in the stream.

use std::{
    collections::{HashMap, HashSet},
    sync::atomic::{AtomicUsize, Ordering},
};

use domicile_core::ids::{RoomNum, UserNum};
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::sync::Notify;

#[derive(Default)]
struct Inner {
    pushers: HashMap<UserNum, SmallVec<[i64; 2]>>,
    rooms: HashSet<RoomNum>,
    users: HashSet<UserNum>,
}

/// The bell.
#[derive(Default)]
pub struct PushBell {
    inner: Mutex<Inner>,
    /// Users who have a pusher.
    count: AtomicUsize,
    rung: Notify,
}

/// For what it was rung.
#[derive(Debug, Default)]
pub struct Rings {
    /// Rooms with new events.
    pub rooms: HashSet<RoomNum>,
    /// Users whose counts may have changed, or whose pushers did.
    pub users: HashSet<UserNum>,
}

impl PushBell {
    /// Something new in a room may notify somebody.
    pub fn room(&self, room_num: RoomNum) {
        if self.count.load(Ordering::Relaxed) > 0 {
            self.inner.lock().rooms.insert(room_num);
            self.rung.notify_one();
        }
    }

    /// A user has read something.
    pub fn user(&self, user_num: UserNum) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut inner = self.inner.lock();
        if inner.pushers.contains_key(&user_num) {
            inner.users.insert(user_num);
            self.rung.notify_one();
        }
    }

    /// A user has a pusher.
    pub fn add(&self, user_num: UserNum, pusher_num: i64) {
        let mut inner = self.inner.lock();
        let pushers = inner.pushers.entry(user_num).or_default();
        if !pushers.contains(&pusher_num) {
            pushers.push(pusher_num);
        }
        inner.users.insert(user_num);
        self.count.store(inner.pushers.len(), Ordering::Relaxed);
        self.rung.notify_one();
    }

    /// A user has a pusher no longer.
    pub fn remove(&self, user_num: UserNum, pusher_num: i64) {
        let mut inner = self.inner.lock();
        if let Some(pushers) = inner.pushers.get_mut(&user_num) {
            pushers.retain(|known| *known != pusher_num);
            if pushers.is_empty() {
                inner.pushers.remove(&user_num);
            }
        }
        self.count.store(inner.pushers.len(), Ordering::Relaxed);
    }

    /// Ends when it is rung. One who listens is enough.
    pub async fn rung(&self) {
        self.rung.notified().await;
    }

    /// For what it was rung since the last call.
    pub fn take(&self) -> Rings {
        let mut inner = self.inner.lock();
        Rings { rooms: std::mem::take(&mut inner.rooms), users: std::mem::take(&mut inner.users) }
    }

    /// A user's pushers.
    pub fn pushers(&self, user_num: UserNum) -> SmallVec<[i64; 2]> {
        self.inner.lock().pushers.get(&user_num).cloned().unwrap_or_default()
    }

    /// Those of `count` members who have a pusher. The fewer are looked at: the members, or all who have one.
    pub fn among<I: Iterator<Item = UserNum>>(
        &self,
        count: usize,
        each: impl FnOnce() -> I,
        contains: impl Fn(UserNum) -> bool,
    ) -> Vec<UserNum> {
        let inner = self.inner.lock();
        if inner.pushers.len() < count {
            inner.pushers.keys().copied().filter(|user_num| contains(*user_num)).collect()
        } else {
            each().filter(|user_num| inner.pushers.contains_key(user_num)).collect()
        }
    }
}
