//! What the people in a room call it.

use std::sync::Arc;

use serde::Deserialize;

use super::{RoomView, StateKeys};
use crate::{Result, events::Events};

/// The name that a room was given, if it has one.
pub(crate) async fn given_name(view: &RoomView, keys: &StateKeys, events: &Arc<Events>) -> Result<Option<String>> {
    #[derive(Deserialize)]
    struct Named {
        name: Option<String>,
    }
    let Some(key_num) = keys.find("m.room.name", "").await? else { return Ok(None) };
    let Some(event_num) = view.state.get(&key_num).copied() else { return Ok(None) };
    let name = events.get(event_num).await?.pdu.content_as::<Named>().and_then(|named| named.name);
    Ok(name.filter(|name| !name.trim().is_empty()))
}
