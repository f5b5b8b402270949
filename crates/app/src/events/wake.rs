//! Waking who waits. A wake-up carries no fact: whoever is woken reads the database, or what memory holds of it.
//!
//! A parked `/sync` costs one entry here. Sending walks the smaller of the two: the users who are parked, or the members of the room.

use std::{collections::HashMap, sync::Arc};

use domicile_core::ids::UserNum;
use parking_lot::RwLock;
use tokio::sync::Notify;

struct Parked {
    notify: Arc<Notify>,
    count: usize,
}

/// The users who wait, and how to wake them.
#[derive(Default)]
pub struct Wakers {
    parked: RwLock<HashMap<UserNum, Parked>>,
}

/// A place among the waiting. Dropping it leaves.
pub struct Waiting {
    wakers: Arc<Wakers>,
    user_num: UserNum,
    notify: Arc<Notify>,
}

impl Wakers {
    /// Takes a place for a user. Whatever happens from now on wakes [`Waiting::woken`], also before it is awaited.
    pub fn park(self: &Arc<Self>, user_num: UserNum) -> Waiting {
        let mut parked = self.parked.write();
        let entry = parked.entry(user_num).or_insert_with(|| Parked { notify: Arc::new(Notify::new()), count: 0 });
        entry.count += 1;
        Waiting { wakers: Arc::clone(self), user_num, notify: Arc::clone(&entry.notify) }
    }

    /// Wakes a user's waiting requests.
    pub fn wake(&self, user_num: UserNum) {
        if let Some(parked) = self.parked.read().get(&user_num) {
            parked.notify.notify_waiters();
        }
    }

    /// Wakes those of `count` users who wait: `each` visits all of them, `contains` tells whether one is among them.
    pub fn wake_members(
        &self,
        count: usize,
        each: impl FnOnce(&mut dyn FnMut(UserNum)),
        contains: impl Fn(UserNum) -> bool,
    ) {
        let parked = self.parked.read();
        if parked.is_empty() {
            return;
        }
        if parked.len() <= count {
            for (user_num, entry) in parked.iter() {
                if contains(*user_num) {
                    entry.notify.notify_waiters();
                }
            }
        } else {
            each(&mut |user_num| {
                if let Some(entry) = parked.get(&user_num) {
                    entry.notify.notify_waiters();
                }
            });
        }
    }

    /// Wakes everybody: the server is stopping.
    pub fn wake_all(&self) {
        for entry in self.parked.read().values() {
            entry.notify.notify_waiters();
        }
    }

    /// How many users wait.
    pub fn len(&self) -> usize {
        self.parked.read().len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Waiting {
    /// A future that ends at the next wake-up after this call, even if it is polled late.
    pub fn woken(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut parked = self.wakers.parked.write();
        if let Some(entry) = parked.get_mut(&self.user_num) {
            entry.count -= 1;
            if entry.count == 0 {
                parked.remove(&self.user_num);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wake_up_before_the_wait_is_not_lost() {
        let wakers = Arc::new(Wakers::default());
        let waiting = wakers.park(UserNum(1));
        let woken = waiting.woken();
        wakers.wake_members(3, |visit| (1..=3).for_each(|num| visit(UserNum(num))), |num| num.0 <= 3);
        tokio::time::timeout(std::time::Duration::from_secs(1), woken).await.unwrap();
        drop(waiting);
        assert!(wakers.is_empty());
    }
}
