//! Typing and presence that wait for their destinations: never on disk, bounded, and only the last word about somebody.

use std::collections::{BTreeMap, HashMap};

use domicile_core::ids::{DestinationNum, RoomNum, UserNum};
use parking_lot::Mutex;

/// Words about typing that wait for one destination, and about presence. What comes beyond is dropped.
const TYPING: usize = 200;
const PRESENCE: usize = 500;

/// What passes, for one destination.
#[derive(Debug, Default)]
pub(super) struct Passing {
    /// Who began to type, or ceased.
    pub(super) typing: BTreeMap<(RoomNum, UserNum), bool>,
    /// Whose presence changed. How they are is looked up when it is told.
    pub(super) presence: Vec<UserNum>,
}

/// What passes, by destination.
#[derive(Default)]
pub(super) struct Buffer {
    by_destination: Mutex<HashMap<DestinationNum, Passing>>,
}

impl Buffer {
    pub(super) fn typing(&self, destination_num: DestinationNum, room_num: RoomNum, user_num: UserNum, typing: bool) {
        let mut buffer = self.by_destination.lock();
        let passing = buffer.entry(destination_num).or_default();
        if passing.typing.len() < TYPING || passing.typing.contains_key(&(room_num, user_num)) {
            passing.typing.insert((room_num, user_num), typing);
        }
    }

    pub(super) fn presence(&self, destination_num: DestinationNum, user_num: UserNum) {
        let mut buffer = self.by_destination.lock();
        let passing = buffer.entry(destination_num).or_default();
        if passing.presence.len() < PRESENCE && !passing.presence.contains(&user_num) {
            passing.presence.push(user_num);
        }
    }

    /// What waits for a destination, which then waits no more.
    pub(super) fn take(&self, destination_num: DestinationNum) -> Passing {
        self.by_destination.lock().remove(&destination_num).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_and_there_are_not_too_many() {
        let (buffer, there) = (Buffer::default(), DestinationNum(1));
        for number in 0..1_000 {
            buffer.typing(there, RoomNum(number), UserNum(1), true);
            buffer.presence(there, UserNum(number));
        }
        buffer.typing(there, RoomNum(0), UserNum(1), false);
        buffer.presence(there, UserNum(0));
        assert!(buffer.take(DestinationNum(2)).typing.is_empty());
        let passing = buffer.take(there);
        assert_eq!((passing.typing.len(), passing.presence.len()), (TYPING, PRESENCE));
        assert!(!passing.typing[&(RoomNum(0), UserNum(1))]);
        assert!(buffer.take(there).presence.is_empty());
    }
}
