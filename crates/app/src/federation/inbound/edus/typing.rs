//! `m.typing` (server-server, *Typing Notifications*)

use ruma::api::federation::transactions::edu::TypingContent;
use serde_json::value::RawValue;

use super::{Edus, Origin, is_of, is_plain};
use crate::Result;

impl Edus {
    /// Somebody types in a room, or no longer.
    pub(super) async fn typing(&self, origin: Origin<'_>, content: &RawValue) -> Result<()> {
        let Ok(typing) = serde_json::from_str::<TypingContent>(content.get()) else { return Ok(()) };
        if !is_of(origin, &typing.user_id) || !is_plain(typing.room_id.as_str()) {
            return Ok(());
        }
        if let Some((room, user_num)) = self.member(origin, &typing.room_id, &typing.user_id).await? {
            self.0.typing.hear(&room, user_num, typing.typing);
        }
        Ok(())
    }
}
