//! An event as clients see it, made once and shared: only `unsigned` differs from reader to reader.

use ruma::{RoomId, events::TimelineEventType};
use serde_json::value::RawValue;

use super::{Pdu, build::string};

/// The client's form of an event, but for its last brace and `unsigned`.
#[derive(Clone, Debug)]
pub struct ClientEvent {
    /// Without `room_id`, as `/sync` wants it.
    head: Box<str>,
}

impl ClientEvent {
    /// The form of an event in a room.
    pub fn new(pdu: &Pdu) -> Self {
        Self::with_content(pdu, pdu.content())
    }

    /// The same with another content, for what is shown to clients beside what stands in the event.
    pub fn with_content(pdu: &Pdu, content: &RawValue) -> Self {
        let content = content.get();
        let mut out = String::with_capacity(content.len() + 220);
        out.push_str("{\"content\":");
        out.push_str(content);
        out.push_str(",\"event_id\":");
        string(&mut out, pdu.event_id().as_str());
        out.push_str(",\"origin_server_ts\":");
        out.push_str(&pdu.origin_server_ts().0.to_string());
        if let Some(redacts) = pdu.redacts().filter(|_| *pdu.kind() == TimelineEventType::RoomRedaction) {
            // Clients that do not know room version 11 look for it here in every version (room version 11, *Redactions*).
            out.push_str(",\"redacts\":");
            string(&mut out, redacts.as_str());
        }
        out.push_str(",\"sender\":");
        string(&mut out, pdu.sender().as_str());
        if let Some(state_key) = pdu.state_key() {
            out.push_str(",\"state_key\":");
            string(&mut out, state_key);
        }
        out.push_str(",\"type\":");
        string(&mut out, &pdu.kind().to_string());
        Self { head: out.into_boxed_str() }
    }

    /// Writes the event as `/sync` wants it. `unsigned` is a JSON object.
    pub fn write(&self, out: &mut String, unsigned: Option<&str>) {
        out.push_str(&self.head);
        if let Some(unsigned) = unsigned {
            out.push_str(",\"unsigned\":");
            out.push_str(unsigned);
        }
        out.push('}');
    }

    /// Writes the event with its room, as everything but `/sync` wants it.
    pub fn write_with_room(&self, out: &mut String, room_id: &RoomId, unsigned: Option<&str>) {
        out.push_str(&self.head);
        out.push_str(",\"room_id\":");
        string(out, room_id.as_str());
        if let Some(unsigned) = unsigned {
            out.push_str(",\"unsigned\":");
            out.push_str(unsigned);
        }
        out.push('}');
    }

    /// The event with its room as a value.
    pub fn raw_with_room(&self, room_id: &RoomId, unsigned: Option<&str>) -> Result<Box<RawValue>, serde_json::Error> {
        let mut out = String::with_capacity(self.head.len() + 160);
        self.write_with_room(&mut out, room_id, unsigned);
        RawValue::from_string(out)
    }

    /// The event without its room as a value.
    pub fn raw(&self, unsigned: Option<&str>) -> Result<Box<RawValue>, serde_json::Error> {
        let mut out = String::with_capacity(self.head.len() + 100);
        self.write(&mut out, unsigned);
        RawValue::from_string(out)
    }
}

/// The stripped form of a state event, for who is invited or looks from outside.
pub fn stripped(pdu: &Pdu) -> Result<Box<RawValue>, serde_json::Error> {
    let mut out = String::with_capacity(pdu.content().get().len() + 120);
    out.push_str("{\"content\":");
    out.push_str(pdu.content().get());
    out.push_str(",\"sender\":");
    string(&mut out, pdu.sender().as_str());
    out.push_str(",\"state_key\":");
    string(&mut out, pdu.state_key().unwrap_or_default());
    out.push_str(",\"type\":");
    string(&mut out, &pdu.kind().to_string());
    out.push('}');
    RawValue::from_string(out)
}
