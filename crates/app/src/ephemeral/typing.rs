//! Who is typing, in memory only.
//!
//! Every change has a number; a `/sync` that has seen less than a room's number gets the room's list again. The numbers begin anew with the
//! process, so they carry its birth in them: a token of an older process has seen nothing.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domicile_core::{
    clock::Clock,
    ids::{RoomNum, UserNum},
};
use parking_lot::Mutex;
use ruma::{RoomId, UserId};

use crate::{
    Result,
    accounts::Session,
    error::forbidden,
    events::wake::Wakers,
    federation::OutboundBell,
    rooms::{Room, Rooms},
};

/// Longest time that one request lets a user type, in milliseconds.
pub const LONGEST_MS: i64 = 120_000;
/// How long another server is believed that a user types, if it says nothing more, in milliseconds.
const ELSEWHERE_MS: i64 = 60_000;

/// How often other servers are told again that somebody still types, in milliseconds.
const TELL_AGAIN_MS: i64 = 20_000;

#[derive(Default)]
struct RoomTyping {
    /// Who types, until when.
    users: HashMap<UserNum, i64>,
    /// Who stopped without saying so, and was not given by [`Typing::expire`] yet.
    ended: Vec<UserNum>,
    changed: u64,
}

impl RoomTyping {
    /// Ends what has run out; whether there was any.
    fn end(&mut self, now: i64) -> bool {
        let before = self.ended.len();
        self.ended.extend(self.users.extract_if(|_, until| *until <= now).map(|(user_num, _)| user_num));
        self.ended.len() > before
    }
}

/// Who is typing where.
pub struct Typing {
    clock: Arc<dyn Clock>,
    rooms: Mutex<(HashMap<RoomNum, RoomTyping>, u64)>,
}

impl Typing {
    /// Nobody types yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let birth = u64::try_from(clock.now_ms()).unwrap_or_default() << 8;
        Self { clock, rooms: Mutex::new((HashMap::new(), birth)) }
    }

    /// The number of the last change.
    pub fn head(&self) -> u64 {
        self.rooms.lock().1
    }

    /// Notes that a user types for `timeout_ms` milliseconds, or, without it, no longer. Tells whether that is new to others.
    pub fn set(&self, room_num: RoomNum, user_num: UserNum, timeout_ms: Option<i64>) -> bool {
        let now = self.clock.now_ms();
        let mut guard = self.rooms.lock();
        let (rooms, head) = &mut *guard;
        let room = rooms.entry(room_num).or_default();
        room.ended.retain(|ended| *ended != user_num);
        let changed = match timeout_ms {
            Some(timeout_ms) => room.users.insert(user_num, now + timeout_ms.clamp(0, LONGEST_MS)).is_none(),
            None => room.users.remove(&user_num).is_some(),
        };
        if changed {
            *head += 1;
            room.changed = *head;
        }
        changed
    }

    /// The users who type in a room, if that changed after `since`.
    pub fn changed(&self, room_num: RoomNum, since: u64) -> Option<Vec<UserNum>> {
        let now = self.clock.now_ms();
        let mut guard = self.rooms.lock();
        let (rooms, head) = &mut *guard;
        let room = rooms.get_mut(&room_num)?;
        if room.end(now) {
            *head += 1;
            room.changed = *head;
        }
        (room.changed > since).then(|| room.users.keys().copied().collect())
    }

    /// The rooms in which anything changed after `since`.
    pub fn changed_rooms(&self, since: u64) -> Vec<RoomNum> {
        let guard = self.rooms.lock();
        guard.0.iter().filter(|(_, room)| room.changed > since).map(|(room_num, _)| *room_num).collect()
    }

    /// Ends what has run out, and gives the rooms where somebody stopped without saying so, with those who did.
    pub fn expire(&self) -> Vec<(RoomNum, Vec<UserNum>)> {
        let now = self.clock.now_ms();
        let mut guard = self.rooms.lock();
        let (rooms, head) = &mut *guard;
        let mut stopped = Vec::new();
        for (room_num, room) in rooms.iter_mut() {
            if room.end(now) {
                *head += 1;
                room.changed = *head;
            }
            if !room.ended.is_empty() {
                stopped.push((*room_num, std::mem::take(&mut room.ended)));
            }
        }
        stopped
    }
}

/// Typing as clients tell it.
pub struct TypingNotices {
    clock: Arc<dyn Clock>,
    typing: Arc<Typing>,
    rooms: Arc<Rooms>,
    wakers: Arc<Wakers>,
    outbound: Arc<OutboundBell>,
    /// When other servers were last told that somebody types.
    told: Mutex<HashMap<(RoomNum, UserNum), i64>>,
}

impl TypingNotices {
    /// Over who types, the rooms and who waits, here and elsewhere.
    pub fn new(
        clock: Arc<dyn Clock>,
        typing: Arc<Typing>,
        rooms: Arc<Rooms>,
        wakers: Arc<Wakers>,
        outbound: Arc<OutboundBell>,
    ) -> Self {
        Self { clock, typing, rooms, wakers, outbound, told: Mutex::default() }
    }

    /// Notes that the user types for a while, or no longer.
    pub async fn set(&self, by: &Session, room_id: &RoomId, user_id: &UserId, timeout: Option<Duration>) -> Result<()> {
        if *user_id != by.user_id {
            return Err(forbidden("You can tell of your own typing only."));
        }
        let room = self.rooms.get(room_id).await?;
        if !room.view().is_joined(by.user_num) {
            return Err(forbidden("You are not in this room."));
        }
        let timeout_ms = timeout.map(|timeout| i64::try_from(timeout.as_millis()).unwrap_or(LONGEST_MS));
        if self.typing.set(room.info.room_num, by.user_num, timeout_ms) {
            self.wake(&room);
        }
        self.tell(&room, by.user_num, timeout_ms.is_some());
        Ok(())
    }

    /// Notes what another server says of the typing of a user of its own, who is in the room.
    pub fn hear(&self, room: &Room, user_num: UserNum, types: bool) {
        if self.typing.set(room.info.room_num, user_num, types.then_some(ELSEWHERE_MS)) {
            self.wake(room);
        }
    }

    fn wake(&self, room: &Room) {
        let view = room.view();
        self.wakers.wake_members(
            view.joined,
            |visit| view.joined_members().for_each(visit),
            |user_num| view.is_joined(user_num),
        );
    }

    /// Tells other servers in the room what they do not know, or may have forgotten: each server lets typing end by itself after a while.
    fn tell(&self, room: &Room, user_num: UserNum, typing: bool) {
        if room.view().destinations.is_empty() {
            return;
        }
        let key = (room.info.room_num, user_num);
        let now = self.clock.now_ms();
        let news = {
            let mut told = self.told.lock();
            match told.get(&key) {
                Some(told_ms) if typing && told_ms + TELL_AGAIN_MS > now => false,
                _ if typing => {
                    told.insert(key, now);
                    true
                }
                _ => told.remove(&key).is_some(),
            }
        };
        if news {
            self.outbound.typing(room.info.room_num, user_num, typing);
        }
    }

    /// Ends what has run out and tells who waits for it. To be called about once a second.
    pub fn expire(&self) {
        for (room_num, ended) in self.typing.expire() {
            if let Some(room) = self.rooms.in_memory(room_num) {
                self.wake(&room);
                for user_num in ended {
                    self.tell(&room, user_num, false);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domicile_core::clock::ManualClock;

    use super::*;

    #[test]
    fn typing_ends_by_itself() {
        let clock = Arc::new(ManualClock::at(1_000));
        let typing = Typing::new(Arc::clone(&clock) as Arc<dyn Clock>);
        let start = typing.head();
        assert!(typing.set(RoomNum(1), UserNum(7), Some(5_000)));
        assert!(!typing.set(RoomNum(1), UserNum(7), Some(5_000)));
        assert_eq!(typing.changed(RoomNum(1), start), Some(vec![UserNum(7)]));
        let seen = typing.head();
        assert_eq!(typing.changed(RoomNum(1), seen), None);
        clock.advance(6_000);
        assert_eq!(typing.changed(RoomNum(1), seen), Some(vec![]));
        assert_eq!(typing.expire(), vec![(RoomNum(1), vec![UserNum(7)])]);
        assert_eq!(typing.changed(RoomNum(1), seen), Some(vec![]));
    }
}
