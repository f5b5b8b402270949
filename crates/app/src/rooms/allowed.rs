//! Messages that were allowed in a room as it is, so that the next one like them is not checked from the beginning.
//!
//! For what is neither state nor one of the types with rules of their own, the authorisation rules look at the type, the sender, the create
//! event, the sender's membership and the power levels, and at nothing else: the same ones give the same answer, and name the same events.

use std::sync::Arc;

use domicile_core::ids::{EventNum, UserNum};
use domicile_room::event::{EventDraft, Pdu};
use ruma::{OwnedEventId, OwnedUserId, events::TimelineEventType};

use super::RoomView;

/// Senders and types that are remembered.
const REMEMBERED: usize = 8;

/// Types with rules of their own (room version 12, *Authorization rules*, and those before it).
const SPECIAL: [&str; 6] = [
    "m.room.create",
    "m.room.member",
    "m.room.power_levels",
    "m.room.third_party_invite",
    "m.room.redaction",
    "m.room.aliases",
];

/// What was allowed.
#[derive(Clone, Default)]
pub struct AllowedMessages(Arc<[Arc<Allowed>]>);

struct Allowed {
    kind: TimelineEventType,
    sender: OwnedUserId,
    sender_num: UserNum,
    /// The sender's membership.
    member: EventNum,
    power_levels: Option<Arc<Pdu>>,
    /// The events that allow it.
    auth_events: Vec<OwnedEventId>,
}

impl RoomView {
    /// The events that allow a message, if one like it was allowed by the state as it is.
    pub fn allowed_before(&self, draft: &EventDraft) -> Option<&[OwnedEventId]> {
        let alike = |found: &&Arc<Allowed>| {
            draft.state_key.is_none() && found.kind == draft.kind && found.sender == draft.sender
        };
        let found = self.allowed.0.iter().find(alike)?;
        let is_member = self.members.get(&found.sender_num).is_some_and(|member| member.event_num == found.member);
        (is_member && same(found.power_levels.as_ref(), self.facts.power_levels_event.as_ref()))
            .then_some(&found.auth_events[..])
    }

    /// Remembers a message that is allowed by the state as it is.
    pub fn note_allowed(&mut self, pdu: &Pdu, sender_num: UserNum, auth_events: &[OwnedEventId]) {
        let Some(member) = self.members.get(&sender_num) else { return };
        if pdu.is_state() || SPECIAL.contains(&pdu.kind().to_string().as_str()) {
            return;
        }
        let allowed = Allowed {
            kind: pdu.kind().clone(),
            sender: pdu.sender().to_owned(),
            sender_num,
            member: member.event_num,
            power_levels: self.facts.power_levels_event.clone(),
            auth_events: auth_events.to_vec(),
        };
        let others = self.allowed.0.iter().filter(|known| known.kind != allowed.kind || known.sender != allowed.sender);
        let kept: Vec<Arc<Allowed>> = others.take(REMEMBERED - 1).map(Arc::clone).collect();
        self.allowed = AllowedMessages(std::iter::once(Arc::new(allowed)).chain(kept).collect());
    }
}

fn same(one: Option<&Arc<Pdu>>, other: Option<&Arc<Pdu>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
