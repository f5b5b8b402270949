//! Rooms with redactions that came before what they redact. Nearly no room has one, so that nothing is looked up for the events of the others.

use std::collections::HashSet;

use domicile_core::ids::RoomNum;
use parking_lot::Mutex;

/// Those rooms, as far as they are known.
#[derive(Debug, Default)]
pub struct EarlyRedactions(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    rooms: HashSet<RoomNum>,
    /// Whether those that are on disk are among them.
    is_whole: bool,
}

impl EarlyRedactions {
    /// Notes that a room gets one, before it is written. A room stays noted until the next start.
    pub fn note(&self, room_num: RoomNum) {
        self.0.lock().rooms.insert(room_num);
    }

    /// Notes the rooms that have one on disk.
    pub fn learn(&self, rooms: impl IntoIterator<Item = RoomNum>) {
        let mut known = self.0.lock();
        known.rooms.extend(rooms);
        known.is_whole = true;
    }

    /// Whether those that are on disk are known.
    pub fn is_whole(&self) -> bool {
        self.0.lock().is_whole
    }

    /// Whether a room has none, as far as can be told without the disk.
    pub fn has_none(&self, room_num: RoomNum) -> bool {
        let known = self.0.lock();
        known.is_whole && !known.rooms.contains(&room_num)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_has_none_only_when_the_disk_was_asked() {
        let early = EarlyRedactions::default();
        assert!(!early.has_none(RoomNum(1)));
        // Noted while the disk is asked, which does not know it yet.
        early.note(RoomNum(2));
        assert!(!early.is_whole());
        early.learn([RoomNum(3)]);
        assert!(early.is_whole() && early.has_none(RoomNum(1)));
        assert!(!early.has_none(RoomNum(2)) && !early.has_none(RoomNum(3)));
        early.note(RoomNum(1));
        assert!(!early.has_none(RoomNum(1)));
    }
}
