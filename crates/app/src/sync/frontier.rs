//! What a client has been shown of its rooms whose owner came from another cell, and who brings a token of that cell: its places are none here, so
//! the old home tells with which events each room ended there, and what comes under these has been shown.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domicile_core::ids::{Position, UserNum};
use domicile_store::{Snapshot, table::arrivals};
use ruma::{EventId, OwnedEventId, OwnedRoomId, RoomId};
use serde::{Deserialize, Serialize};

use crate::{Error, Result, events::Stored, rooms::RoomView};

/// Last events of a room that are named one by one, for clients that have not been shown all of them, and of all of somebody's rooms together.
const NAMED: usize = 10;
const NAMED_IN_ALL: usize = 200;

/// With what a room ended in the cell that somebody has left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    /// The room.
    pub room_id: OwnedRoomId,
    /// Where its last event stood, or where they left it.
    pub last: i64,
    /// The ends of its graph; none of a room that they had left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ends: Vec<OwnedEventId>,
    /// Its last events and where they stood, the last one last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<(i64, OwnedEventId)>,
}

impl Frontier {
    /// Of a room as it is.
    pub fn of(room_id: &RoomId, view: &RoomView) -> Self {
        let skipped = view.recent.len().saturating_sub(NAMED);
        let named = view.recent.iter().skip(skipped);
        Self {
            room_id: room_id.to_owned(),
            last: view.last_position.0,
            ends: view.extremities.iter().map(|(_, id)| id.clone()).collect(),
            named: named.filter_map(|event| Some((event.position?.0, event.event_id().to_owned()))).collect(),
        }
    }

    /// Names the last events of all rooms together, and no older ones: so much goes along with somebody, however many rooms they are in.
    pub fn bound(frontiers: &mut [Self]) {
        let mut places: Vec<i64> = frontiers.iter().flat_map(|of| of.named.iter().map(|(place, _)| *place)).collect();
        if places.len() > NAMED_IN_ALL {
            let (_, first, _) = places.select_nth_unstable_by(NAMED_IN_ALL - 1, |one, other| other.cmp(one));
            let first = *first;
            for of in frontiers.iter_mut() {
                of.named.retain(|(place, _)| *place >= first);
            }
        }
    }

    /// Of a room that somebody had left.
    pub fn of_left(room_id: OwnedRoomId, left: Position) -> Self {
        Self { room_id, last: left.0, ends: Vec::new(), named: Vec::new() }
    }

    /// Which of a room's last events, each with those before it, a client has not been shown that had been shown all up to a place there; `ends` are what
    /// the room ends with here. Nothing if these events do not tell.
    fn unseen(
        &self,
        shown: Position,
        ends: &[OwnedEventId],
        recent: &[(&EventId, &[OwnedEventId])],
    ) -> Option<Vec<usize>> {
        let late: HashSet<&EventId> =
            self.named.iter().filter(|(place, _)| *place > shown.0).map(|(_, id)| &**id).collect();
        // Before the first of them there may be more.
        if self.last > shown.0 && late.len() == self.named.len() {
            return None;
        }
        let here: HashMap<&EventId, &[OwnedEventId]> = recent.iter().copied().collect();
        let mut under: HashSet<&EventId> = HashSet::new();
        let mut open: Vec<&EventId> = self.ends.iter().map(|id| &**id).collect();
        while let Some(id) = open.pop() {
            if under.insert(id)
                && let Some(before) = here.get(id)
            {
                open.extend(before.iter().map(|id| &**id));
            }
        }
        let is_known = |id: &EventId| under.contains(id) || here.contains_key(id);
        if !ends.iter().all(|id| is_known(id)) || !late.iter().all(|id| here.contains_key(id)) {
            return None;
        }
        let mut unseen = Vec::new();
        for (index, (id, before)) in recent.iter().enumerate() {
            let is_under = under.contains(id);
            if !is_under && !before.iter().all(|id| is_known(id)) {
                return None;
            }
            if !is_under || late.contains(id) {
                unseen.push(index);
            }
        }
        Some(unseen)
    }
}

/// What a client has not been shown of a room.
pub(super) struct Unseen {
    /// The events.
    pub(super) events: Vec<Arc<Stored>>,
    /// Whether they are the room's last events here, with nothing among them that it has been shown.
    pub(super) is_end: bool,
}

impl Unseen {
    /// After which place everything is unseen, if there is one.
    pub(super) fn from(&self) -> Option<Position> {
        let first = self.events.first().filter(|_| self.is_end)?.position?;
        Some(Position(first.0 - 1))
    }
}

/// What a client of somebody who came has been shown of their rooms.
pub(super) struct Frontiers {
    shown: Position,
    rooms: HashMap<OwnedRoomId, Frontier>,
}

impl Frontiers {
    /// Of a client that brings a token of another cell. Nothing if that is not the one from which its owner came last.
    pub(super) async fn of(snapshot: &Snapshot, user_num: UserNum, shown: Position) -> Result<Option<Self>> {
        let Some(rooms) = arrivals::frontiers(snapshot, user_num, shown).await? else { return Ok(None) };
        let rooms: Vec<Frontier> = serde_json::from_str(&rooms).map_err(Error::internal)?;
        let rooms = rooms.into_iter().map(|frontier| (frontier.room_id.clone(), frontier)).collect();
        Ok(Some(Self { shown, rooms }))
    }

    /// What it has not been shown of a room that its owner is in; nothing if it is to be shown the room anew.
    pub(super) fn unseen(&self, room_id: &RoomId, view: &RoomView) -> Option<Unseen> {
        let frontier = self.rooms.get(room_id).filter(|frontier| !frontier.ends.is_empty())?;
        let ends: Vec<OwnedEventId> = view.extremities.iter().map(|(_, id)| id.clone()).collect();
        let recent: Vec<(&EventId, &[OwnedEventId])> =
            view.recent.iter().map(|event| (event.event_id(), event.pdu.prev_events())).collect();
        let unseen = frontier.unseen(self.shown, &ends, &recent)?;
        let is_end = unseen.iter().copied().eq((0..recent.len()).skip(recent.len() - unseen.len()));
        let events = unseen.into_iter().filter_map(|index| view.recent.get(index).map(Arc::clone)).collect();
        Some(Unseen { events, is_end })
    }

    /// Whether it knows that its owner has left a room.
    pub(super) fn has_left(&self, room_id: &RoomId) -> bool {
        self.rooms.get(room_id).is_some_and(|frontier| frontier.ends.is_empty() && frontier.last <= self.shown.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> OwnedEventId {
        OwnedEventId::try_from(format!("${name}")).unwrap()
    }

    fn ids(names: &str) -> Vec<OwnedEventId> {
        names.split_whitespace().map(id).collect()
    }

    /// What is unseen of a room whose events here are these, each with those before it, by somebody who was shown all up to `shown` in the old home, where
    /// the room had `there` at the places 1, 2 and so on.
    fn unseen(there: &str, shown: i64, ends: (&str, &str), here: &[(&str, &str)]) -> Option<Vec<String>> {
        let named: Vec<(i64, OwnedEventId)> = (1..).zip(ids(there)).collect();
        let last = named.last().map_or(0, |(place, _)| *place);
        let room_id = OwnedRoomId::try_from("!room:example.org").unwrap();
        let frontier = Frontier { room_id, last, ends: ids(ends.0), named };
        let here: Vec<(OwnedEventId, Vec<OwnedEventId>)> =
            here.iter().map(|(event, before)| (id(event), ids(before))).collect();
        let recent: Vec<(&EventId, &[OwnedEventId])> =
            here.iter().map(|(event, before)| (&**event, &before[..])).collect();
        let unseen = frontier.unseen(Position(shown), &ids(ends.1), &recent)?;
        Some(unseen.into_iter().map(|index| here[index].0.as_str()[1..].to_owned()).collect())
    }

    #[test]
    fn the_last_events_of_all_rooms_are_named_and_no_more() {
        let of = |room: i64| Frontier {
            room_id: OwnedRoomId::try_from(format!("!room{room}:example.org")).unwrap(),
            last: 10 * room + 9,
            ends: ids("e"),
            named: (0..10).map(|place| (10 * room + place, id(&format!("e{place}")))).collect(),
        };
        let mut frontiers: Vec<Frontier> = (0..50).map(of).collect();
        Frontier::bound(&mut frontiers);
        let named: Vec<usize> = frontiers.iter().map(|of| of.named.len()).collect();
        assert_eq!((named.iter().sum::<usize>(), named[29], named[30], named[49]), (NAMED_IN_ALL, 0, 10, 10));
    }

    const LINE: [(&str, &str); 4] = [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")];

    #[test]
    fn what_comes_after_the_ends_is_unseen_and_nothing_before() {
        assert_eq!(unseen("a b c", 3, ("c", "e"), &LINE).unwrap(), ["d", "e"]);
        assert!(unseen("a b c d e", 5, ("e", "e"), &LINE).unwrap().is_empty());
    }

    #[test]
    fn a_client_that_was_behind_there_is_shown_what_it_missed() {
        assert_eq!(unseen("a b c d e", 3, ("e", "e"), &LINE).unwrap(), ["d", "e"]);
        assert!(
            unseen("b c d", 0, ("d", "e"), &LINE).is_none(),
            "there may have been more before the first that is named"
        );
    }

    #[test]
    fn another_branch_that_came_here_alone_is_unseen_wherever_it_stands() {
        let here = [("b", "a"), ("x", "b"), ("c", "b"), ("y", "x"), ("d", "c y")];
        assert_eq!(unseen("a b c", 3, ("c", "d"), &here).unwrap(), ["x", "y", "d"]);
    }

    #[test]
    fn what_the_last_events_do_not_tell_is_not_guessed() {
        assert!(unseen("a b", 2, ("b", "e"), &LINE[2..]).is_none(), "before them there is what was not there");
        assert!(unseen("a b c", 3, ("c", "z"), &LINE).is_none(), "the room has an end that is older");
    }
}
