//! What is left of an event that was redacted, and the bytes that are signed and hashed, which are the same but for signatures.
//!
//! The keys that stay are those of the room version's section *Redactions*.

use bytes::Bytes;
use ruma::room_version_rules::{RedactionRules, RoomVersionRules};

use super::{
    Pdu, PduError,
    json::{self, Json, Object, write_key},
};

/// The event without what its room version lets a redaction take away. Its id, and so its place in the graph, stays.
pub fn redact(pdu: &Pdu, rules: &RoomVersionRules) -> Result<Pdu, PduError> {
    let failed = |error: String| PduError::new(pdu.event_id().to_owned(), error);
    let document = json::read(pdu.json()).map_err(|error| failed(error.to_string()))?;
    let object = document.value.as_object().ok_or_else(|| failed("it is no object".to_owned()))?;
    let mut out = Vec::with_capacity(pdu.json().len());
    write(object, &rules.redaction, true, &mut out);
    Pdu::parse(pdu.event_id().to_owned(), Bytes::from(out), rules)
}

/// Writes what a redaction leaves, in canonical form; `unsigned` never, and signatures if they are wanted.
pub(super) fn write(event: &Object<'_>, rules: &RedactionRules, with_signatures: bool, out: &mut Vec<u8>) {
    let kind = event.str("type").unwrap_or_default();
    out.push(b'{');
    let mut first = true;
    for (key, value) in event.iter().filter(|(key, _)| stays(key, rules)) {
        if key == "signatures" && !with_signatures {
            continue;
        }
        write_key(out, key, &mut first);
        match value {
            Json::Object(content) if key == "content" => write_content(content, kind, rules, out),
            _ => value.write(out),
        }
    }
    out.push(b'}');
}

/// Whether a key of the event itself stays.
fn stays(key: &str, rules: &RedactionRules) -> bool {
    match key {
        "event_id" | "type" | "room_id" | "sender" | "state_key" | "content" | "hashes" | "signatures" | "depth"
        | "prev_events" | "auth_events" | "origin_server_ts" => true,
        "origin" | "membership" | "prev_state" => rules.keep_origin_membership_prev_state,
        _ => false,
    }
}

/// Writes what stays of the content.
pub(super) fn write_content(content: &Object<'_>, kind: &str, rules: &RedactionRules, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut first = true;
    for (key, value) in content.iter().filter(|(key, _)| stays_in_content(kind, key, rules)) {
        if kind == "m.room.member" && key == "third_party_invite" {
            let Json::Object(invite) = value else { continue };
            write_key(out, key, &mut first);
            invite.write_some(out, |key| key == "signed");
        } else {
            write_key(out, key, &mut first);
            value.write(out);
        }
    }
    out.push(b'}');
}

/// Whether a key of the content stays.
fn stays_in_content(kind: &str, key: &str, rules: &RedactionRules) -> bool {
    match (kind, key) {
        ("m.room.member", "membership")
        | ("m.room.create", "creator")
        | ("m.room.join_rules", "join_rule")
        | ("m.room.history_visibility", "history_visibility")
        | (
            "m.room.power_levels",
            "ban" | "events" | "events_default" | "kick" | "redact" | "state_default" | "users" | "users_default",
        ) => true,
        ("m.room.create", _) => rules.keep_room_create_content,
        ("m.room.member", "join_authorised_via_users_server") => {
            rules.keep_room_member_join_authorised_via_users_server
        }
        ("m.room.member", "third_party_invite") => rules.keep_room_member_third_party_invite_signed,
        ("m.room.join_rules", "allow") => rules.keep_room_join_rules_allow,
        ("m.room.power_levels", "invite") => rules.keep_room_power_levels_invite,
        ("m.room.redaction", "redacts") => rules.keep_room_redaction_redacts,
        ("m.room.aliases", "aliases") => rules.keep_room_aliases_aliases,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use ruma::{CanonicalJsonObject, RoomVersionId, canonical_json};

    use super::*;

    const CONTENTS: [(&str, &str); 9] = [
        (
            "m.room.member",
            r#"{"membership":"invite","displayname":"A","join_authorised_via_users_server":"@b:c","third_party_invite":{"signed":{"mxid":"@a:b"},"display_name":"x"}}"#,
        ),
        ("m.room.create", r#"{"creator":"@a:b","room_version":"9","m.federate":true}"#),
        ("m.room.join_rules", r#"{"join_rule":"restricted","allow":[1],"x":2}"#),
        ("m.room.history_visibility", r#"{"history_visibility":"shared","x":2}"#),
        (
            "m.room.power_levels",
            r#"{"ban":1,"events":{},"events_default":1,"kick":2,"redact":3,"state_default":4,"users":{"@a:b":1},"users_default":1,"invite":3,"notifications":{"room":1},"x":1}"#,
        ),
        ("m.room.redaction", r#"{"redacts":"$x","reason":"y"}"#),
        ("m.room.aliases", r##"{"aliases":["#a:b"],"x":1}"##),
        ("m.room.message", r#"{"body":"x","membership":"join","creator":"@a:b"}"#),
        ("m.room.encrypted", r#"{"membership":"join"}"#),
    ];

    #[test]
    fn the_same_stays_as_elsewhere_in_every_room_version() {
        for version in 1..=12_u8 {
            let rules = RoomVersionId::try_from(version.to_string()).unwrap().rules().unwrap();
            for (kind, content) in CONTENTS {
                let event = format!(
                    r#"{{"type":"{kind}","content":{content},"room_id":"!r:e","sender":"@a:b","state_key":"","event_id":"$x","hashes":{{"sha256":"x"}},"signatures":{{"b":{{"ed25519:1":"s"}}}},"depth":1,"prev_events":[],"auth_events":[],"origin_server_ts":1,"origin":"b","membership":"join","prev_state":[],"redacts":"$y","unsigned":{{"age":1}},"other":true}}"#
                );
                let document = json::read(event.as_bytes()).unwrap();
                let mut out = Vec::new();
                write(document.value.as_object().unwrap(), &rules.redaction, true, &mut out);
                let object: CanonicalJsonObject = serde_json::from_str(&event).unwrap();
                let theirs = canonical_json::redact(object, &rules.redaction, None).unwrap();
                assert_eq!(
                    String::from_utf8(out).unwrap(),
                    serde_json::to_string(&theirs).unwrap(),
                    "{kind} in version {version}"
                );
            }
        }
    }
}
