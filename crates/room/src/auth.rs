//! Who may do what: ruma's rules, asked with the state that the caller has read.

use std::{collections::HashMap, sync::Arc};

use ruma::{
    EventId, OwnedUserId, UserId,
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

use crate::event::Pdu;

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
    check_state_dependent_auth_rules(&rules.authorization, pdu, |kind: &StateEventType, state_key: &str| {
        // The map has a handful of entries: a walk is cheaper than an owned key.
        state
            .iter()
            .find(|((known, key), _)| known == kind && key == state_key)
            .map(|(_, pdu)| AsRef::<Pdu>::as_ref(pdu))
    })
    .map_err(AuthError)
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
