//! What is shown of a room to whoever is invited or knocks, between servers (server-server, *Inviting to a room*): whole events, from which clients
//! are shown the stripped form.

use std::sync::Arc;

use domicile_room::event::{Pdu, client_json};
use ruma::{ServerName, api::federation::membership::RawStrippedState};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Result,
    events::Events,
    residency::Localities,
    rooms::{Room, RoomInfo, StateKeys, stripped_state},
};

/// Events of another server's that are kept, and bytes of all of them together.
const KEPT: usize = 20;
const BYTES: usize = 128 * 1024;

/// The events of an answer or a request as they came.
pub fn texts(shown: Vec<RawStrippedState>) -> Vec<Box<RawValue>> {
    let text = |event| match event {
        RawStrippedState::Pdu(json) => Some(json),
        #[expect(deprecated, reason = "servers before Matrix 1.16 send this form")]
        RawStrippedState::Stripped(raw) => Some(raw.into_json()),
        _ => None,
    };
    shown.into_iter().filter_map(text).collect()
}

/// The same for a request or an answer of ours.
pub fn as_sent(shown: Vec<Box<RawValue>>) -> Vec<RawStrippedState> {
    shown.into_iter().map(RawStrippedState::Pdu).collect()
}

#[derive(Deserialize)]
struct Shown<'a> {
    #[serde(rename = "type")]
    kind: String,
    state_key: String,
    sender: String,
    #[serde(borrow)]
    content: &'a RawValue,
    room_id: Option<String>,
}

/// What is kept of what another server shows: a list of stripped events with the user's own at its end. What is none, or of another room, is left
/// out.
pub fn kept(shown: &[Box<RawValue>], own: &RawValue, info: &RoomInfo) -> serde_json::Result<String> {
    let mut events = Vec::with_capacity(shown.len().min(KEPT) + 1);
    let mut bytes = 0;
    for event in shown.iter().take(KEPT) {
        let Ok(event) = serde_json::from_str::<Shown<'_>>(event.get()) else { continue };
        bytes += event.content.get().len();
        let foreign = event.room_id.is_some_and(|room_id| room_id != *info.room_id);
        if foreign || bytes > BYTES || event.content.get().contains("\\u0000") {
            continue;
        }
        events.push(serde_json::value::to_raw_value(&serde_json::json!({
            "type": event.kind, "state_key": event.state_key, "sender": event.sender, "content": event.content,
        }))?);
    }
    events.push(own.to_owned());
    serde_json::to_string(&events)
}

/// What of a room of ours is shown to whom `event` is about: a few types of state, and the member event of who sent it.
pub async fn of_room(
    room: &Room,
    event: &Pdu,
    events: &Arc<Events>,
    keys: &StateKeys,
    (localities, peer): (&Localities, &ServerName),
) -> Result<Vec<Box<RawValue>>> {
    let view = room.view();
    let mut nums = Vec::new();
    for (kind, state_key) in stripped_state::keys(event.sender()) {
        if let Some(key_num) = keys.find(kind, state_key).await? {
            nums.extend(view.state.get(&key_num).copied());
        }
    }
    let shown = events.get_many(nums).await?;
    shown.iter().map(|event| localities.served(peer, &event.pdu, &room.info.rules)).collect()
}

/// A user's own event as clients are shown it.
pub fn own(event: &Pdu) -> Result<Box<RawValue>> {
    client_json::stripped(event).map_err(crate::Error::internal)
}
