//! New events: canonical JSON, content hash, signature and event id in one pass.
//!
//! The redacted form is signed, and its hash is the event id; both are made from the same bytes. The keys of the outer object are written in
//! their canonical order here, only the content goes through a map.

use std::collections::HashMap;

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use domicile_core::limits;
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedUserId, UInt,
    events::TimelineEventType,
    room_version_rules::{EventIdFormatVersion, RoomVersionRules},
};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{
    Pdu, ServerSigner,
    json::{self, Json, Object},
    redact, validate,
};

/// An event that is to be made.
#[derive(Clone, Debug)]
pub struct EventDraft {
    /// The type.
    pub kind: TimelineEventType,
    /// The sender.
    pub sender: OwnedUserId,
    /// The state key of a state event.
    pub state_key: Option<String>,
    /// The content: any JSON object.
    pub content: Box<RawValue>,
    /// What a redaction redacts.
    pub redacts: Option<OwnedEventId>,
}

/// Where in its room a new event stands.
#[derive(Clone, Debug)]
pub struct Place {
    /// The room; none for a create event of room version 12, whose hash is the room's id.
    pub room_id: Option<OwnedRoomId>,
    /// The events before it.
    pub prev_events: Vec<OwnedEventId>,
    /// The events that allow it.
    pub auth_events: Vec<OwnedEventId>,
    /// One more than the depth of the deepest event before it.
    pub depth: i64,
    /// Milliseconds since the epoch.
    pub origin_server_ts: i64,
}

/// Why an event cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The content is no object of canonical JSON.
    #[error("the content is not canonical JSON: {0}")]
    Content(String),
    /// Something is longer than the specification allows.
    #[error("{what} has {length} bytes, at most {limit} are allowed")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The bound in bytes.
        limit: usize,
    },
    /// The content does not fit its type.
    #[error(transparent)]
    Invalid(#[from] validate::Invalid),
}

/// Reference hashes of events by their ids, in unpadded base64 ([`super::receive::reference_hash`]).
pub type ReferenceHashes = HashMap<OwnedEventId, String>;

/// What an event of room versions 1 and 2 has that later ones have not.
struct OldForm<'a> {
    event_id: OwnedEventId,
    hashes: &'a ReferenceHashes,
}

/// Makes an event of a room version from 3 on.
pub fn build(
    draft: EventDraft,
    place: Place,
    rules: &RoomVersionRules,
    signer: &ServerSigner,
) -> Result<Pdu, BuildError> {
    if rules.event_id_format == EventIdFormatVersion::V1 {
        return Err(BuildError::Content("an event of this room version needs an id of its own".to_owned()));
    }
    make(draft, place, None, rules, signer)
}

/// Makes an event of room version 1 or 2, whose id is chosen (`$opaque:server`) and which has the hashes of the events that it names.
pub fn build_old(
    draft: EventDraft,
    place: Place,
    event_id: OwnedEventId,
    hashes: &ReferenceHashes,
    rules: &RoomVersionRules,
    signer: &ServerSigner,
) -> Result<Pdu, BuildError> {
    if rules.event_id_format != EventIdFormatVersion::V1 {
        return Err(BuildError::Content("an event of this room version gets its id from its hash".to_owned()));
    }
    check_length("the event's id", event_id.as_str())?;
    if let Some(id) = place.prev_events.iter().chain(&place.auth_events).find(|id| !hashes.contains_key(*id)) {
        return Err(BuildError::Content(format!("the hash of {id} is missing")));
    }
    make(draft, place, Some(&OldForm { event_id, hashes }), rules, signer)
}

fn make(
    draft: EventDraft,
    place: Place,
    old: Option<&OldForm<'_>>,
    rules: &RoomVersionRules,
    signer: &ServerSigner,
) -> Result<Pdu, BuildError> {
    let kind = draft.kind.to_string();
    check_length("the event's type", &kind)?;
    check_length("the state key", draft.state_key.as_deref().unwrap_or_default())?;
    check_length("the sender", draft.sender.as_str())?;
    validate::depth(draft.content.get())?;
    let mut content = content(draft.content.get())?;
    let redacts_in_content = rules.redaction.content_field_redacts;
    if let (Some(redacts), true) = (&draft.redacts, redacts_in_content) {
        content.insert("redacts", Json::String(redacts.as_str().into()));
    }
    let content_json = text(|out| content.write_some(out, |_| true))?;
    let content_json = RawValue::from_string(content_json).map_err(|error| BuildError::Content(error.to_string()))?;
    let outer = Outer {
        kind: &kind,
        draft: &draft,
        place: &place,
        old,
        redacts: draft.redacts.as_ref().filter(|_| !redacts_in_content),
    };

    let unsigned = outer.write(content_json.get(), None, true, None);
    let content_hash = BASE64_STANDARD_NO_PAD.encode(Sha256::digest(unsigned.as_bytes()));

    let redacted_content = text(|out| redact::write_content(&content, &kind, &rules.redaction, out))?;
    let redacted = outer.write(&redacted_content, Some(&content_hash), false, None);
    let reference_hash = Sha256::digest(redacted.as_bytes());
    let event_id = match (old, &rules.event_id_format) {
        (Some(old), _) => old.event_id.to_string(),
        (None, EventIdFormatVersion::V2) => format!("${}", BASE64_STANDARD_NO_PAD.encode(reference_hash)),
        (None, _) => format!("${}", BASE64_URL_SAFE_NO_PAD.encode(reference_hash)),
    };
    let signature = signer.sign(redacted.as_bytes());
    let json = outer.write(
        content_json.get(),
        Some(&content_hash),
        true,
        Some((signer.server_name().as_str(), signer.key_id(), &signature)),
    );
    if json.len() > limits::EVENT_BYTES {
        return Err(BuildError::TooLarge { what: "the event", length: json.len(), limit: limits::EVENT_BYTES });
    }
    let event_id = OwnedEventId::try_from(event_id).map_err(|error| BuildError::Content(error.to_string()))?;
    let ts = UInt::try_from(place.origin_server_ts).unwrap_or_default();
    Ok(Pdu::built(
        event_id,
        place.room_id,
        draft.sender,
        draft.kind,
        draft.state_key,
        content_json,
        MilliSecondsSinceUnixEpoch(ts),
        place.depth,
        place.prev_events,
        place.auth_events,
        draft.redacts,
        Bytes::from(json),
    ))
}

fn check_length(what: &'static str, text: &str) -> Result<(), BuildError> {
    if text.len() > limits::ID_BYTES {
        return Err(BuildError::TooLarge { what, length: text.len(), limit: limits::ID_BYTES });
    }
    if text.contains('\0') {
        return Err(BuildError::Content(format!("{what} has a NUL character in it")));
    }
    Ok(())
}

/// The content as an object of canonical JSON.
fn content(json: &str) -> Result<Object<'_>, BuildError> {
    let document = json::read(json.as_bytes()).map_err(|error| BuildError::Content(error.to_string()))?;
    if !document.is_canonical {
        return Err(BuildError::Content("it has a number that canonical JSON does not know".to_owned()));
    }
    match document.value {
        Json::Object(content) => Ok(content),
        _ => Err(BuildError::Content("it is no object".to_owned())),
    }
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> Result<String, BuildError> {
    let mut out = Vec::with_capacity(256);
    write(&mut out);
    String::from_utf8(out).map_err(|error| BuildError::Content(error.to_string()))
}

struct Outer<'a> {
    kind: &'a str,
    draft: &'a EventDraft,
    place: &'a Place,
    old: Option<&'a OldForm<'a>>,
    redacts: Option<&'a OwnedEventId>,
}

impl Outer<'_> {
    /// The event with its keys in canonical order.
    fn write(
        &self,
        content: &str,
        hash: Option<&str>,
        with_redacts: bool,
        signature: Option<(&str, &str, &str)>,
    ) -> String {
        let place = self.place;
        let mut out = String::with_capacity(content.len() + 700);
        out.push_str("{\"auth_events\":");
        self.references(&mut out, &place.auth_events);
        out.push_str(",\"content\":");
        out.push_str(content);
        out.push_str(",\"depth\":");
        out.push_str(&place.depth.to_string());
        if let Some(old) = self.old {
            out.push_str(",\"event_id\":");
            string(&mut out, old.event_id.as_str());
        }
        if let Some(hash) = hash {
            out.push_str(",\"hashes\":{\"sha256\":\"");
            out.push_str(hash);
            out.push_str("\"}");
        }
        out.push_str(",\"origin_server_ts\":");
        out.push_str(&place.origin_server_ts.to_string());
        out.push_str(",\"prev_events\":");
        self.references(&mut out, &place.prev_events);
        if let Some(redacts) = self.redacts.filter(|_| with_redacts) {
            out.push_str(",\"redacts\":");
            string(&mut out, redacts.as_str());
        }
        if let Some(room_id) = &place.room_id {
            out.push_str(",\"room_id\":");
            string(&mut out, room_id.as_str());
        }
        out.push_str(",\"sender\":");
        string(&mut out, self.draft.sender.as_str());
        if let Some((server, key_id, signature)) = signature {
            out.push_str(",\"signatures\":{");
            string(&mut out, server);
            out.push_str(":{");
            string(&mut out, key_id);
            out.push(':');
            string(&mut out, signature);
            out.push_str("}}");
        }
        if let Some(state_key) = &self.draft.state_key {
            out.push_str(",\"state_key\":");
            string(&mut out, state_key);
        }
        out.push_str(",\"type\":");
        string(&mut out, self.kind);
        out.push('}');
        out
    }

    /// The events that it names: their ids, or pairs of an id and hashes.
    fn references(&self, out: &mut String, ids: &[OwnedEventId]) {
        out.push('[');
        for (index, id) in ids.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            match self.old {
                None => string(out, id.as_str()),
                Some(old) => {
                    out.push('[');
                    string(out, id.as_str());
                    out.push_str(",{\"sha256\":");
                    string(out, old.hashes.get(id).map(String::as_str).unwrap_or_default());
                    out.push_str("}]");
                }
            }
        }
        out.push(']');
    }
}

/// A string as JSON writes it, in its shortest form, which is the canonical one.
pub(super) fn string(out: &mut String, text: &str) {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        // A string always has a JSON form.
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
#[path = "build/tests.rs"]
mod tests;
