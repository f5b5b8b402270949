//! Check 5: the event is allowed by the state before it, which its predecessors give.

use std::sync::Arc;

use domicile_core::ids::NodeNum;
use domicile_room::{
    auth::{self, StateMap},
    event::Pdu,
};
use domicile_store::table::events::Status;
use ruma::{OwnedEventId, events::StateEventType};

use super::{Ingest, Round, Way};
use crate::{Result, rooms::RoomView};

/// A state, or the events that are not here and without which it is not known.
type Found = std::result::Result<NodeNum, Vec<OwnedEventId>>;

/// Whether an event comes after everything that is here: nearly always.
pub(super) fn comes_next(view: &RoomView, pdu: &Pdu) -> bool {
    let prevs = pdu.prev_events();
    prevs.len() == view.extremities.len() && view.extremities.iter().all(|(_, end)| prevs.iter().any(|id| id == end))
}

impl Ingest {
    /// The state before an event. `None`: what is on the copy has to be written first.
    pub(super) async fn state_before(&self, round: &Round<'_>, pdu: &Pdu, way: &Way) -> Result<Option<Found>> {
        let view = &round.staging.view;
        let prevs = pdu.prev_events();
        if comes_next(view, pdu) {
            return Ok(Some(Ok(view.state_root)));
        }
        if round.is_written_first() {
            return Ok(None);
        }
        let mut missing = Vec::new();
        let mut states = Vec::with_capacity(prevs.len());
        for id in prevs {
            match (round.known(id), way.states.get(id)) {
                (Some((event_num, status)), _) if !status.has(Status::OUTLIER) => {
                    if let Some(state) = round.after(id) {
                        states.push(state);
                        continue;
                    }
                    let event = self.events.get(event_num).await?;
                    states.push(self.resolution.state_after(&event).await?);
                }
                (_, Some(state)) => states.push(*state),
                _ => match view.partial.as_deref().filter(|partial| partial.before_join.contains(id)) {
                    // The event stands beside our join; this is checked again when the state is whole.
                    Some(partial) => states.push(partial.state_before),
                    None => missing.push(id.clone()),
                },
            }
        }
        if !missing.is_empty() {
            return Ok(Some(Err(missing)));
        }
        let state = self.resolution.resolve(&round.room.info, states).await?;
        Ok(Some(Ok(state)))
    }

    /// Whether a state allows an event; if not, why.
    pub(super) async fn allowed_by(
        &self,
        round: &Round<'_>,
        pdu: &Pdu,
        root: NodeNum,
    ) -> Result<std::result::Result<(), String>> {
        let rules = &round.room.info.rules;
        let keys = match auth::auth_event_keys(pdu.kind(), pdu.sender(), pdu.state_key(), pdu.content(), rules) {
            Ok(keys) => keys,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let facts = &round.staging.view.facts;
        let mut state = StateMap::with_capacity(keys.len() + 1);
        state.insert((StateEventType::RoomCreate, String::new()), Arc::clone(&facts.create));
        for (kind, state_key) in keys {
            if kind == StateEventType::RoomCreate {
                continue;
            }
            let Some(key_num) = self.keys.find(&kind.to_string(), &state_key).await? else { continue };
            let event_num = if root == round.staging.view.state_root {
                round.staging.view.state.get(&key_num).copied()
            } else {
                self.resolution.event_in(root, key_num).await?
            };
            let event = match event_num {
                Some(event_num) => Some(self.sender.event_on(&round.staging, event_num).await?),
                None if round.staging.view.is_partial() && kind == StateEventType::RoomMember => {
                    self.member_by_auth(round, pdu, &state_key).await?
                }
                None => None,
            };
            if let Some(event) = event {
                state.insert((kind, state_key), event);
            }
        }
        Ok(auth::allowed_by_state(pdu, rules, &state).map_err(|error| error.to_string()))
    }

    /// A membership of which nothing is known yet, as the events that are to allow another say it.
    async fn member_by_auth(&self, round: &Round<'_>, pdu: &Pdu, user_id: &str) -> Result<Option<Arc<Pdu>>> {
        for id in pdu.auth_events() {
            let allowed = round.known(id).filter(|(_, status)| !status.has(Status::REJECTED));
            let Some((event_num, _)) = allowed else { continue };
            let auth = self.sender.event_on(&round.staging, event_num).await?;
            if auth.membership().is_some() && auth.state_key() == Some(user_id) {
                return Ok(Some(auth));
            }
        }
        Ok(None)
    }
}
