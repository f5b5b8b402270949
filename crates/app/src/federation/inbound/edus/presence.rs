//! `m.presence` (server-server, *Presence*)

use ruma::{api::federation::transactions::edu::PresenceUpdate, presence::PresenceState};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Edus, Origin, is_of};
use crate::{Result, ephemeral::presence::Heard};

/// People of whom one EDU speaks.
const PEOPLE: usize = 1_000;

/// Each entry is read by itself, so that one that cannot be read spoils no other.
#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    push: Vec<&'a RawValue>,
}

impl Edus {
    /// How people are.
    pub(super) async fn presence(&self, origin: Origin<'_>, content: &RawValue) -> Result<()> {
        let Ok(content) = serde_json::from_str::<Content<'_>>(content.get()) else { return Ok(()) };
        let updates = content.push.into_iter().take(PEOPLE).filter_map(|update| {
            let update: PresenceUpdate = serde_json::from_str(update.get()).ok()?;
            let is_state =
                matches!(update.presence, PresenceState::Online | PresenceState::Unavailable | PresenceState::Offline);
            (is_state && is_of(origin, &update.user_id)).then(|| Heard {
                user_id: update.user_id,
                state: update.presence,
                status: update.status_msg,
                idle_ms: update.last_active_ago.into(),
            })
        });
        self.0.presence.hear(updates.collect()).await
    }
}
