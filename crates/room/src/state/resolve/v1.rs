//! The algorithm of room version 1, which knows no auth chains (room version 1, *State resolution*).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap, HashSet},
};

use ruma::{
    OwnedEventId, events::StateEventType, room_version_rules::RoomVersionRules,
    state_res::check_state_dependent_auth_rules,
};
use sha1::{Digest as _, Sha1};

use super::{Differing, Given, Key, Resolved};
use crate::event::Judged;

/// The state so far: *R* in the specification.
struct State<'a> {
    entries: HashMap<Key, OwnedEventId>,
    rules: &'a RoomVersionRules,
    given: &'a Given,
}

/// Resolves; everything that the algorithm asks for has been given.
pub(super) fn resolve(rules: &RoomVersionRules, states: &[Differing], given: &Given) -> Resolved {
    let mut candidates: BTreeMap<Key, HashSet<&OwnedEventId>> = BTreeMap::new();
    for (key, id) in states.iter().flatten() {
        candidates.entry(key.clone()).or_default().insert(id);
    }
    let shared = given.shared.iter().filter_map(|(key, id)| Some((key.clone(), id.clone()?)));
    let mut state = State { entries: shared.collect(), rules, given };
    // What only some of the states have is no conflict here, as long as they agree.
    let mut outcome = Resolved::new();
    candidates.retain(|key, ids| {
        if ids.len() == 1 {
            state.entries.extend(ids.iter().map(|id| (key.clone(), (*id).clone())));
            outcome.extend(ids.iter().map(|id| (key.clone(), Some((*id).clone()))));
        }
        ids.len() > 1
    });
    for kind in [StateEventType::RoomPowerLevels, StateEventType::RoomJoinRules, StateEventType::RoomMember] {
        let of_kind: Vec<(&Key, OwnedEventId)> = candidates
            .iter()
            .filter(|((candidate, _), _)| *candidate == kind)
            .filter_map(|(key, ids)| Some((key, state.latest_of_line(key, ids)?)))
            .collect();
        for (key, id) in of_kind {
            state.entries.insert(key.clone(), id);
        }
    }
    for (key, ids) in &candidates {
        let chosen = match state.entries.get(key) {
            Some(id) => Some(id.clone()),
            None => state.highest(ids),
        };
        outcome.insert(key.clone(), chosen);
    }
    outcome
}

impl State<'_> {
    /// The events of a key: the deepest last, and of the same depth the one with the least SHA-1 of its id last.
    fn in_order(&self, ids: &HashSet<&OwnedEventId>) -> Vec<(OwnedEventId, &Judged)> {
        let mut events: Vec<_> = ids.iter().filter_map(|id| Some(((*id).clone(), self.given.event(id)?))).collect();
        events.sort_by_cached_key(|(id, event)| (event.pdu.depth(), Reverse(Sha1::digest(id.as_str()))));
        events
    }

    /// From the least deep on, as long as each allows the next.
    fn latest_of_line(&self, key: &Key, ids: &HashSet<&OwnedEventId>) -> Option<OwnedEventId> {
        let mut line = self.in_order(ids).into_iter();
        let mut latest = line.next()?.0;
        for (id, event) in line {
            if !self.allows(event, Some((key, &latest))) {
                break;
            }
            latest = id;
        }
        Some(latest)
    }

    /// The deepest that is allowed. If none is, the least deep, so that the key does not vanish.
    fn highest(&self, ids: &HashSet<&OwnedEventId>) -> Option<OwnedEventId> {
        let events = self.in_order(ids);
        let allowed = events.iter().rev().find(|(_, event)| self.allows(event, None));
        allowed.or(events.first()).map(|(id, _)| id.clone())
    }

    fn allows(&self, event: &Judged, instead: Option<(&Key, &OwnedEventId)>) -> bool {
        check_state_dependent_auth_rules(&self.rules.authorization, event, |kind: &StateEventType, state_key: &str| {
            let replaced = instead.filter(|((other, key), _)| other == kind && key == state_key).map(|(_, id)| id);
            let id = replaced.or_else(|| self.entries.get(&(kind.clone(), state_key.to_owned())))?;
            self.given.event(id).filter(|event| !event.rejected)
        })
        .is_ok()
    }
}
