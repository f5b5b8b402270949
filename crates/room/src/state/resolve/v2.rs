//! The algorithms of room version 2 and of room version 12, as ruma has them, over what differs and the little that is shared with it.

use std::collections::HashMap;

use ruma::{
    EventId, OwnedEventId,
    room_version_rules::{RoomVersionRules, StateResolutionV2Rules},
    state_res::{self, utils::event_id_set::EventIdSet},
};

use super::{Differing, Given, Key, ResolveError, Resolved, closure::Closure};
use crate::event::Judged;

/// Resolves; everything that the algorithm asks for has been given.
pub(super) fn resolve(
    rules: &RoomVersionRules,
    v2_rules: StateResolutionV2Rules,
    states: &[Differing],
    given: &Given,
    closure: &Closure,
) -> Result<Resolved, ResolveError> {
    // The rest of the shared state is not looked at by any rule, and comes through unchanged.
    let shared: HashMap<&Key, &OwnedEventId> =
        given.shared.iter().filter_map(|(key, id)| Some((key, id.as_ref()?))).collect();
    let maps: Vec<Differing> = states
        .iter()
        .map(|state| {
            let mut map = state.clone();
            map.extend(shared.iter().map(|(key, id)| ((*key).clone(), (*id).clone())));
            map
        })
        .collect();
    // Two chains whose difference is the one that was found.
    let chains = vec![set(&closure.difference), EventIdSet::new()];
    let fetch = |id: &EventId| -> Option<&Judged> { given.events.get(id)?.as_ref() };
    let resolved =
        state_res::resolve(&rules.authorization, &v2_rules, &maps, chains, fetch, |_| Some(set(&closure.subgraph)))
            .map_err(|error| ResolveError::Failed(error.to_string()))?;
    let mut outcome: Resolved = states.iter().flat_map(HashMap::keys).map(|key| (key.clone(), None)).collect();
    outcome.extend(resolved.into_iter().filter(|(key, _)| !shared.contains_key(key)).map(|(key, id)| (key, Some(id))));
    Ok(outcome)
}

fn set<'a>(ids: impl IntoIterator<Item = &'a OwnedEventId>) -> EventIdSet<OwnedEventId> {
    ids.into_iter().cloned().collect()
}
