//! States that differ, and what they are together: ruma's state resolution over what the caller has found to matter.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use ruma::{
    EventId, OwnedEventId,
    events::StateEventType,
    room_version_rules::{RoomVersionRules, StateResolutionVersion},
    state_res::resolve,
};

use crate::event::Pdu;

/// A type of state event and a state key.
pub type Pair = (StateEventType, String);

/// A state, as far as it matters.
pub type Set = HashMap<Pair, OwnedEventId>;

/// A resolution that failed.
#[derive(Debug, thiserror::Error)]
#[error("states cannot be resolved: {0}")]
pub struct ResolveError(String);

/// What differs, and all that the rules may ask for.
#[derive(Debug, Default)]
pub struct Conflict {
    /// Each state: the pairs in which any of them differ, and of those on which all agree the ones that can allow an event.
    pub sets: Vec<Set>,
    /// Of each state, what allows its events, without what allows those of all states.
    pub auth_chains: Vec<HashSet<OwnedEventId>>,
    /// The events between those in which the states differ, for room versions that ask.
    pub subgraph: HashSet<OwnedEventId>,
    /// All events that are named by the above, and all that allow them.
    pub events: HashMap<OwnedEventId, Arc<Pdu>>,
}

impl Conflict {
    /// The state that the states are together, for the pairs that they name.
    pub fn resolve(self, rules: &RoomVersionRules) -> Result<Set, ResolveError> {
        let StateResolutionVersion::V2(v2) = &rules.state_res else {
            return Ok(super::resolve_v1::resolve(self, rules));
        };
        let Self { sets, auth_chains, subgraph, events } = self;
        let event = |id: &EventId| events.get(id).map(|pdu| Shared(Arc::clone(pdu)));
        let auth_chains = auth_chains.into_iter().map(|chain| chain.into_iter().collect()).collect();
        let between = |_: &HashMap<Pair, Vec<OwnedEventId>>| Some(subgraph.iter().cloned().collect());
        resolve(&rules.authorization, v2, &sets, auth_chains, event, between)
            .map_err(|error| ResolveError(error.to_string()))
    }
}
