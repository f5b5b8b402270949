//! Redactions: what was said is gone from disk and memory in the same batch that says so.

use domicile_room::{
    event::{Pdu, redact},
    words,
};
use domicile_store::table::{events, relations, search, threads};
use ruma::{EventId, UserId};

use super::{Sender, Staging};
use crate::{Error, Result};

impl Sender {
    /// Empties the target of a redaction that was just staged, if its sender may. Tells whether the room must be read again.
    pub(super) async fn stage_redaction(
        &self,
        staging: &mut Staging,
        redaction: &Pdu,
        target: &EventId,
    ) -> Result<bool> {
        let Some(event) = self.events.by_id(target).await? else { return Ok(false) };
        if event.room.room_num != staging.room_num() || event.redacted_by.is_some() {
            return Ok(false);
        }
        if !may_redact(staging, redaction.sender(), event.pdu.sender()) {
            return Ok(false);
        }
        let Some(redaction_num) = staging.staged.last().map(|event| event.event_num) else { return Ok(false) };
        let emptied = redact::redact(&event.pdu, &staging.info.rules).map_err(Error::internal)?;
        events::redact(&mut staging.batch, event.event_num, redaction_num, emptied.json().clone());
        relations::remove(&mut staging.batch, event.event_num);
        if words::searchable(&event.pdu).is_some() {
            search::remove(&mut staging.batch, event.event_num);
        }
        if let (Some(root_num), Some(position)) = (event.thread_num, event.position) {
            threads::remove_reply(&mut staging.batch, root_num, position);
        }
        staging.redacted.push(event.event_num);
        Ok(true)
    }
}

/// A redaction takes effect for one's own events, and for everybody's with the power for it (room version 3, *Handling redactions*).
fn may_redact(staging: &Staging, sender: &UserId, target_sender: &UserId) -> bool {
    sender == target_sender || staging.view.facts.power_levels.user_can_redact_event_of_other(sender)
}
