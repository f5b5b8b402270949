//! Who is online, in memory only: devices come and go, a queue of deadlines says when somebody falls idle or is gone.
//!
//! Every change that others can see has a number, which a `/sync` token holds, as with typing. Only the last change of each user is kept. The
//! numbers begin with the process's birth, so a token of an older process has seen nothing.
//!
//! Beside each person stand the rooms that they are in, so that it costs no query to tell whether two of them share one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use domicile_core::{
    clock::Clock,
    ids::{DeviceNum, RoomNum, UserNum},
};
use parking_lot::Mutex;
use ruma::presence::PresenceState;

use super::person::{ELSEWHERE, FORGET_MS, GRACE_MS, HEARD_MS, Person, Shown, TOLD_MS, share};

/// A change that others can see.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its number.
    pub number: u64,
    /// Whose.
    pub user_num: UserNum,
    /// How they are now.
    pub shown: Shown,
}

/// Where a reader stands who is about to take a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// The number of the last change.
    pub number: u64,
    /// The number of the last coming or going.
    moves: u64,
}

/// What is new for somebody.
#[derive(Debug, Default)]
pub struct Changes {
    /// Changes of their own, and of those who share a room with them.
    pub shared: Vec<Change>,
    /// Changes of those of whom it is not known where they are.
    pub unknown: Vec<Change>,
    /// These are all up to here.
    pub upto: u64,
}

#[derive(Default)]
struct Inner {
    people: HashMap<UserNum, Person>,
    /// The last change of each, in the order of the changes.
    changes: BTreeMap<u64, UserNum>,
    head: u64,
    moves: u64,
    due: BTreeSet<(i64, UserNum)>,
    /// Who changed since the last time that those who wait were woken.
    fresh: HashSet<UserNum>,
}

/// Who is online.
pub struct Presence {
    clock: Arc<dyn Clock>,
    enabled: bool,
    inner: Mutex<Inner>,
}

/// A device that syncs. Dropping it starts the device's grace.
pub struct Connected {
    board: Option<Arc<Presence>>,
    user_num: UserNum,
    device_num: DeviceNum,
}

impl Drop for Connected {
    fn drop(&mut self) {
        if let Some(board) = &self.board {
            board.disconnect(self.user_num, self.device_num);
        }
    }
}

impl Inner {
    /// Somebody, known before or not.
    fn person(&mut self, user_num: UserNum, now_ms: i64) -> &mut Person {
        let Self { people, moves, .. } = self;
        people.entry(user_num).or_insert_with(|| {
            // What was read before this moment may not know where they went while nobody took note.
            *moves += 1;
            Person::new(now_ms, *moves)
        })
    }

    /// Works out how somebody is now, and numbers it if others see a difference.
    fn settle(&mut self, user_num: UserNum, now_ms: i64, status_changed: bool) {
        let Some(person) = self.people.get_mut(&user_num) else { return };
        let state = person.state_at(now_ms);
        let differs = state != person.state || status_changed;
        person.state = state;
        if let Some(due_ms) = person.next_deadline(now_ms)
            && person.due_ms.is_none_or(|known| known > due_ms)
        {
            if let Some(known) = person.due_ms.replace(due_ms) {
                self.due.remove(&(known, user_num));
            }
            self.due.insert((due_ms, user_num));
        }
        if differs {
            self.renumber(user_num, now_ms);
        }
    }

    fn renumber(&mut self, user_num: UserNum, now_ms: i64) {
        let Some(person) = self.people.get_mut(&user_num) else { return };
        self.head += 1;
        self.changes.remove(&person.changed);
        self.changes.insert(self.head, user_num);
        person.changed = self.head;
        person.changed_ms = now_ms;
        self.fresh.insert(user_num);
    }

    fn forget(&mut self, user_num: UserNum) {
        if let Some(person) = self.people.remove(&user_num) {
            self.changes.remove(&person.changed);
        }
    }
}

impl Presence {
    /// Nobody is online yet. With `enabled` false nobody ever is.
    pub fn new(clock: Arc<dyn Clock>, enabled: bool) -> Self {
        let head = u64::try_from(clock.now_ms()).unwrap_or_default() << 8;
        Self { clock, enabled, inner: Mutex::new(Inner { head, ..Inner::default() }) }
    }

    /// Whether presence is shown at all.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Where whoever takes a snapshot next stands.
    pub fn head(&self) -> Seen {
        let inner = self.inner.lock();
        Seen { number: inner.head, moves: inner.moves }
    }

    /// Somebody came into a room, or left one.
    pub fn moved(&self, user_num: UserNum) {
        let mut inner = self.inner.lock();
        inner.moves += 1;
        let moves = inner.moves;
        if let Some(person) = inner.people.get_mut(&user_num) {
            (person.rooms, person.moved) = (None, moves);
        }
    }

    /// Notes in which rooms people are, as a snapshot has it that was taken after `seen`. Who has moved since is left out.
    pub fn learn(&self, rooms: impl IntoIterator<Item = (UserNum, Vec<RoomNum>)>, seen: Seen) {
        let mut inner = self.inner.lock();
        for (user_num, mut rooms) in rooms {
            if let Some(person) = inner.people.get_mut(&user_num).filter(|person| person.moved <= seen.moves) {
                rooms.sort_unstable();
                person.rooms = Some(rooms.into());
            }
        }
    }

    /// A device begins a `/sync` and wishes to be seen so. Hold what it gives for as long as the `/sync` lasts.
    pub fn connect(self: &Arc<Self>, user_num: UserNum, device_num: DeviceNum, wish: &PresenceState) -> Connected {
        let counts = self.enabled && matches!(wish, PresenceState::Online | PresenceState::Unavailable);
        if counts {
            let now_ms = self.clock.now_ms();
            let mut inner = self.inner.lock();
            let person = inner.person(user_num, now_ms);
            let device = person.device(device_num, now_ms);
            let was_there = device.is_there(now_ms) && device.wish == *wish;
            device.syncing += 1;
            // A device that goes on as before says nothing new: polling is no activity.
            if !was_there {
                (device.wish, device.wished_ms) = (wish.clone(), now_ms);
                if *wish == PresenceState::Online {
                    person.active_ms = now_ms;
                }
                inner.settle(user_num, now_ms, false);
            }
        }
        Connected { board: counts.then(|| Arc::clone(self)), user_num, device_num }
    }

    fn disconnect(&self, user_num: UserNum, device_num: DeviceNum) {
        let now_ms = self.clock.now_ms();
        let mut inner = self.inner.lock();
        let Some(person) = inner.people.get_mut(&user_num) else { return };
        let device = person.device(device_num, now_ms);
        device.syncing = device.syncing.saturating_sub(1);
        device.until_ms = now_ms + GRACE_MS;
        if person.due_ms.is_none_or(|due| due > now_ms + GRACE_MS) {
            inner.settle(user_num, now_ms, false);
        }
    }

    /// A device says how its user is, and what they say of themselves.
    pub fn set(&self, user_num: UserNum, device_num: DeviceNum, wish: PresenceState, status: Option<&str>) {
        if !self.enabled {
            return;
        }
        let now_ms = self.clock.now_ms();
        let mut inner = self.inner.lock();
        let person = inner.person(user_num, now_ms);
        let status_changed = person.status.as_deref() != status;
        if status_changed {
            person.status = status.map(Arc::from);
        }
        if wish == PresenceState::Online {
            person.active_ms = now_ms;
        }
        let device = person.device(device_num, now_ms);
        (device.wish, device.wished_ms) = (wish, now_ms);
        device.until_ms = device.until_ms.max(now_ms + TOLD_MS);
        inner.settle(user_num, now_ms, status_changed);
    }

    /// Another server says how a user of its own is, and for how many milliseconds they did nothing.
    pub fn hear(&self, user_num: UserNum, state: PresenceState, status: Option<&str>, idle_ms: i64) {
        if !self.enabled {
            return;
        }
        let now_ms = self.clock.now_ms();
        let mut inner = self.inner.lock();
        let person = inner.person(user_num, now_ms);
        let status_changed = person.status.as_deref() != status;
        if status_changed {
            person.status = status.map(Arc::from);
        }
        person.active_ms = now_ms.saturating_sub(idle_ms.max(0));
        let device = person.device(ELSEWHERE, now_ms);
        device.until_ms = if state == PresenceState::Offline { now_ms } else { now_ms + HEARD_MS };
        (device.wish, device.wished_ms) = (state, now_ms);
        inner.settle(user_num, now_ms, status_changed);
    }

    /// Notes that somebody did something. Whoever is not connected stays away.
    pub fn active(&self, user_num: UserNum) {
        if !self.enabled {
            return;
        }
        let now_ms = self.clock.now_ms();
        let mut inner = self.inner.lock();
        let Some(person) = inner.people.get_mut(&user_num) else { return };
        person.active_ms = now_ms;
        if person.state == PresenceState::Unavailable {
            inner.settle(user_num, now_ms, false);
        }
    }

    /// Shows somebody anew to all who see them: they came into a room.
    pub fn introduce(&self, user_num: UserNum) {
        let now_ms = self.clock.now_ms();
        self.inner.lock().renumber(user_num, now_ms);
    }

    /// How somebody is; none if nothing is known of them.
    pub fn of(&self, user_num: UserNum) -> Option<Shown> {
        let now_ms = self.clock.now_ms();
        self.inner.lock().people.get(&user_num).map(|person| person.shown(now_ms))
    }

    /// What is new for `reader` after `since` and up to `head`. At most `limit` changes of whomever are looked at, the oldest first.
    pub fn changes(&self, reader: UserNum, since: u64, head: u64, limit: usize) -> Changes {
        let mut found = Changes { upto: head, ..Changes::default() };
        if since >= head {
            return found;
        }
        let now_ms = self.clock.now_ms();
        let inner = self.inner.lock();
        let mine = inner.people.get(&reader).and_then(|person| person.rooms.as_deref());
        for (looked, (number, user_num)) in inner.changes.range(since + 1..=head).enumerate() {
            if looked == limit {
                found.upto = number - 1;
                break;
            }
            let Some(person) = inner.people.get(user_num) else { continue };
            let change = || Change { number: *number, user_num: *user_num, shown: person.shown(now_ms) };
            match (mine, &person.rooms) {
                _ if *user_num == reader => found.shared.push(change()),
                (Some(mine), Some(theirs)) if share(mine, theirs) => found.shared.push(change()),
                (Some(_), Some(_)) => {}
                _ => found.unknown.push(change()),
            }
        }
        found
    }

    /// Those of `count` members who are not away, at most `limit`. The fewer are looked at: the members, or those of whom anything is known.
    pub fn present<I: Iterator<Item = UserNum>>(
        &self,
        count: usize,
        each: impl FnOnce() -> I,
        contains: impl Fn(UserNum) -> bool,
        limit: usize,
    ) -> Vec<(UserNum, Shown)> {
        let now_ms = self.clock.now_ms();
        let inner = self.inner.lock();
        let is_there = |person: &&Person| person.state != PresenceState::Offline;
        if inner.people.len() < count {
            let known = inner.people.iter().filter(|(user_num, person)| is_there(person) && contains(**user_num));
            known.take(limit).map(|(user_num, person)| (*user_num, person.shown(now_ms))).collect()
        } else {
            let known = each().filter_map(|user_num| Some((user_num, inner.people.get(&user_num).filter(is_there)?)));
            known.take(limit).map(|(user_num, person)| (user_num, person.shown(now_ms))).collect()
        }
    }

    /// Does what time alone does: people fall idle, are gone, are forgotten.
    pub fn expire(&self) {
        let now_ms = self.clock.now_ms();
        let mut inner = self.inner.lock();
        while let Some((due_ms, user_num)) = inner.due.first().copied().filter(|(due_ms, _)| *due_ms <= now_ms) {
            inner.due.remove(&(due_ms, user_num));
            let Some(person) = inner.people.get_mut(&user_num) else { continue };
            person.due_ms = None;
            person.devices.retain(|device| device.is_there(now_ms));
            if person.devices.is_empty()
                && person.state == PresenceState::Offline
                && person.changed_ms + FORGET_MS <= now_ms
            {
                inner.forget(user_num);
            } else {
                inner.settle(user_num, now_ms, false);
            }
        }
    }

    /// Who changed since the last call.
    pub fn take_fresh(&self) -> HashSet<UserNum> {
        std::mem::take(&mut self.inner.lock().fresh)
    }
}

#[cfg(test)]
mod tests;
