//! An event, parsed once and shared by all who read it.

use std::{fmt, sync::LazyLock};

use bytes::Bytes;
use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedUserId, RoomId, UInt, UserId,
    events::TimelineEventType, room_version_rules::RoomVersionRules, state_res::Event,
};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The type of events that servers make to tie branches of a room's graph together. No specification has it; servers agree on it, and do not show
/// such events to clients.
pub const DUMMY: &str = "org.matrix.dummy_event";
static DUMMY_KIND: LazyLock<TimelineEventType> = LazyLock::new(|| DUMMY.into());

/// An event that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("event {event_id} cannot be read: {reason}")]
pub struct PduError {
    event_id: OwnedEventId,
    reason: String,
}

impl PduError {
    pub(crate) fn new(event_id: OwnedEventId, reason: String) -> Self {
        Self { event_id, reason }
    }
}

/// An event with what is asked of it again and again, beside its canonical JSON.
#[derive(Debug)]
pub struct Pdu {
    event_id: OwnedEventId,
    room_id: Option<OwnedRoomId>,
    sender: OwnedUserId,
    kind: TimelineEventType,
    state_key: Option<String>,
    content: Box<RawValue>,
    origin_server_ts: MilliSecondsSinceUnixEpoch,
    depth: i64,
    prev_events: Vec<OwnedEventId>,
    auth_events: Vec<OwnedEventId>,
    redacts: Option<OwnedEventId>,
    json: Bytes,
    withheld: bool,
}

/// How an event points at another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// `m.thread`, `m.replace`, `m.annotation`, `m.reference` or another.
    pub rel_type: String,
    /// What it points at.
    pub event_id: OwnedEventId,
    /// The key of an annotation.
    pub key: Option<String>,
}

#[derive(Deserialize)]
struct Fields<'a> {
    room_id: Option<OwnedRoomId>,
    sender: OwnedUserId,
    #[serde(rename = "type")]
    kind: TimelineEventType,
    state_key: Option<String>,
    content: Box<RawValue>,
    origin_server_ts: UInt,
    #[serde(default)]
    depth: i64,
    #[serde(default)]
    prev_events: Vec<Reference>,
    #[serde(default)]
    auth_events: Vec<Reference>,
    #[serde(borrow)]
    redacts: Option<&'a RawValue>,
}

/// How an event names another: by its id, or in room versions 1 and 2 by a pair of its id and hashes, which nobody checks.
struct Reference(OwnedEventId);

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Reference;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an event id or a pair of one and hashes")
            }

            fn visit_str<E: de::Error>(self, id: &str) -> Result<Reference, E> {
                OwnedEventId::try_from(id).map(Reference).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Reference, A::Error> {
                let id = pair.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                while pair.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Reference(id))
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

fn ids(references: Vec<Reference>) -> Vec<OwnedEventId> {
    references.into_iter().map(|reference| reference.0).collect()
}

impl Pdu {
    /// Reads an event of canonical JSON, as it is stored and as other servers get it.
    pub fn parse(event_id: OwnedEventId, json: Bytes, rules: &RoomVersionRules) -> Result<Self, PduError> {
        match serde_json::from_slice::<Fields<'_>>(&json) {
            Ok(fields) => {
                let pdu = Self::from_fields(event_id, fields, rules);
                Ok(Self { json, ..pdu })
            }
            Err(error) => Err(PduError { event_id, reason: error.to_string() }),
        }
    }

    /// The event without its JSON.
    fn from_fields(event_id: OwnedEventId, fields: Fields<'_>, rules: &RoomVersionRules) -> Self {
        // Only in a redaction does the key mean anything.
        let mut redacts = fields.redacts.and_then(|redacts| serde_json::from_str(redacts.get()).ok());
        if fields.kind == TimelineEventType::RoomRedaction && rules.redaction.content_field_redacts {
            redacts = content_field(&fields.content, |content: Redacts| content.redacts);
        }
        Self {
            event_id,
            room_id: fields.room_id,
            sender: fields.sender,
            kind: fields.kind,
            state_key: fields.state_key,
            content: fields.content,
            origin_server_ts: MilliSecondsSinceUnixEpoch(fields.origin_server_ts),
            depth: fields.depth,
            prev_events: ids(fields.prev_events),
            auth_events: ids(fields.auth_events),
            redacts,
            json: Bytes::new(),
            withheld: false,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the builder hands over what it has parsed already")]
    pub(super) fn built(
        event_id: OwnedEventId,
        room_id: Option<OwnedRoomId>,
        sender: OwnedUserId,
        kind: TimelineEventType,
        state_key: Option<String>,
        content: Box<RawValue>,
        origin_server_ts: MilliSecondsSinceUnixEpoch,
        depth: i64,
        prev_events: Vec<OwnedEventId>,
        auth_events: Vec<OwnedEventId>,
        redacts: Option<OwnedEventId>,
        json: Bytes,
    ) -> Self {
        Self {
            event_id,
            room_id,
            sender,
            kind,
            state_key,
            content,
            origin_server_ts,
            depth,
            prev_events,
            auth_events,
            redacts,
            json,
            withheld: false,
        }
    }

    /// The same event, of which whoever told it left the content away.
    pub(super) fn without_its_content(self) -> Self {
        Self { withheld: true, ..self }
    }

    /// The Matrix id.
    pub fn event_id(&self) -> &EventId {
        &self.event_id
    }

    /// The room that the event names. A create event of room version 12 names none.
    pub fn room_id(&self) -> Option<&RoomId> {
        self.room_id.as_deref()
    }

    /// Who sent it.
    pub fn sender(&self) -> &UserId {
        &self.sender
    }

    /// The type.
    pub fn kind(&self) -> &TimelineEventType {
        &self.kind
    }

    /// The state key of a state event.
    pub fn state_key(&self) -> Option<&str> {
        self.state_key.as_deref()
    }

    /// Whether it is a state event.
    pub fn is_state(&self) -> bool {
        self.state_key.is_some()
    }

    /// The content, canonical.
    pub fn content(&self) -> &RawValue {
        &self.content
    }

    /// The content as a type; none where it does not fit.
    pub fn content_as<'a, T: Deserialize<'a>>(&'a self) -> Option<T> {
        serde_json::from_str(self.content.get()).ok()
    }

    /// When the sender says it was sent, in milliseconds since the epoch.
    pub fn origin_server_ts(&self) -> MilliSecondsSinceUnixEpoch {
        self.origin_server_ts
    }

    /// The distance from the create event.
    pub fn depth(&self) -> i64 {
        self.depth
    }

    /// The events before it.
    pub fn prev_events(&self) -> &[OwnedEventId] {
        &self.prev_events
    }

    /// The events that allow it.
    pub fn auth_events(&self) -> &[OwnedEventId] {
        &self.auth_events
    }

    /// What a redaction redacts.
    pub fn redacts(&self) -> Option<&EventId> {
        self.redacts.as_deref()
    }

    /// The whole event as canonical JSON, with hashes and signatures.
    pub fn json(&self) -> &Bytes {
        &self.json
    }

    /// Whether whoever told the event left its content away. That is known of an event that has just come, and of none that is read from disk.
    pub fn is_withheld(&self) -> bool {
        self.withheld
    }

    /// The same as the body of a request or a part of an answer to another server: a copy of its own.
    pub fn to_raw(&self) -> serde_json::Result<Box<RawValue>> {
        serde_json::from_slice(&self.json)
    }

    /// Whether the event says nothing and only ties branches of the graph together ([`DUMMY`]).
    pub fn is_dummy(&self) -> bool {
        self.state_key.is_none() && self.kind == *DUMMY_KIND
    }

    /// The `membership` of a member event.
    pub fn membership(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Content {
            membership: String,
        }
        if self.kind != TimelineEventType::RoomMember {
            return None;
        }
        self.content_as::<Content>().map(|content| content.membership)
    }

    /// How the event points at another.
    pub fn relation(&self) -> Option<Relation> {
        #[derive(Deserialize)]
        struct Content {
            #[serde(rename = "m.relates_to")]
            relates_to: RelatesTo,
        }
        #[derive(Deserialize)]
        struct RelatesTo {
            rel_type: Option<String>,
            event_id: Option<OwnedEventId>,
            key: Option<String>,
        }
        // Nearly no event has one: the search is cheaper than the parse.
        if !self.content.get().contains("m.relates_to") {
            return None;
        }
        let relates_to = self.content_as::<Content>()?.relates_to;
        Some(Relation { rel_type: relates_to.rel_type?, event_id: relates_to.event_id?, key: relates_to.key })
    }
}

#[derive(Deserialize)]
struct Redacts {
    redacts: Option<OwnedEventId>,
}

fn content_field<'a, C: Deserialize<'a>, T>(content: &'a RawValue, pick: impl FnOnce(C) -> Option<T>) -> Option<T> {
    serde_json::from_str(content.get()).ok().and_then(pick)
}

impl Event for Pdu {
    type Id = OwnedEventId;

    fn event_id(&self) -> &Self::Id {
        &self.event_id
    }

    fn room_id(&self) -> Option<&RoomId> {
        self.room_id.as_deref()
    }

    fn sender(&self) -> &UserId {
        &self.sender
    }

    fn origin_server_ts(&self) -> MilliSecondsSinceUnixEpoch {
        self.origin_server_ts
    }

    fn event_type(&self) -> &TimelineEventType {
        &self.kind
    }

    fn content(&self) -> &RawValue {
        &self.content
    }

    fn state_key(&self) -> Option<&str> {
        self.state_key.as_deref()
    }

    fn prev_events(&self) -> Box<dyn DoubleEndedIterator<Item = &Self::Id> + '_> {
        Box::new(self.prev_events.iter())
    }

    fn auth_events(&self) -> Box<dyn DoubleEndedIterator<Item = &Self::Id> + '_> {
        Box::new(self.auth_events.iter())
    }

    fn redacts(&self) -> Option<&Self::Id> {
        self.redacts.as_ref()
    }

    fn rejected(&self) -> bool {
        false
    }
}
