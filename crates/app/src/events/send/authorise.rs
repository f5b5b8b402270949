//! Step 2: whether the event is allowed, by ruma's rules and the state on which it stands.

use std::sync::Arc;

use domicile_core::{error::ErrorKind, ids::EventNum};
use domicile_room::{
    auth,
    event::{EventDraft, Pdu},
};
use ruma::{UserId, events::StateEventType};

use super::{AuthState, Sender, Staging};
use crate::{Result, rooms::RoomView};

/// The state that allows or forbids a draft, as far as it is there.
pub(super) async fn auth_state(sender: &Sender, staging: &Staging, draft: &EventDraft) -> Result<AuthState> {
    let rules = &staging.info.rules;
    let keys = auth::auth_event_keys(&draft.kind, &draft.sender, draft.state_key.as_deref(), &draft.content, rules)
        .map_err(|error| ErrorKind::BadJson.with(format!("The event cannot be sent: {error}.")))?;
    let mut state = AuthState::with_capacity(keys.len() + 1);
    let facts = &staging.view.facts;
    state.insert((StateEventType::RoomCreate, String::new()), Arc::clone(&facts.create));
    for (kind, state_key) in keys {
        let found = match kind {
            StateEventType::RoomCreate => continue,
            StateEventType::RoomPowerLevels if state_key.is_empty() => facts.power_levels_event.clone(),
            StateEventType::RoomJoinRules if state_key.is_empty() => facts.join_rules.clone(),
            StateEventType::RoomMember => member(sender, staging, &state_key).await?,
            _ => other(sender, staging, &kind, &state_key).await?,
        };
        if let Some(pdu) = found {
            state.insert((kind, state_key), pdu);
        }
    }
    Ok(state)
}

async fn member(sender: &Sender, staging: &Staging, user_id: &str) -> Result<Option<Arc<Pdu>>> {
    let Ok(user_id) = <&UserId>::try_from(user_id) else { return Ok(None) };
    let Some(user_num) = sender.users.num(user_id).await? else { return Ok(None) };
    match staging.view.members.get(&user_num) {
        Some(member) => pdu(sender, staging, member.event_num).await.map(Some),
        None => Ok(None),
    }
}

async fn other(sender: &Sender, staging: &Staging, kind: &StateEventType, state_key: &str) -> Result<Option<Arc<Pdu>>> {
    match state_event(sender, &staging.view, &kind.to_string(), state_key).await? {
        Some(event_num) => pdu(sender, staging, event_num).await.map(Some),
        None => Ok(None),
    }
}

/// The event of a pair in a view.
pub(super) async fn state_event(
    sender: &Sender,
    view: &RoomView,
    kind: &str,
    state_key: &str,
) -> Result<Option<EventNum>> {
    let key_num = sender.keys.find(kind, state_key).await?;
    Ok(key_num.and_then(|key_num| view.state.get(&key_num).copied()))
}

pub(super) async fn pdu(sender: &Sender, staging: &Staging, event_num: EventNum) -> Result<Arc<Pdu>> {
    match staging.pdu(event_num) {
        Some(pdu) => Ok(pdu),
        None => Ok(Arc::clone(&sender.events.get(event_num).await?.pdu)),
    }
}

/// Refuses an event that the room's rules do not allow.
pub(super) fn authorise(staging: &Staging, pdu: &Pdu, state: &AuthState) -> Result<()> {
    auth::authorise(pdu, &staging.info.rules, state)
        .map_err(|error| ErrorKind::Forbidden.with(format!("The room does not allow this: {error}.")).into())
}
