//! Who may do what: ruma's rules, asked with the state that the caller has read.

use std::{collections::HashMap, sync::Arc};

use ruma::{
    EventId, OwnedUserId, RoomVersionId, UserId,
    events::{
        StateEventType, TimelineEventType,
        room::power_levels::{RoomPowerLevelsEventContent, RoomPowerLevelsSource},
    },
    room_version_rules::RoomVersionRules,
    state_res::{auth_types_for_event, check_state_dependent_auth_rules, check_state_independent_auth_rules},
};
use serde::Deserialize;
use serde_json::value::RawValue;

pub use ruma::events::room::power_levels::RoomPowerLevels as PowerLevels;

use crate::event::{Judged, Pdu};

/// State by type and state key.
pub type StateMap = HashMap<(StateEventType, String), Arc<Pdu>>;

/// Why an event is not allowed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AuthError(pub String);

/// The state that allows or forbids an event: these pairs of type and state key, and no others.
pub fn auth_event_keys(
    kind: &TimelineEventType,
    sender: &UserId,
    state_key: Option<&str>,
    content: &RawValue,
    rules: &RoomVersionRules,
) -> Result<Vec<(StateEventType, String)>, AuthError> {
    auth_types_for_event(kind, sender, state_key, content, &rules.authorization).map_err(AuthError)
}

/// Whether an event is allowed by `state`, which holds what [`auth_event_keys`] named, as far as it is there, and the create event.
pub fn authorise(pdu: &Pdu, rules: &RoomVersionRules, state: &StateMap) -> Result<(), AuthError> {
    let by_id = |id: &EventId| state.values().find(|pdu| pdu.event_id() == id).map(AsRef::<Pdu>::as_ref);
    check_state_independent_auth_rules(&rules.authorization, pdu, by_id).map_err(AuthError)?;
    allowed_by_state(pdu, rules, state)
}

/// Check 4 on receipt of an event: whether the events that it names as its reasons are those that the room version wants, and whether they
/// allow it. `auth_events` are those events, all of them, and in versions from 12 on the create event besides.
pub fn allowed_by_auth_events(pdu: &Pdu, rules: &RoomVersionRules, auth_events: &[Judged]) -> Result<(), AuthError> {
    let by_id = |id: &EventId| auth_events.iter().find(|judged| judged.pdu.event_id() == id);
    check_state_independent_auth_rules(&rules.authorization, pdu, by_id).map_err(AuthError)?;
    // The create event need not be named where the room's id names it.
    let is_create = |named: &Pdu| {
        rules.authorization.room_create_event_id_as_room_id
            && *named.kind() == TimelineEventType::RoomCreate
            && pdu.room_id().is_some_and(|room_id| room_id.as_str().get(1..) == named.event_id().as_str().get(1..))
    };
    check_state_dependent_auth_rules(&rules.authorization, pdu, |kind: &StateEventType, state_key: &str| {
        auth_events.iter().map(|judged| &*judged.pdu).find(|named| {
            named.state_key() == Some(state_key)
                && StateEventType::from(named.kind().to_string()) == *kind
                && (is_create(named) || pdu.auth_events().iter().any(|id| id == named.event_id()))
        })
    })
    .map_err(AuthError)
}

/// Checks 5 and 6 on receipt of an event: whether `state`, that before the event or the room's current one, allows it. Needed are the entries
/// that [`auth_event_keys`] names and the create event.
pub fn allowed_by_state(pdu: &Pdu, rules: &RoomVersionRules, state: &StateMap) -> Result<(), AuthError> {
    check_state_dependent_auth_rules(&rules.authorization, pdu, |kind: &StateEventType, state_key: &str| {
        state
            .iter()
            .find(|((known, key), _)| known == kind && key == state_key)
            .map(|(_, pdu)| AsRef::<Pdu>::as_ref(pdu))
    })
    .map_err(AuthError)
}

/// The version that a create event says its room has; none if it is none that anybody could know.
pub fn room_version(create: &Pdu) -> Option<RoomVersionId> {
    #[derive(Deserialize)]
    struct Content {
        room_version: Option<RoomVersionId>,
    }
    let content: Content = create.content_as()?;
    Some(content.room_version.unwrap_or(RoomVersionId::V1))
}

/// Those who made the room, as its version understands it.
pub fn creators(create: &Pdu, rules: &RoomVersionRules) -> Vec<OwnedUserId> {
    #[derive(Deserialize)]
    struct Content {
        creator: Option<OwnedUserId>,
        #[serde(default)]
        additional_creators: Vec<OwnedUserId>,
    }
    let content = create.content_as::<Content>();
    let mut creators = Vec::with_capacity(1);
    if rules.authorization.use_room_create_sender {
        creators.push(create.sender().to_owned());
    } else if let Some(creator) = content.as_ref().and_then(|content| content.creator.clone()) {
        creators.push(creator);
    }
    if rules.authorization.additional_room_creators {
        creators.extend(content.into_iter().flat_map(|content| content.additional_creators));
    }
    creators
}

/// The power levels of a room, ready to be asked.
pub fn power_levels(create: &Pdu, power_levels: Option<&Pdu>, rules: &RoomVersionRules) -> PowerLevels {
    let source = match power_levels.and_then(Pdu::content_as::<RoomPowerLevelsEventContent>) {
        Some(content) => RoomPowerLevelsSource::Original(content),
        None => RoomPowerLevelsSource::None,
    };
    PowerLevels::new(source, &rules.authorization, creators(create, rules))
}

#[cfg(test)]
#[path = "auth/tests.rs"]
mod tests;
