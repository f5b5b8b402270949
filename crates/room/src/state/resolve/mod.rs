//! State resolution: which event of each key counts where branches of a room's history meet (room version 1, 2 and 12, *State resolution*).
//!
//! A room has tens of thousands of members on whom all branches agree, so nothing here wants a whole state. The caller brings the entries in
//! which the states differ ([`super::tree::diff`] finds them), and then what is asked for, step by step; what is asked for follows from what
//! differs:
//!
//! 1. [`Step::AuthOf`]: the auth events of the differing events, of those again, and so on. What is not in every state's chain is the
//!    auth difference, but for what shared events have in theirs:
//! 2. [`Step::CitedBy`]: state events that name one of these among their auth events, and whether they are in the shared state. Walking up from
//!    the few candidates ends as soon as a shared event is met; walking down from the shared state would meet every member.
//! 3. [`Step::Events`] and [`Step::Shared`]: the full conflicted set, its auth events, and those entries of the shared state that the
//!    authorisation rules ask for.
//!
//! What is given without being asked for is kept, so a caller may give more at once where that is cheap.

mod closure;
mod difference;
mod subgraph;
mod v1;
mod v2;

use std::collections::{BTreeSet, HashMap, HashSet};

use ruma::{
    OwnedEventId,
    events::StateEventType,
    room_version_rules::{RoomVersionRules, StateResolutionVersion},
};

use crate::event::Judged;
use closure::Closure;
use difference::Difference;

/// What an entry of the state is found under.
pub type Key = (StateEventType, String);

/// The entries of one state in the keys in which not all of them agree.
pub type Differing = HashMap<Key, OwnedEventId>;

/// The outcome: the event of each key in which the states differed, and of keys that none of them had; none where nothing is left.
pub type Resolved = HashMap<Key, Option<OwnedEventId>>;

/// States that are resolved together at most.
pub const MOST_STATES: usize = 64;

/// What is to be given next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The auth events of these events: [`Resolver::give_auth`].
    AuthOf(Vec<OwnedEventId>),
    /// The state events of the room that have one of these among their auth events: [`Resolver::give_cited_by`].
    CitedBy(Vec<OwnedEventId>),
    /// These events: [`Resolver::give_event`].
    Events(Vec<OwnedEventId>),
    /// The events that all states have under these keys: [`Resolver::give_shared`].
    Shared(Vec<Key>),
    /// Nothing more.
    Done(Resolved),
}

/// A state event that has another among its auth events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citing {
    /// The event.
    pub event_id: OwnedEventId,
    /// Whether every one of the states has it.
    pub is_shared: bool,
}

/// States that cannot be resolved.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// There are too many of them.
    #[error("{0} states are to be resolved at once, at most {MOST_STATES} can be")]
    TooMany(usize),
    /// An event's power levels rest on themselves, which only chosen event ids make possible.
    #[error("the power levels of {0} rest on themselves")]
    Circle(OwnedEventId),
    /// The algorithm cannot go on, as something is missing or malformed.
    #[error("the states cannot be resolved: {0}")]
    Failed(String),
}

/// What has been given.
#[derive(Debug, Default)]
struct Given {
    events: HashMap<OwnedEventId, Option<Judged>>,
    auth: HashMap<OwnedEventId, Vec<OwnedEventId>>,
    cited_by: HashMap<OwnedEventId, Vec<Citing>>,
    shared: HashMap<Key, Option<OwnedEventId>>,
}

impl Given {
    fn event(&self, id: &OwnedEventId) -> Option<&Judged> {
        self.events.get(id)?.as_ref()
    }

    fn auth_of(&self, id: &OwnedEventId) -> Option<&[OwnedEventId]> {
        self.auth.get(id).map(Vec::as_slice)
    }
}

/// What is missing, in order, so that the same states ask for the same.
#[derive(Debug, Default)]
struct Missing {
    events: BTreeSet<OwnedEventId>,
    shared: BTreeSet<Key>,
}

/// How far it has come.
#[derive(Debug)]
enum Stage {
    Difference(Box<Difference>),
    Closure(Closure),
    Done(Resolved),
}

/// Resolves states.
#[derive(Debug)]
pub struct Resolver {
    rules: RoomVersionRules,
    states: Vec<Differing>,
    given: Given,
    stage: Stage,
}

impl Resolver {
    /// States of a room of a version with these rules. An entry that all of them have need not be there, and is left out.
    pub fn new(rules: &RoomVersionRules, mut states: Vec<Differing>) -> Result<Self, ResolveError> {
        if states.len() > MOST_STATES {
            return Err(ResolveError::TooMany(states.len()));
        }
        let mut given = Given::default();
        leave_out_shared(&mut states, &mut given);
        let conflicted: HashSet<OwnedEventId> = states.iter().flat_map(HashMap::values).cloned().collect();
        let stage = match rules.state_res {
            StateResolutionVersion::V1 => Stage::Closure(Closure::of_events(&conflicted)),
            _ => Stage::Difference(Box::new(Difference::new(&states, keeps_subgraph(rules)))),
        };
        let stage = if conflicted.is_empty() { Stage::Done(Resolved::new()) } else { stage };
        Ok(Self { rules: rules.clone(), states, given, stage })
    }

    /// Answers [`Step::AuthOf`]; of an event that nobody has, with nothing.
    pub fn give_auth(&mut self, id: OwnedEventId, auth_events: Vec<OwnedEventId>) {
        self.given.auth.insert(id, auth_events);
    }

    /// Answers [`Step::CitedBy`].
    pub fn give_cited_by(&mut self, id: OwnedEventId, citing: Vec<Citing>) {
        self.given.cited_by.insert(id, citing);
    }

    /// Answers [`Step::Events`], with none for an event that nobody has.
    pub fn give_event(&mut self, id: OwnedEventId, event: Option<Judged>) {
        if let Some(event) = &event {
            self.given.auth.entry(id.clone()).or_insert_with(|| event.pdu.auth_events().to_vec());
        }
        self.given.events.insert(id, event);
    }

    /// Answers [`Step::Shared`], with none where the states have nothing.
    pub fn give_shared(&mut self, key: Key, event: Option<OwnedEventId>) {
        self.given.shared.insert(key, event);
    }

    /// Goes on as far as it can.
    pub fn step(&mut self) -> Result<Step, ResolveError> {
        loop {
            match &mut self.stage {
                Stage::Difference(difference) => {
                    if let Some(step) = difference.step(&self.given) {
                        return Ok(step);
                    }
                    let subgraph = if keeps_subgraph(&self.rules) {
                        subgraph::of(&self.states, &self.given.auth)
                    } else {
                        HashSet::new()
                    };
                    self.stage = Stage::Closure(Closure::of_conflict(&self.states, difference.take(), subgraph));
                }
                Stage::Closure(closure) => {
                    if let Some(step) = closure.step(&self.rules, &self.states, &self.given)? {
                        return Ok(step);
                    }
                    let resolved = match self.rules.state_res.v2_rules() {
                        None => v1::resolve(&self.rules, &self.states, &self.given),
                        Some(v2_rules) => v2::resolve(&self.rules, *v2_rules, &self.states, &self.given, closure)?,
                    };
                    self.stage = Stage::Done(resolved);
                }
                Stage::Done(resolved) => return Ok(Step::Done(resolved.clone())),
            }
        }
    }
}

fn keeps_subgraph(rules: &RoomVersionRules) -> bool {
    rules.state_res.v2_rules().is_some_and(|rules| rules.consider_conflicted_state_subgraph)
}

/// Entries that all states have are no conflict, whoever brought them.
fn leave_out_shared(states: &mut [Differing], given: &mut Given) {
    let Some((first, others)) = states.split_first() else { return };
    let shared: Vec<Key> = first
        .iter()
        .filter(|(key, id)| others.iter().all(|other| other.get(*key) == Some(id)))
        .map(|(key, _)| key.clone())
        .collect();
    for key in shared {
        for state in &mut *states {
            let id = state.remove(&key);
            given.shared.insert(key.clone(), id);
        }
    }
}

#[cfg(test)]
mod tests;
