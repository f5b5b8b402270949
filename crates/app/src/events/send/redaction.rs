//! Redactions: what was said is gone from disk and memory in the same batch that says so.

use bytes::Bytes;
use domicile_core::{error::ErrorKind, ids::EventNum};
use domicile_room::{
    event::{EventDraft, Pdu, redact},
    words,
};
use domicile_store::{
    event_id,
    table::{events, graph, relations, search, threads},
};
use ruma::{EventId, OwnedEventId, UserId, events::TimelineEventType};
use serde::Deserialize;

use super::{Sender, Staging};
use crate::{
    Error, Result,
    error::{forbidden, not_found},
    events::Stored,
    residency::Localities,
    rooms::RoomView,
};

#[derive(Deserialize)]
struct Content {
    redacts: OwnedEventId,
}

/// What a draft redacts: nothing unless it is a redaction, which names its target in the path or in its content.
pub(super) fn target(draft: &EventDraft) -> Result<Option<OwnedEventId>> {
    if draft.kind != TimelineEventType::RoomRedaction {
        return Ok(None);
    }
    if let Some(target) = &draft.redacts {
        return Ok(Some(target.clone()));
    }
    match serde_json::from_str::<Content>(draft.content.get()) {
        Ok(content) => Ok(Some(content.redacts)),
        Err(_) => Err(ErrorKind::BadJson.with("A redaction names the event that it redacts, as `redacts`.").into()),
    }
}

impl Sender {
    /// Empties the target of a redaction that was just staged. Tells whether the room must be read again. A redaction that would have no
    /// effect is refused, so that nobody's clients hide what is still there.
    pub(super) async fn stage_redaction(
        &self,
        staging: &mut Staging,
        sender: &UserId,
        target: &EventId,
    ) -> Result<bool> {
        let found = self.events.by_id(target).await?.filter(|event| event.room.room_num == staging.room_num());
        let Some(event) = found else {
            return Err(not_found("The event to redact is not in this room."));
        };
        if !may_redact(staging, sender, event.pdu.sender()) {
            return Err(forbidden("You may not redact what others sent here."));
        }
        let Some(redaction_num) = staging.staged.last().map(|event| event.event_num) else { return Ok(false) };
        Self::empty(staging, &event, redaction_num)
    }

    /// Lets a redaction of another server take effect, as far as its sender may redact; if its target is not here, once that comes. Tells whether
    /// the room must be read again.
    pub async fn follow_redaction(
        &self,
        staging: &mut Staging,
        redaction: &Pdu,
        redaction_num: EventNum,
    ) -> Result<bool> {
        let Some(target) = redaction.redacts() else { return Ok(false) };
        if let Some(staged) = staging.staged.iter().find(|staged| staged.pdu.event_id() == target) {
            // It is not on disk yet: its redaction follows when it is.
            let target = event_id::to_bytes(staged.pdu.event_id());
            self.comes_early(staging, target, redaction_num);
            return Ok(false);
        }
        let found = self.events.by_id(target).await?.filter(|event| event.room.room_num == staging.room_num());
        let Some(event) = found else {
            self.comes_early(staging, event_id::to_bytes(target), redaction_num);
            return Ok(false);
        };
        if !takes_effect(self.users.localities(), &staging.view, redaction, &event.pdu) {
            return Ok(false);
        }
        graph::remove_early_redactions(&mut staging.batch, event_id::to_bytes(target));
        Self::empty(staging, &event, redaction_num)
    }

    /// Notes a redaction whose target is not on disk.
    fn comes_early(&self, staging: &mut Staging, target: Bytes, redaction_num: EventNum) {
        let room_num = staging.info.room_num;
        self.early_redactions.note(room_num);
        graph::add_early_redaction(&mut staging.batch, room_num, target, redaction_num);
    }

    /// Takes away what an event says. Tells whether the room must be read again.
    fn empty(staging: &mut Staging, event: &Stored, redaction_num: EventNum) -> Result<bool> {
        if event.redacted_by.is_some() {
            return Ok(false);
        }
        let emptied = redact::redact(&event.pdu, &staging.info.rules).map_err(Error::internal)?;
        events::redact(&mut staging.batch, event.event_num, redaction_num, emptied.json().clone());
        relations::remove(&mut staging.batch, event.event_num);
        if words::searchable(&event.pdu).is_some() {
            search::remove(&mut staging.batch, event.event_num);
        }
        if let (Some(root_num), Some(position)) = (event.thread_num, event.position) {
            threads::remove_reply(&mut staging.batch, root_num, position);
        }
        staging.redacted.push((event.event_num, std::sync::Arc::new(emptied)));
        Ok(true)
    }
}

/// A redaction takes effect for one's own events, and for everybody's with the power for it (room version 3, *Handling redactions*).
fn may_redact(staging: &Staging, sender: &UserId, target_sender: &UserId) -> bool {
    sender == target_sender || staging.view.facts.power_levels.user_can_redact_event_of_other(sender)
}

/// Whether another server's redaction takes effect on an event: which of its own server's users may redact for each other is that server's to say, and
/// everybody's events may be redacted with the power for it (room version 3, *Handling redactions*).
pub fn takes_effect(localities: &Localities, view: &RoomView, redaction: &Pdu, event: &Pdu) -> bool {
    let sender = redaction.sender();
    localities.same_home(sender, event.sender()) || view.facts.power_levels.user_can_redact_event_of_other(sender)
}
