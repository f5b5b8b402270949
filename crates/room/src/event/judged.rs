//! An event of the room's graph, and whether it was rejected.

use std::sync::Arc;

use ruma::{MilliSecondsSinceUnixEpoch, OwnedEventId, RoomId, UserId, events::TimelineEventType, state_res::Event};
use serde_json::value::RawValue;

use super::Pdu;

/// An event that has been through the checks. Rejected ones stay in the graph, but allow nothing.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The event.
    pub pdu: Arc<Pdu>,
    /// Whether it was rejected.
    pub rejected: bool,
}

impl Judged {
    /// An event that was accepted.
    pub fn accepted(pdu: Arc<Pdu>) -> Self {
        Self { pdu, rejected: false }
    }
}

impl Event for Judged {
    type Id = OwnedEventId;

    fn event_id(&self) -> &Self::Id {
        Event::event_id(&*self.pdu)
    }

    fn room_id(&self) -> Option<&RoomId> {
        self.pdu.room_id()
    }

    fn sender(&self) -> &UserId {
        self.pdu.sender()
    }

    fn origin_server_ts(&self) -> MilliSecondsSinceUnixEpoch {
        self.pdu.origin_server_ts()
    }

    fn event_type(&self) -> &TimelineEventType {
        self.pdu.kind()
    }

    fn content(&self) -> &RawValue {
        self.pdu.content()
    }

    fn state_key(&self) -> Option<&str> {
        self.pdu.state_key()
    }

    fn prev_events(&self) -> Box<dyn DoubleEndedIterator<Item = &Self::Id> + '_> {
        Event::prev_events(&*self.pdu)
    }

    fn auth_events(&self) -> Box<dyn DoubleEndedIterator<Item = &Self::Id> + '_> {
        Event::auth_events(&*self.pdu)
    }

    fn redacts(&self) -> Option<&Self::Id> {
        Event::redacts(&*self.pdu)
    }

    fn rejected(&self) -> bool {
        self.rejected
    }
}
