//! New events: canonical JSON, content hash, signature and event id in one pass.
//!
//! The redacted form is signed, and its hash is the event id; both are made from the same bytes. The keys of the outer object are written in
//! their canonical order here, only the content goes through a map.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use domicile_core::limits;
use ruma::{
    CanonicalJsonObject, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedUserId, UInt,
    canonical_json::redact_content_in_place,
    events::TimelineEventType,
    room_version_rules::{EventIdFormatVersion, RoomVersionRules},
};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Pdu, ServerSigner, validate};

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

/// Makes an event.
pub fn build(
    draft: EventDraft,
    place: Place,
    rules: &RoomVersionRules,
    signer: &ServerSigner,
) -> Result<Pdu, BuildError> {
    let kind = draft.kind.to_string();
    check_length("the event's type", &kind)?;
    check_length("the state key", draft.state_key.as_deref().unwrap_or_default())?;
    check_length("the sender", draft.sender.as_str())?;
    validate::depth(draft.content.get())?;
    let mut content: CanonicalJsonObject =
        serde_json::from_str(draft.content.get()).map_err(|error| BuildError::Content(error.to_string()))?;
    let redacts_in_content = rules.redaction.content_field_redacts;
    if let (Some(redacts), true) = (&draft.redacts, redacts_in_content) {
        content.insert("redacts".into(), redacts.as_str().into());
    }
    let content_json = canonical(&content)?;
    let outer = Outer {
        kind: &kind,
        draft: &draft,
        place: &place,
        redacts: draft.redacts.as_ref().filter(|_| !redacts_in_content),
    };

    let unsigned = outer.write(content_json.get(), None, true, None);
    let content_hash = BASE64_STANDARD_NO_PAD.encode(Sha256::digest(unsigned.as_bytes()));

    redact_content_in_place(&mut content, &rules.redaction, &kind);
    let redacted = outer.write(canonical(&content)?.get(), Some(&content_hash), false, None);
    let reference_hash = Sha256::digest(redacted.as_bytes());
    let event_id = match rules.event_id_format {
        EventIdFormatVersion::V2 => format!("${}", BASE64_STANDARD_NO_PAD.encode(reference_hash)),
        _ => format!("${}", BASE64_URL_SAFE_NO_PAD.encode(reference_hash)),
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

fn canonical(content: &CanonicalJsonObject) -> Result<Box<RawValue>, BuildError> {
    serde_json::value::to_raw_value(content).map_err(|error| BuildError::Content(error.to_string()))
}

struct Outer<'a> {
    kind: &'a str,
    draft: &'a EventDraft,
    place: &'a Place,
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
        ids(&mut out, &place.auth_events);
        out.push_str(",\"content\":");
        out.push_str(content);
        out.push_str(",\"depth\":");
        out.push_str(&place.depth.to_string());
        if let Some(hash) = hash {
            out.push_str(",\"hashes\":{\"sha256\":\"");
            out.push_str(hash);
            out.push_str("\"}");
        }
        out.push_str(",\"origin_server_ts\":");
        out.push_str(&place.origin_server_ts.to_string());
        out.push_str(",\"prev_events\":");
        ids(&mut out, &place.prev_events);
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
}

fn ids(out: &mut String, ids: &[OwnedEventId]) {
    out.push('[');
    for (index, id) in ids.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        string(out, id.as_str());
    }
    out.push(']');
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
mod tests {
    use ruma::{
        RoomVersionId, owned_server_name,
        signatures::{hash_and_sign_event, reference_hash},
        user_id,
    };

    use super::*;

    fn signer() -> ServerSigner {
        ServerSigner::from_seed(owned_server_name!("example.org"), &[7; 32], "a1").unwrap()
    }

    fn draft(kind: &str, state_key: Option<&str>, content: &str) -> EventDraft {
        EventDraft {
            kind: kind.into(),
            sender: user_id!("@alice:example.org").to_owned(),
            state_key: state_key.map(str::to_owned),
            content: RawValue::from_string(content.to_owned()).unwrap(),
            redacts: None,
        }
    }

    fn place() -> Place {
        Place {
            room_id: Some(ruma::room_id!("!r:example.org").to_owned()),
            prev_events: vec![ruma::event_id!("$acR1l0raoZnm60CBwAVgqbZqoO-mYU81xysh1u7XcJk").to_owned()],
            auth_events: vec![],
            depth: 12,
            origin_server_ts: 1_700_000_000_000,
        }
    }

    /// What we make in one pass is what ruma makes in several.
    #[test]
    fn hashes_signatures_and_ids_are_those_of_ruma() {
        let signer = signer();
        for version in ["3", "4", "6", "8", "9", "10", "11", "12"] {
            let rules = RoomVersionId::try_from(version).unwrap().rules().unwrap();
            for draft in [
                draft(
                    "m.room.message",
                    None,
                    r#"{"body":"Grüße \u0007 \"x\"","msgtype":"m.text","z":1,"a":[{"b":null}]}"#,
                ),
                draft(
                    "m.room.member",
                    Some("@alice:example.org"),
                    r#"{"membership":"join","displayname":"A","join_authorised_via_users_server":"@b:c"}"#,
                ),
                draft(
                    "m.room.power_levels",
                    Some(""),
                    r#"{"users":{"@alice:example.org":100},"invite":3,"extra":true}"#,
                ),
                draft("m.room.join_rules", Some(""), r#"{"join_rule":"restricted","allow":[],"x":1}"#),
            ] {
                let pdu = build(draft, place(), &rules, &signer).unwrap();
                let mut theirs: CanonicalJsonObject = serde_json::from_slice(pdu.json()).unwrap();
                assert_eq!(serde_json::to_string(&theirs).unwrap().as_bytes(), &pdu.json()[..], "canonical order");
                theirs.remove("hashes");
                theirs.remove("signatures");
                hash_and_sign_event("example.org", signer.key_pair(), &mut theirs, &rules.redaction).unwrap();
                assert_eq!(serde_json::to_string(&theirs).unwrap().as_bytes(), &pdu.json()[..], "version {version}");
                let id = format!("${}", reference_hash(&theirs, &rules).unwrap());
                assert_eq!(pdu.event_id().as_str(), id, "version {version}");
                let again = Pdu::parse(pdu.event_id().to_owned(), pdu.json().clone(), &rules).unwrap();
                assert_eq!(again.sender(), pdu.sender());
                assert_eq!(again.content().get(), pdu.content().get());
            }
        }
    }

    #[test]
    fn what_is_too_large_or_no_canonical_json_is_refused() {
        let rules = RoomVersionId::V11.rules().unwrap();
        let large = format!(r#"{{"body":"{}"}}"#, "x".repeat(65_535));
        for (content, told) in [
            (large.as_str(), "at most 65535"),
            (r#"{"a":1.5}"#, "canonical"),
            (r#"{"a":9007199254740993}"#, "canonical"),
            ("[]", "canonical"),
        ] {
            let error = build(draft("m.x", None, content), place(), &rules, &signer()).unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(101), "]".repeat(101));
        assert!(build(draft("m.x", None, &deep), place(), &rules, &signer()).is_err());
        assert!(build(draft(&"t".repeat(256), None, "{}"), place(), &rules, &signer()).is_err());
    }
}
