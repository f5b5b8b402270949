//! Waking who waits. A wake-up carries no fact: whoever is woken reads the database, or what memory holds of it.
//!
//! A parked `/sync` costs one entry here. Sending walks the smaller of the two: the users who are parked, or the members of the room.
//!
//! An entry stays for a while after its user has their answer, and counts the wake-ups. A client that comes back with the token of that answer, and
//! whose user nobody woke meanwhile, has nothing to read and waits at once ([`Waiting::has_news_since`]). Whoever writes wakes after the commit,
//! so a token of a snapshot that was taken after the count was read misses nothing.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
};

use domicile_core::{clock::Clock, ids::UserNum};
use parking_lot::{Mutex, RwLock};
use smallvec::SmallVec;
use tokio::sync::Notify;

use crate::sync::SyncToken;

/// How long an entry stays after nobody waits any more, in milliseconds: clients come back within moments, or not for long.
const LINGER_MS: i64 = 30_000;
/// Tokens of a user that are remembered: one for each device that syncs at the same time.
const TOKENS: usize = 4;

#[derive(Default)]
struct Entry {
    notify: Notify,
    waiting: AtomicUsize,
    /// How often the user was woken.
    wakes: AtomicU64,
    /// When the last one who waited left, in milliseconds since the epoch.
    left_ts: AtomicI64,
    /// Tokens after which nothing is new for as long as `wakes` is what stands beside them.
    quiet: Mutex<SmallVec<[(SyncToken, u64); 1]>>,
}

impl Entry {
    fn wake(&self) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        self.notify.notify_waiters();
    }
}

/// The users who wait, or did so a moment ago, and how to wake them.
pub struct Wakers {
    clock: Arc<dyn Clock>,
    entries: RwLock<HashMap<UserNum, Arc<Entry>>>,
    swept_ts: AtomicI64,
}

/// A place among the waiting. Dropping it leaves.
pub struct Waiting {
    clock: Arc<dyn Clock>,
    entry: Arc<Entry>,
}

impl Wakers {
    /// Nobody waits.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, entries: RwLock::default(), swept_ts: AtomicI64::new(0) }
    }

    /// Takes a place for a user. Whatever happens from now on wakes [`Waiting::woken`], also before it is awaited.
    pub fn park(&self, user_num: UserNum) -> Waiting {
        self.sweep();
        let place = |entry: &Arc<Entry>| {
            entry.waiting.fetch_add(1, Ordering::SeqCst);
            Waiting { clock: Arc::clone(&self.clock), entry: Arc::clone(entry) }
        };
        // Counted under the lock: the sweep takes no entry away in which somebody has a place.
        if let Some(entry) = self.entries.read().get(&user_num) {
            return place(entry);
        }
        place(self.entries.write().entry(user_num).or_default())
    }

    /// Takes away the entries of those who did not come back; looks once a second at most.
    fn sweep(&self) {
        let now = self.clock.now_ms();
        let last = self.swept_ts.load(Ordering::Relaxed);
        let due = now - last >= 1_000;
        if due && self.swept_ts.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let stays = |entry: &Entry| {
                entry.waiting.load(Ordering::SeqCst) > 0 || entry.left_ts.load(Ordering::Relaxed) + LINGER_MS > now
            };
            self.entries.write().retain(|_, entry| stays(entry));
        }
    }

    /// Wakes a user's waiting requests.
    pub fn wake(&self, user_num: UserNum) {
        if let Some(entry) = self.entries.read().get(&user_num) {
            entry.wake();
        }
    }

    /// Wakes those of `count` users who wait: `each` visits all of them, `contains` tells whether one is among them.
    pub fn wake_members(
        &self,
        count: usize,
        each: impl FnOnce(&mut dyn FnMut(UserNum)),
        contains: impl Fn(UserNum) -> bool,
    ) {
        let entries = self.entries.read();
        if entries.is_empty() {
            return;
        }
        if entries.len() <= count {
            for (_, entry) in entries.iter().filter(|(user_num, _)| contains(**user_num)) {
                entry.wake();
            }
        } else {
            each(&mut |user_num| {
                if let Some(entry) = entries.get(&user_num) {
                    entry.wake();
                }
            });
        }
    }

    /// How many users wait, or did so a moment ago.
    pub fn len(&self) -> usize {
        self.entries.read().len()
    }

    /// Whether nobody waits, or did so a moment ago.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Waiting {
    /// A future that ends at the next wake-up after this call, even if it is polled late.
    pub fn woken(&self) -> tokio::sync::futures::Notified<'_> {
        self.entry.notify.notified()
    }

    /// How often the user was woken. To be read before the snapshot for whose token it stands in [`Self::note_quiet`].
    pub fn wakes(&self) -> u64 {
        self.entry.wakes.load(Ordering::SeqCst)
    }

    /// Notes that a snapshot, taken after `wakes` was read, had nothing more for the user than what `token` stands for.
    pub fn note_quiet(&self, token: SyncToken, wakes: u64) {
        let mut quiet = self.entry.quiet.lock();
        quiet.retain(|(known, _)| *known != token);
        if quiet.len() >= TOKENS {
            quiet.remove(0);
        }
        quiet.push((token, wakes));
    }

    /// Whether there may be something after `token`. If not, there is nothing to read before the next wake-up.
    pub fn has_news_since(&self, token: SyncToken) -> bool {
        let wakes = self.wakes();
        !self.entry.quiet.lock().contains(&(token, wakes))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.entry.left_ts.store(self.clock.now_ms(), Ordering::Relaxed);
        self.entry.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use domicile_core::{clock::ManualClock, ids::Position};

    use super::*;

    fn wakers() -> (Arc<ManualClock>, Wakers) {
        let clock = Arc::new(ManualClock::at(1_000_000));
        (Arc::clone(&clock), Wakers::new(clock))
    }

    #[tokio::test]
    async fn a_wake_up_before_the_wait_is_not_lost() {
        let (_, wakers) = wakers();
        let waiting = wakers.park(UserNum(1));
        let woken = waiting.woken();
        wakers.wake_members(3, |visit| (1..=3).for_each(|num| visit(UserNum(num))), |num| num.0 <= 3);
        tokio::time::timeout(std::time::Duration::from_secs(1), woken).await.unwrap();
    }

    #[test]
    fn who_comes_back_with_the_last_token_has_news_only_if_woken() {
        let (_, wakers) = wakers();
        let token = |position| SyncToken { position: Position(position), ..SyncToken::default() };
        let waiting = wakers.park(UserNum(1));
        assert!(waiting.has_news_since(token(5)));
        waiting.note_quiet(token(5), waiting.wakes());
        drop(waiting);
        let again = wakers.park(UserNum(1));
        assert!(!again.has_news_since(token(5)));
        assert!(again.has_news_since(token(4)));
        drop(again);
        wakers.wake(UserNum(2));
        assert!(!wakers.park(UserNum(1)).has_news_since(token(5)));
        wakers.wake(UserNum(1));
        assert!(wakers.park(UserNum(1)).has_news_since(token(5)));
    }

    #[test]
    fn a_wake_up_between_the_count_and_the_note_is_news() {
        let (_, wakers) = wakers();
        let token = SyncToken { position: Position(5), ..SyncToken::default() };
        let waiting = wakers.park(UserNum(1));
        let wakes = waiting.wakes();
        wakers.wake(UserNum(1));
        waiting.note_quiet(token, wakes);
        assert!(waiting.has_news_since(token));
    }

    #[test]
    fn who_does_not_come_back_is_forgotten() {
        let (clock, wakers) = wakers();
        let held = wakers.park(UserNum(1));
        drop(wakers.park(UserNum(2)));
        clock.advance(LINGER_MS - 1);
        drop(wakers.park(UserNum(3)));
        assert_eq!(wakers.len(), 3);
        clock.advance(LINGER_MS);
        drop(wakers.park(UserNum(4)));
        assert_eq!(wakers.len(), 2);
        drop(held);
    }
}
