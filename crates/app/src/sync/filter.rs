//! Filters, as far as they choose events and rooms.

use domicile_room::event::Pdu;
use ruma::{
    OwnedRoomId, OwnedUserId, RoomId,
    api::client::filter::{RoomEventFilter, UrlFilter},
};

use crate::account_data::ignored::IgnoredUsers;

/// A choice of events.
#[derive(Clone, Debug, Default)]
pub struct EventChoice {
    types: Option<Vec<String>>,
    not_types: Vec<String>,
    senders: Option<Vec<OwnedUserId>>,
    not_senders: Vec<OwnedUserId>,
    rooms: Option<Vec<OwnedRoomId>>,
    not_rooms: Vec<OwnedRoomId>,
    with_url: Option<bool>,
    ignored: IgnoredUsers,
}

impl From<&RoomEventFilter> for EventChoice {
    fn from(filter: &RoomEventFilter) -> Self {
        Self {
            types: filter.types.clone(),
            not_types: filter.not_types.clone(),
            senders: filter.senders.clone(),
            not_senders: filter.not_senders.clone(),
            rooms: filter.rooms.clone(),
            not_rooms: filter.not_rooms.clone(),
            with_url: filter.url_filter.as_ref().map(|filter| matches!(filter, UrlFilter::EventsWithUrl)),
            ignored: IgnoredUsers::default(),
        }
    }
}

impl EventChoice {
    /// The same without what ignored people say. State of theirs stays, so that the room is the same for everybody.
    #[must_use]
    pub fn without(mut self, ignored: IgnoredUsers) -> Self {
        self.ignored = ignored;
        self
    }

    /// Whether every event is chosen.
    pub fn is_everything(&self) -> bool {
        self.types.is_none()
            && self.not_types.is_empty()
            && self.senders.is_none()
            && self.not_senders.is_empty()
            && self.with_url.is_none()
            && self.ignored.is_empty()
    }

    /// Whether a room is chosen.
    pub fn has_room(&self, room_id: &RoomId) -> bool {
        self.rooms.as_ref().is_none_or(|rooms| rooms.iter().any(|known| known == room_id))
            && !self.not_rooms.iter().any(|known| known == room_id)
    }

    /// Whether a type is chosen.
    pub fn has_type(&self, kind: &str) -> bool {
        self.types.as_ref().is_none_or(|types| types.iter().any(|pattern| fits(pattern, kind)))
            && !self.not_types.iter().any(|pattern| fits(pattern, kind))
    }

    /// Whether an event is chosen.
    pub fn has(&self, pdu: &Pdu) -> bool {
        if pdu.is_dummy() {
            return false;
        }
        self.is_everything()
            || (self.has_type(&pdu.kind().to_string())
                && self.senders.as_ref().is_none_or(|senders| senders.iter().any(|known| known == pdu.sender()))
                && !self.not_senders.iter().any(|known| known == pdu.sender())
                && self.with_url.is_none_or(|wanted| has_url(pdu) == wanted)
                && (pdu.is_state() || !self.ignored.has(pdu.sender())))
    }
}

fn has_url(pdu: &Pdu) -> bool {
    #[derive(serde::Deserialize)]
    struct Content {
        url: Option<String>,
    }
    pdu.content_as::<Content>().is_some_and(|content| content.url.is_some())
}

/// Whether a type fits a pattern in which `*` stands for anything. Linear in the length of both, whatever the pattern.
pub fn fits(pattern: &str, kind: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = kind.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, kind, expected) in [
            ("m.room.message", "m.room.message", true),
            ("m.room.*", "m.room.message", true),
            ("*", "", true),
            ("m.*.x", "m.a.b.x", true),
            ("m.*.x", "m.x", false),
            ("a*a", "a", false),
            ("*a*b", "xaxb", true),
            ("m.room", "m.room.message", false),
        ] {
            assert_eq!(fits(pattern, kind), expected, "{pattern} {kind}");
        }
    }
}
