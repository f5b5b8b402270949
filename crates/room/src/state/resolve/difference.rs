//! The auth difference: events that are in the auth chains of some states and not of all.
//!
//! Shared entries are in every state, so what is in *their* chains is in every state's chain. Only the chains of what differs are walked down;
//! from what these do not agree on, the events that cite it are walked up until a shared one is met.

use std::collections::{BTreeSet, HashMap, HashSet};

use ruma::OwnedEventId;

use super::{Differing, Given, Step};

/// One bit for each state.
type Mask = u64;

/// The walk, as far as it has come.
#[derive(Debug)]
pub(super) struct Difference {
    /// All states.
    all: Mask,
    /// Events in the chains of what differs, and of which states.
    chains: HashMap<OwnedEventId, Mask>,
    /// What differs: these events are in the full conflicted set anyway.
    conflicted: HashSet<OwnedEventId>,
    /// Events whose auth events are to be marked.
    todo: Vec<(OwnedEventId, Mask)>,
    /// Those of them whose auth events are not known yet.
    waiting: HashMap<OwnedEventId, Mask>,
    /// Whether the whole chains are wanted, to the create event.
    whole: bool,
    up: Option<Up>,
}

/// The way up from the candidates.
#[derive(Debug)]
struct Up {
    candidates: HashSet<OwnedEventId>,
    /// Events that were met, and by which of those below them.
    below: HashMap<OwnedEventId, Vec<OwnedEventId>>,
    /// Events in the chain of a shared one.
    reached: HashSet<OwnedEventId>,
    /// Events whose citing events are to be looked at.
    front: Vec<OwnedEventId>,
    /// Events of which that is done.
    seen: HashSet<OwnedEventId>,
}

impl Difference {
    /// The difference between states. `whole` asks for the whole chains, which the conflicted state subgraph needs.
    pub(super) fn new(states: &[Differing], whole: bool) -> Self {
        let mut todo = Vec::new();
        for (index, state) in states.iter().enumerate() {
            todo.extend(state.values().map(|id| (id.clone(), 1 << index)));
        }
        Self {
            all: if states.len() >= 64 { Mask::MAX } else { (1 << states.len()) - 1 },
            chains: HashMap::new(),
            conflicted: states.iter().flat_map(HashMap::values).cloned().collect(),
            todo,
            waiting: HashMap::new(),
            whole,
            up: None,
        }
    }

    /// Goes on; what is missing is told.
    pub(super) fn step(&mut self, given: &Given) -> Option<Step> {
        if self.up.is_none() {
            if let Some(step) = self.walk_down(given) {
                return Some(step);
            }
            self.up = Some(Up::new(self.candidates()));
        }
        self.up.as_mut()?.step(given)
    }

    /// The events of the difference.
    pub(super) fn take(&mut self) -> HashSet<OwnedEventId> {
        let Some(up) = self.up.take() else { return HashSet::new() };
        let reached = up.reached;
        up.candidates.into_iter().filter(|id| !reached.contains(id)).collect()
    }

    fn walk_down(&mut self, given: &Given) -> Option<Step> {
        self.todo.extend(self.waiting.drain());
        while let Some((id, mask)) = self.todo.pop() {
            let Some(auth_events) = given.auth_of(&id) else {
                *self.waiting.entry(id).or_default() |= mask;
                continue;
            };
            for auth_event in auth_events {
                let known = self.chains.entry(auth_event.clone()).or_default();
                let new = mask & !*known;
                if new != 0 {
                    *known |= new;
                    self.todo.push((auth_event.clone(), *known));
                }
            }
        }
        if self.waiting.is_empty() || self.is_settled() {
            return None;
        }
        let mut wanted: Vec<OwnedEventId> = self.waiting.keys().cloned().collect();
        wanted.sort_unstable();
        Some(Step::AuthOf(wanted))
    }

    /// Whether what lies below cannot matter: everything that waits is in all chains, and so is everything that it might lead to.
    fn is_settled(&self) -> bool {
        !self.whole
            && self.waiting.iter().all(|(id, mask)| *mask == self.all && self.chains.get(id) == Some(mask))
            && self.chains.iter().all(|(id, mask)| *mask == self.all || self.conflicted.contains(id))
    }

    fn candidates(&self) -> Vec<OwnedEventId> {
        let partly = self.chains.iter().filter(|(id, mask)| **mask != self.all && !self.conflicted.contains(*id));
        let mut candidates: Vec<OwnedEventId> = partly.map(|(id, _)| id.clone()).collect();
        candidates.sort_unstable();
        candidates
    }
}

impl Up {
    fn new(candidates: Vec<OwnedEventId>) -> Self {
        Self {
            front: candidates.clone(),
            candidates: candidates.into_iter().collect(),
            below: HashMap::new(),
            reached: HashSet::new(),
            seen: HashSet::new(),
        }
    }

    fn step(&mut self, given: &Given) -> Option<Step> {
        let mut missing = BTreeSet::new();
        let mut again = Vec::new();
        while let Some(id) = self.front.pop() {
            if self.seen.contains(&id) || !self.is_wanted(&id) {
                continue;
            }
            let Some(citing) = given.cited_by.get(&id) else {
                missing.insert(id.clone());
                again.push(id);
                continue;
            };
            for citing in citing {
                if citing.is_shared || self.reached.contains(&citing.event_id) {
                    self.reach(id.clone());
                    break;
                }
                self.below.entry(citing.event_id.clone()).or_default().push(id.clone());
                self.front.push(citing.event_id.clone());
            }
            self.seen.insert(id);
        }
        self.front = again;
        if missing.is_empty() { None } else { Some(Step::CitedBy(missing.into_iter().collect())) }
    }

    /// Whether it still matters who cites an event: not once it is reached, nor once all below it are, unless it is a candidate itself.
    fn is_wanted(&self, id: &OwnedEventId) -> bool {
        let below = self.below.get(id).map(Vec::as_slice).unwrap_or_default();
        !self.reached.contains(id)
            && (self.candidates.contains(id) || below.iter().any(|id| !self.reached.contains(id)))
    }

    /// An event is in the chain of a shared one, and with it everything below.
    fn reach(&mut self, id: OwnedEventId) {
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            if self.reached.insert(id.clone()) {
                todo.extend(self.below.get(&id).into_iter().flatten().cloned());
            }
        }
    }
}
