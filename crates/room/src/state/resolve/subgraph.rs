//! The conflicted state subgraph: all events on a way from one conflicted event to another (room version 12, *State resolution*).

use std::collections::{HashMap, HashSet};

use ruma::OwnedEventId;

use super::Differing;

/// The events on such ways, ends included. `auth` holds the auth events of everything below the conflicted events.
pub(super) fn of(states: &[Differing], auth: &HashMap<OwnedEventId, Vec<OwnedEventId>>) -> HashSet<OwnedEventId> {
    let conflicted: HashSet<&OwnedEventId> = states.iter().flat_map(HashMap::values).collect();
    // Everything below the conflicted events, and who leads there.
    let mut above: HashMap<&OwnedEventId, Vec<&OwnedEventId>> = HashMap::new();
    let mut todo: Vec<&OwnedEventId> = conflicted.iter().copied().collect();
    let mut seen: HashSet<&OwnedEventId> = conflicted.clone();
    while let Some(id) = todo.pop() {
        for auth_event in auth.get(id).into_iter().flatten() {
            above.entry(auth_event).or_default().push(id);
            if seen.insert(auth_event) {
                todo.push(auth_event);
            }
        }
    }
    // Of these, all from which a way leads to a conflicted event further below.
    let mut leads: HashSet<&OwnedEventId> = HashSet::new();
    let mut todo: Vec<&OwnedEventId> = conflicted.iter().copied().collect();
    let mut ends: HashSet<&OwnedEventId> = HashSet::new();
    while let Some(id) = todo.pop() {
        for higher in above.get(id).into_iter().flatten().copied() {
            if leads.insert(higher) {
                todo.push(higher);
            }
            if conflicted.contains(id) {
                ends.insert(id);
            }
        }
    }
    leads.union(&ends).map(|id| (*id).clone()).collect()
}
