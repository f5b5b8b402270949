//! What the algorithm reads: the conflicted events, what they rest on, and those entries of the shared state that the rules ask for.

use std::collections::{HashMap, HashSet};

use ruma::{
    OwnedEventId,
    events::{StateEventType, TimelineEventType},
    room_version_rules::RoomVersionRules,
};

use super::{Differing, Given, Key, Missing, ResolveError, Step};
use crate::{auth, event::Judged};

/// Something that is to be there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Task {
    /// A conflicted event, its auth events, and the shared entries that its check asks for.
    Conflicted(OwnedEventId),
    /// An event that others rest on, and if it sets power levels, those before it.
    Named(OwnedEventId),
    /// An entry of the shared state.
    Shared(Key),
}

/// The collection, as far as it has come.
#[derive(Debug)]
pub(super) struct Closure {
    todo: Vec<Task>,
    seen: HashSet<Task>,
    /// The auth difference.
    pub(super) difference: HashSet<OwnedEventId>,
    /// The conflicted state subgraph.
    pub(super) subgraph: HashSet<OwnedEventId>,
    /// Whether all power levels down to the first are needed.
    mainline: bool,
}

impl Closure {
    /// What the first algorithm reads: it knows no auth chains.
    pub(super) fn of_events(conflicted: &HashSet<OwnedEventId>) -> Self {
        let mut closure = Self {
            todo: Vec::new(),
            seen: HashSet::new(),
            difference: HashSet::new(),
            subgraph: HashSet::new(),
            mainline: false,
        };
        closure.add_all(conflicted);
        closure
    }

    /// What the second one reads.
    pub(super) fn of_conflict(
        states: &[Differing],
        difference: HashSet<OwnedEventId>,
        subgraph: HashSet<OwnedEventId>,
    ) -> Self {
        let mut full: HashSet<OwnedEventId> = states.iter().flat_map(HashMap::values).cloned().collect();
        full.extend(difference.iter().cloned());
        full.extend(subgraph.iter().cloned());
        let mut closure = Self { difference, subgraph, mainline: true, ..Self::of_events(&full) };
        closure.add(Task::Shared((StateEventType::RoomPowerLevels, String::new())));
        closure
    }

    fn add_all(&mut self, events: &HashSet<OwnedEventId>) {
        for id in events {
            self.add(Task::Conflicted(id.clone()));
        }
        self.add(Task::Shared((StateEventType::RoomCreate, String::new())));
    }

    fn add(&mut self, task: Task) {
        if self.seen.insert(task.clone()) {
            self.todo.push(task);
        }
    }

    /// Goes on; what is missing is told.
    pub(super) fn step(
        &mut self,
        rules: &RoomVersionRules,
        states: &[Differing],
        given: &Given,
    ) -> Result<Option<Step>, ResolveError> {
        let mut missing = Missing::default();
        let mut again = Vec::new();
        while let Some(task) = self.todo.pop() {
            let is_there = match &task {
                Task::Conflicted(id) => self.conflicted(id, rules, given, &mut missing),
                Task::Named(id) => self.named(id, given, &mut missing),
                Task::Shared(key) => self.shared(key, states, given, &mut missing),
            };
            if !is_there {
                again.push(task);
            }
        }
        self.todo = again;
        if !missing.events.is_empty() {
            return Ok(Some(Step::Events(missing.events.into_iter().collect())));
        }
        if !missing.shared.is_empty() {
            return Ok(Some(Step::Shared(missing.shared.into_iter().collect())));
        }
        if self.mainline { no_circle(given).map(|()| None) } else { Ok(None) }
    }

    fn conflicted(
        &mut self,
        id: &OwnedEventId,
        rules: &RoomVersionRules,
        given: &Given,
        missing: &mut Missing,
    ) -> bool {
        let Some(event) = given.events.get(id) else {
            missing.events.insert(id.clone());
            return false;
        };
        let Some(Judged { pdu, .. }) = event else { return true };
        if self.mainline {
            for auth_event in pdu.auth_events() {
                self.add(Task::Named(auth_event.clone()));
            }
            if rules.authorization.room_create_event_id_as_room_id
                && let Some(create) = create_of(pdu)
            {
                self.add(Task::Named(create));
            }
        }
        let own = pdu.state_key().map(|state_key| (pdu.kind().to_string().into(), state_key.to_owned()));
        // What cannot be read allows nothing, and asks for nothing.
        let asked = auth::auth_event_keys(pdu.kind(), pdu.sender(), pdu.state_key(), pdu.content(), rules);
        for key in own.into_iter().chain(asked.unwrap_or_default()) {
            self.add(Task::Shared(key));
        }
        true
    }

    fn named(&mut self, id: &OwnedEventId, given: &Given, missing: &mut Missing) -> bool {
        let Some(event) = given.events.get(id) else {
            missing.events.insert(id.clone());
            return false;
        };
        if let Some(Judged { pdu, .. }) = event
            && self.mainline
            && is_power_levels(pdu.kind(), pdu.state_key())
        {
            for auth_event in pdu.auth_events() {
                self.add(Task::Named(auth_event.clone()));
            }
        }
        true
    }

    fn shared(&mut self, key: &Key, states: &[Differing], given: &Given, missing: &mut Missing) -> bool {
        // No state has a shared entry where they differ.
        if states.iter().any(|state| state.contains_key(key)) {
            return true;
        }
        let Some(id) = given.shared.get(key) else {
            missing.shared.insert(key.clone());
            return false;
        };
        if let Some(id) = id {
            self.add(Task::Named(id.clone()));
        }
        true
    }
}

fn create_of(pdu: &crate::event::Pdu) -> Option<OwnedEventId> {
    OwnedEventId::try_from(pdu.room_id()?.as_str().replacen('!', "$", 1)).ok()
}

fn is_power_levels(kind: &TimelineEventType, state_key: Option<&str>) -> bool {
    *kind == TimelineEventType::RoomPowerLevels && state_key == Some("")
}

/// Refuses power levels that rest on themselves: whoever follows them would never come to an end.
fn no_circle(given: &Given) -> Result<(), ResolveError> {
    let before =
        |id: &OwnedEventId| {
            given.event(id)?.pdu.auth_events().iter().find(|id| {
                given.event(id).is_some_and(|event| is_power_levels(event.pdu.kind(), event.pdu.state_key()))
            })
        };
    let mut ends: HashSet<&OwnedEventId> = HashSet::new();
    for start in given.events.keys() {
        let mut way = HashSet::new();
        let mut at = Some(start);
        while let Some(id) = at.filter(|id| !ends.contains(id)) {
            if !way.insert(id) {
                return Err(ResolveError::Circle(id.clone()));
            }
            at = before(id);
        }
        ends.extend(way);
    }
    Ok(())
}
