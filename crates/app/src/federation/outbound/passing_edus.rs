//! Typing and presence as others are told them.

use domicile_store::Snapshot;
use ruma::{
    UInt,
    api::federation::transactions::edu::{Edu, PresenceContent, PresenceUpdate, TypingContent},
};
use serde_json::value::RawValue;

use super::passing::Passing;
use crate::{Result, accounts::Users, ephemeral::Presence, events::Events};

/// What there is to tell a destination.
pub(super) struct ToTell {
    /// Typing and presence.
    pub(super) passing: Passing,
    /// EDUs at most.
    pub(super) places: usize,
    /// Whether what people say of themselves goes there.
    pub(super) status: bool,
}

/// The EDUs; what does not fit passes untold. Who is of another server is told by that server.
pub(super) async fn edus(
    snapshot: &Snapshot,
    users: &Users,
    events: &Events,
    presence: &Presence,
    told: ToTell,
) -> Result<Vec<Box<RawValue>>> {
    let ToTell { passing, places, status } = told;
    let mut edus = Vec::new();
    let mut push = Vec::new();
    for user_num in passing.presence {
        let user_id = users.load_id(snapshot, user_num).await?;
        let Some(shown) = presence.of(user_num).filter(|_| users.is_local(&user_id)) else { continue };
        let ago = shown.last_active_ago.and_then(|ago| UInt::try_from(ago).ok()).unwrap_or_default();
        let currently_active = shown.currently_active();
        let mut update = PresenceUpdate::new(user_id, shown.state, ago);
        update.status_msg = shown.status.filter(|_| status).map(|status| status.to_string());
        update.currently_active = currently_active;
        push.push(update);
    }
    if !push.is_empty() && places > 0 {
        edus.push(super::edu(&Edu::Presence(PresenceContent::new(push)))?);
    }
    for ((room_num, user_num), typing) in passing.typing {
        if edus.len() >= places {
            break;
        }
        let user_id = users.load_id(snapshot, user_num).await?;
        if !users.is_local(&user_id) {
            continue;
        }
        let room_id = events.room_info(snapshot, room_num).await?.room_id.clone();
        edus.push(super::edu(&Edu::Typing(TypingContent::new(room_id, user_id, typing)))?);
    }
    Ok(edus)
}
