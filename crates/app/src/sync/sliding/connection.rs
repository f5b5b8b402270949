//! What connections were shown, in memory.

use std::{collections::VecDeque, sync::Arc};

use domicile_core::ids::{DeviceNum, Position, RoomNum};
use imbl::HashMap;
use parking_lot::Mutex;
use quick_cache::sync::Cache;

/// Connections that are remembered.
const CONNECTIONS: usize = 20_000;
/// Answers of a connection that can be asked for once more, as their request may have been repeated.
const ANSWERS: usize = 3;

/// A device and the name of its connection.
pub(super) type Key = (DeviceNum, String);

/// What was shown of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Everything up to here.
    pub(super) position: Position,
    /// A hash of the state that was asked for.
    pub(super) required: u64,
}

/// What was shown on a connection. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    /// Everything outside of rooms up to here.
    pub(super) position: Option<Position>,
    /// Typing up to here.
    pub(super) typing: u64,
    /// Rooms.
    pub(super) rooms: HashMap<RoomNum, Shown>,
}

#[derive(Default)]
struct Answers {
    next: u64,
    kept: VecDeque<(u64, Connection)>,
}

/// The connections.
pub(super) struct Connections {
    known: Cache<Key, Arc<Mutex<Answers>>>,
}

impl Default for Connections {
    fn default() -> Self {
        Self { known: Cache::new(CONNECTIONS) }
    }
}

impl Connections {
    /// The connection as it was after the answer that had `pos`.
    pub(super) fn at(&self, key: &Key, pos: &str) -> Option<Connection> {
        let pos: u64 = pos.parse().ok()?;
        let answers = self.known.get(key)?;
        let answers = answers.lock();
        answers.kept.iter().find(|(known, _)| *known == pos).map(|(_, connection)| connection.clone())
    }

    /// Keeps a connection as it is after an answer, and gives that answer's `pos`.
    pub(super) fn keep(&self, key: Key, connection: Connection) -> String {
        let answers = self.known.get(&key).unwrap_or_else(|| {
            let answers = Arc::new(Mutex::new(Answers::default()));
            self.known.insert(key, Arc::clone(&answers));
            answers
        });
        let mut answers = answers.lock();
        answers.next += 1;
        let pos = answers.next;
        answers.kept.push_back((pos, connection));
        while answers.kept.len() > ANSWERS {
            answers.kept.pop_front();
        }
        pos.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answers_can_be_asked_for_again() {
        let connections = Connections::default();
        let key = (DeviceNum(1), "main".to_owned());
        let with = |position| Connection { position: Some(Position(position)), ..Connection::default() };
        let poss: Vec<String> = (1..=5).map(|position| connections.keep(key.clone(), with(position))).collect();
        assert_eq!(connections.at(&key, &poss[4]).unwrap().position, Some(Position(5)));
        assert_eq!(connections.at(&key, &poss[2]).unwrap().position, Some(Position(3)));
        assert!(connections.at(&key, &poss[0]).is_none());
        assert!(connections.at(&(DeviceNum(2), "main".to_owned()), &poss[4]).is_none());
        assert!(connections.at(&key, "nonsense").is_none());
    }
}
