//! The checks on events of other servers, with events that are right but for one thing.

use std::time::Instant;

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use ruma::{CanonicalJsonObject, RoomVersionId, UInt, owned_server_name, signatures as theirs};
use serde_json::{Value, json};

use super::*;
use crate::event::ServerSigner;

const ID: &str = "$acR1l0raoZnm60CBwAVgqbZqoO-mYU81xysh1u7XcJk";

pub(super) fn rules(version: &str) -> RoomVersionRules {
    RoomVersionId::try_from(version).unwrap().rules().unwrap()
}

fn signer(server: &str) -> ServerSigner {
    ServerSigner::from_seed(server.try_into().unwrap(), &[7; 32], "a1").unwrap()
}

pub(super) fn keys(servers: &[&str], valid_until: u64) -> KeyMap {
    let key = |server: &str| {
        let valid_until = ruma::MilliSecondsSinceUnixEpoch(UInt::try_from(valid_until).unwrap());
        let key = PublicKey::from_base64(&signer(server).public_key(), valid_until).unwrap();
        (server.try_into().unwrap(), [("ed25519:a1".to_owned(), key)].into())
    };
    servers.iter().map(|server| key(server)).collect()
}

/// A message as room versions from 3 on have it.
pub(super) fn message() -> Value {
    json!({
        "auth_events": [ID], "content": { "body": "Grüße", "msgtype": "m.text" }, "depth": 7, "origin_server_ts": 1_000,
        "prev_events": [ID], "room_id": "!r:example.org", "sender": "@alice:example.org", "type": "m.room.message",
        "unsigned": { "age": 5 }, "org.example.extra": [1, null],
    })
}

/// The same as room versions 1 and 2 have it.
fn old_message() -> Value {
    let mut event = message();
    event["event_id"] = "$one:example.org".into();
    event["prev_events"] = json!([["$zero:example.org", { "sha256": "x" }]]);
    event["auth_events"] = json!([["$zero:example.org", { "sha256": "x" }]]);
    event
}

/// Hashed and signed by somebody else's code.
pub(super) fn signed(event: &Value, by: &[&str], rules: &RoomVersionRules) -> String {
    let mut object: CanonicalJsonObject = serde_json::from_str(&event.to_string()).unwrap();
    theirs::add_content_hash_to_event(&mut object).unwrap();
    for server in by {
        theirs::sign_event(server, signer(server).key_pair(), &mut object, &rules.redaction).unwrap();
    }
    serde_json::to_string(&object).unwrap()
}

fn refused(json: &str, rules: &RoomVersionRules) -> Refused {
    read(json.as_bytes(), rules).unwrap_err()
}

fn refused_event(event: &Value, rules: &RoomVersionRules) -> Refused {
    refused(&signed(event, &["example.org"], rules), rules)
}

#[test]
fn what_others_sign_is_received_in_every_version() {
    for version in ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"] {
        let rules = rules(version);
        let old = brings_id(&rules);
        let json = signed(&if old { old_message() } else { message() }, &["example.org"], &rules);
        let unverified = read(json.as_bytes(), &rules).unwrap();
        assert_eq!(unverified.required().len(), 1);
        assert_eq!(unverified.required()[0].signatures[0].0, "ed25519:a1");
        let received = unverified.verify(&keys(&["example.org"], 2_000)).unwrap();
        assert!(!received.redacted, "{version}");
        let object: CanonicalJsonObject = serde_json::from_str(&json).unwrap();
        let id = if old {
            "$one:example.org".to_owned()
        } else {
            format!("${}", theirs::reference_hash(&object, &rules).unwrap())
        };
        assert_eq!(received.pdu.event_id().as_str(), id, "{version}");
        assert_eq!(reference_hash(&received.pdu, &rules).unwrap(), theirs::reference_hash(&object, &rules).unwrap());
        let kept: Value = serde_json::from_slice(received.pdu.json()).unwrap();
        assert!(kept.get("unsigned").is_none(), "what is not signed is not kept");
        assert_eq!(kept["org.example.extra"], json!([1, null]), "unknown keys are part of the hash");
        assert_eq!(received.pdu.prev_events().len(), 1);
        let again = read(received.pdu.json(), &rules).unwrap();
        assert_eq!(again.pdu().json(), received.pdu.json());
        assert!(again.is_of(received.pdu.room_id().unwrap()));
    }
}

#[test]
fn what_is_not_what_was_hashed_is_redacted() {
    let rules = rules("11");
    let mut event: Value = serde_json::from_str(&signed(&message(), &["example.org"], &rules)).unwrap();
    let id = read(event.to_string().as_bytes(), &rules).unwrap().event_id().to_owned();
    event["content"]["body"] = "something else".into();
    let received = read(event.to_string().as_bytes(), &rules).unwrap().verify(&keys(&["example.org"], 2_000)).unwrap();
    assert!(received.redacted);
    assert_eq!(received.pdu.event_id(), id);
    assert_eq!(received.pdu.content().get(), "{}");
    let kept: Value = serde_json::from_slice(received.pdu.json()).unwrap();
    assert!(kept.get("org.example.extra").is_none());
    assert!(kept["signatures"]["example.org"].is_object());
}

#[test]
fn a_key_that_is_missing_or_of_the_wrong_type_is_told_by_name() {
    let (new, old) = (rules("11"), rules("2"));
    for key in ["auth_events", "content", "depth", "origin_server_ts", "prev_events", "room_id", "sender", "type"] {
        for (rules, event) in [(&new, message()), (&old, old_message())] {
            let Value::Object(mut whole) = serde_json::from_str(&signed(&event, &["example.org"], rules)).unwrap()
            else {
                panic!()
            };
            for value in [Value::Null, json!(true), json!(["x"]), json!({}), json!(-1)] {
                if key == "content" && value.is_object() {
                    continue;
                }
                whole.insert(key.to_owned(), value);
                let refused = refused(&Value::Object(whole.clone()).to_string(), rules);
                assert!(matches!(refused, Refused::Format { key: told, .. } if told == key), "{key}: {refused}");
            }
            whole.remove(key);
            let refused = refused(&Value::Object(whole).to_string(), rules);
            assert!(matches!(refused, Refused::Format { key: told, .. } if told == key), "{key}: {refused}");
        }
    }
    for (key, value) in [
        ("hashes", json!({})),
        ("hashes", json!({ "sha256": 1 })),
        ("signatures", json!([])),
        ("signatures", json!({ "example.org": 1 })),
        ("signatures", json!({ "example.org": { "ed25519:a1": 1 } })),
        ("state_key", json!(1)),
        ("type", json!("a\u{0}b")),
        ("state_key", json!("\u{0}")),
        ("sender", json!("alice")),
        ("room_id", json!("r")),
        ("origin_server_ts", json!(9_007_199_254_740_992_u64)),
    ] {
        let mut event: Value = serde_json::from_str(&signed(&message(), &["example.org"], &new)).unwrap();
        event[key] = value;
        assert!(read(event.to_string().as_bytes(), &new).is_err(), "{key}");
    }
}

#[test]
fn versions_point_at_events_in_their_own_way() {
    let mut event = message();
    event["prev_events"] = old_message()["prev_events"].clone();
    assert!(matches!(refused_event(&event, &rules("3")), Refused::Format { key: "prev_events", .. }));
    let mut event = old_message();
    event["auth_events"] = message()["auth_events"].clone();
    assert!(matches!(refused_event(&event, &rules("2")), Refused::Format { key: "auth_events", .. }));
    let mut event = old_message();
    event["event_id"] = ID.into();
    assert!(matches!(refused_event(&event, &rules("1")), Refused::Format { key: "event_id", .. }), "no server in it");
    for (key, limit) in [("prev_events", 20), ("auth_events", 10)] {
        let mut event = message();
        event[key] = vec![ID; limit].into();
        assert!(read(signed(&event, &["example.org"], &rules("11")).as_bytes(), &rules("11")).is_ok());
        event[key] = vec![ID; limit + 1].into();
        let told = refused_event(&event, &rules("11"));
        assert_eq!(told, Refused::TooLarge { what: key, length: limit + 1, limit });
    }
}

#[test]
fn a_room_of_version_12_is_named_by_its_create_event() {
    let rules = rules("12");
    let mut create = message();
    create["type"] = "m.room.create".into();
    create["state_key"] = "".into();
    create["prev_events"] = json!([]);
    create["auth_events"] = json!([]);
    assert!(matches!(refused_event(&create, &rules), Refused::Format { key: "room_id", .. }), "it names no room");
    create.as_object_mut().unwrap().remove("room_id");
    let create = read(signed(&create, &["example.org"], &rules).as_bytes(), &rules).unwrap();
    let room_id = create.room_id().unwrap();
    assert_eq!(room_id.as_str()[1..], create.event_id().as_str()[1..]);
    assert!(create.is_of(&room_id) && !create.is_of(ruma::room_id!("!other")));
    let mut event = message();
    event["room_id"] = room_id.as_str().into();
    assert!(read(signed(&event, &["example.org"], &rules).as_bytes(), &rules).is_ok());
    event["auth_events"] = json!([create.event_id()]);
    assert!(matches!(refused_event(&event, &rules), Refused::Format { key: "auth_events", .. }));
}

#[test]
fn sizes_are_bounded() {
    let rules = rules("11");
    let mut event = message();
    let empty = {
        event["content"] = json!({ "body": "" });
        let json = signed(&event, &["example.org"], &rules);
        read(json.as_bytes(), &rules).unwrap().pdu().json().len()
    };
    let with = |event: &mut Value, length: usize| {
        event["content"] = json!({ "body": "x".repeat(length) });
        // The other's code hashes nothing that is too large, so the hash is wrong, which is no matter here.
        let mut json: Value = serde_json::from_str(&signed(&message(), &["example.org"], &rules)).unwrap();
        json["content"] = event["content"].clone();
        json.to_string()
    };
    let most = EVENT_BYTES - empty;
    assert!(read(with(&mut event, most).as_bytes(), &rules).is_ok());
    let told = refused(&with(&mut event, most + 1), &rules);
    assert!(matches!(told, Refused::TooLarge { what: "canonical JSON", .. }), "{told}");
    let told = refused(&format!("{{\"unsigned\":\"{}\"}}", "x".repeat(1024 * 1024)), &rules);
    assert!(matches!(told, Refused::TooLarge { what: "JSON", .. }));
    for (key, prefix) in [("type", ""), ("state_key", ""), ("sender", "@ü:"), ("room_id", "!"), ("prev_events", "$")] {
        let mut event = message();
        let id = |length: usize| format!("{prefix}{}", "x".repeat(length - prefix.len()));
        let mut put = |length: usize| {
            event[key] = if key == "prev_events" { json!([id(length)]) } else { id(length).into() };
            event["sender"].as_str().unwrap().split_once(':').map(|(_, server)| server.to_owned()).unwrap_or_default()
        };
        let server = put(255);
        let mut object: CanonicalJsonObject = serde_json::from_value(event.clone()).unwrap();
        theirs::hash_and_sign_event(&server, signer("example.org").key_pair(), &mut object, &rules.redaction).unwrap();
        assert!(read(serde_json::to_string(&object).unwrap().as_bytes(), &rules).is_ok(), "{key}");
        object.insert(key.to_owned(), if key == "prev_events" { vec![id(256).into()].into() } else { id(256).into() });
        let told = refused(&serde_json::to_string(&object).unwrap(), &rules);
        assert!(matches!(told, Refused::TooLarge { limit: 255, .. }), "{key}: {told}");
    }
    let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
    assert_eq!(refused(&format!("{{\"content\":{deep}}}"), &rules), Refused::Json(JsonError::TooDeep));
}

/// Room versions before 6 allow numbers that canonical JSON does not know; signed is what the reference implementation writes.
#[test]
fn numbers_are_checked_from_version_6_on() {
    let body = |content: &str, extra: &str| {
        format!(
            r#"{{"auth_events":[],"content":{content},"depth":7,{extra}"origin_server_ts":1,"prev_events":[],"room_id":"!r:example.org","sender":"@alice:example.org","type":"m.x"}}"#
        )
    };
    let hash =
        BASE64_STANDARD_NO_PAD.encode(<sha2::Sha256 as sha2::Digest>::digest(body(r#"{"a":100.0,"b":1e-05}"#, "")));
    let redacted = body("{}", &format!(r#""hashes":{{"sha256":"{hash}"}},"#));
    let signature = signer("example.org").sign(redacted.as_bytes());
    let sent = body(
        r#"{"b":0.00001,"a":1e2}"#,
        &format!(r#""hashes":{{"sha256":"{hash}"}},"signatures":{{"example.org":{{"ed25519:a1":"{signature}"}}}},"#),
    );
    let received = read(sent.as_bytes(), &rules("5")).unwrap().verify(&keys(&["example.org"], 2)).unwrap();
    assert!(!received.redacted);
    assert_eq!(received.pdu.content().get(), r#"{"a":100.0,"b":1e-05}"#);
    assert!(matches!(refused(&sent, &rules("6")), Refused::Format { key: "content", .. }));
    assert!(crate::event::redact::redact(&received.pdu, &rules("5")).is_ok());
}

#[test]
fn signatures_must_be_there_and_right() {
    let (new, old) = (rules("11"), rules("4"));
    let told = |event: &Value, by: &[&str], rules: &RoomVersionRules, keys: &KeyMap| {
        read(signed(event, by, rules).as_bytes(), rules).and_then(|unverified| unverified.verify(keys)).err()
    };
    let name = owned_server_name!("example.org");
    let known = keys(&["example.org", "example.com"], 2_000);
    assert_eq!(told(&message(), &["example.org"], &new, &known), None);
    assert_eq!(told(&message(), &["example.com"], &new, &known), Some(Refused::NotSigned(name.clone())));
    assert_eq!(told(&message(), &["example.org"], &new, &KeyMap::new()), Some(Refused::NoKey(name.clone())));
    let mut other = keys(&["example.org"], 2_000);
    let key = ServerSigner::from_seed(name.clone(), &[8; 32], "a1").unwrap().public_key();
    let valid_until = other[&name]["ed25519:a1"].valid_until();
    other.get_mut(&name).unwrap().insert("ed25519:a1".to_owned(), PublicKey::from_base64(&key, valid_until).unwrap());
    assert_eq!(told(&message(), &["example.org"], &new, &other), Some(Refused::WrongSignature(name.clone())));
    // A key that was no longer valid counts in versions that do not ask.
    let expired = keys(&["example.org"], 999);
    assert_eq!(told(&message(), &["example.org"], &new, &expired), Some(Refused::NoKey(name)));
    assert_eq!(told(&message(), &["example.org"], &old, &expired), None);
}

#[test]
fn others_than_the_sender_must_have_signed_where_the_specification_says_so() {
    let required = |event: &Value, by: &[&str], version: &str| {
        let rules = rules(version);
        let json = signed(event, by, &rules);
        let unverified = read(json.as_bytes(), &rules)?;
        let told = signers(json.as_bytes()).expect("who signed an event that can be read");
        assert_eq!(told.sent_ts, i64::from(unverified.pdu().origin_server_ts().0));
        for Required { server, signatures, .. } in unverified.required() {
            let (_, ids) = told.servers.iter().find(|(name, _)| name == server).expect("a server that is required");
            assert!(signatures.iter().all(|(id, _)| ids.contains(id)), "{ids:?}");
        }
        Ok::<_, Refused>(unverified.required().iter().map(|required| required.server.to_string()).collect::<Vec<_>>())
    };
    let mut event = old_message();
    event["event_id"] = "$one:example.com".into();
    let missing = Err(Refused::NotSigned(owned_server_name!("example.com")));
    assert_eq!(required(&event, &["example.org"], "2"), missing);
    assert_eq!(required(&event, &["example.org", "example.com"], "2").unwrap(), ["example.com", "example.org"]);

    let mut join = message();
    join["type"] = "m.room.member".into();
    join["state_key"] = "@alice:example.org".into();
    join["content"] = json!({ "membership": "join", "join_authorised_via_users_server": "@bob:example.com" });
    assert_eq!(required(&join, &["example.org"], "7").unwrap(), ["example.org"], "no restricted rooms yet");
    assert_eq!(required(&join, &["example.org"], "8"), missing);
    assert_eq!(required(&join, &["example.org", "example.com"], "8").unwrap(), ["example.com", "example.org"]);
    join["content"]["join_authorised_via_users_server"] = "bob".into();
    assert!(required(&join, &["example.org"], "8").is_err());

    let mut invite = join;
    invite["content"] = json!({ "membership": "invite", "third_party_invite": { "signed": {} } });
    assert!(required(&invite, &[], "11").is_err(), "no signatures at all");
    assert!(required(&invite, &["example.com"], "11").unwrap().is_empty(), "an invitation by e-mail");
    // Nobody may make one's plain invitation of it by breaking its hash.
    for (version, allowed) in [("10", false), ("11", true)] {
        let rules = rules(version);
        let mut broken: Value = serde_json::from_str(&signed(&invite, &["example.com"], &rules)).unwrap();
        broken["content"]["reason"] = "x".into();
        let read = read(broken.to_string().as_bytes(), &rules);
        assert_eq!(read.as_ref().map(|read| read.required().len()).ok(), allowed.then_some(0), "{version}");
        assert!(read.is_ok_and(|read| read.pdu().content().get().contains("third_party_invite")) == allowed);
    }
    invite["content"] = json!({ "membership": "invite", "third_party_invite": null });
    assert!(required(&invite, &["example.com"], "11").is_err());
}

#[test]
fn of_a_list_the_events_of_the_room_are_kept() {
    let rules = rules("11");
    let raw =
        |event: &Value| serde_json::value::RawValue::from_string(signed(event, &["example.org"], &rules)).unwrap();
    let mut other = message();
    other["room_id"] = "!other:example.org".into();
    let mut broken = message();
    broken["depth"] = "deep".into();
    let list = [raw(&message()), raw(&other), raw(&message()), raw(&broken)];
    let list = || list.iter().map(AsRef::as_ref);
    let many = read_many(list(), 4, ruma::room_id!("!r:example.org"), &rules).unwrap();
    assert_eq!((many.events.len(), many.refused.len()), (1, 2));
    let told = read_many(list(), 3, ruma::room_id!("!r:example.org"), &rules).unwrap_err();
    assert!(matches!(told, Refused::TooLarge { length: 4, limit: 3, .. }));
}

/// How long one event takes: `cargo test --release -p domicile-room receive -- --nocapture`.
#[test]
#[expect(clippy::disallowed_methods, reason = "what is measured is this machine's time")]
fn an_event_is_received_in_microseconds() {
    let rules = rules("11");
    let events: Vec<String> = (0..500)
        .map(|number| {
            let mut join = message();
            join["type"] = "m.room.member".into();
            join["state_key"] = "@alice:example.org".into();
            join["content"] = json!({ "membership": "join", "displayname": format!("Alice {number}"), "avatar_url": "mxc://example.org/abcdefghijk" });
            join["auth_events"] = vec![ID; 4].into();
            signed(&join, &["example.org"], &rules)
        })
        .collect();
    let keys = keys(&["example.org"], 2_000);
    let all: theirs::PublicKeyMap = [(
        "example.org".to_owned(),
        [("ed25519:a1".to_owned(), ruma::serde::Base64::parse(signer("example.org").public_key()).unwrap())].into(),
    )]
    .into();
    let micros = |begun: Instant| begun.elapsed().as_micros() / 500;
    let begun = Instant::now();
    let read: Vec<Unverified> = events.iter().map(|json| read(json.as_bytes(), &rules).unwrap()).collect();
    let reading = micros(begun);
    let together: Vec<Unverified> = events.iter().map(|json| super::read(json.as_bytes(), &rules).unwrap()).collect();
    let begun = Instant::now();
    for unverified in read {
        assert!(!unverified.verify(&keys).unwrap().redacted);
    }
    let verifying = micros(begun);
    let begun = Instant::now();
    assert!(all_signed(&together, &keys));
    let at_once = micros(begun);
    let begun = Instant::now();
    for json in &events {
        let object: CanonicalJsonObject = serde_json::from_str(json).unwrap();
        assert_eq!(theirs::verify_event(&all, &object, &rules).unwrap(), theirs::Verified::All);
        theirs::reference_hash(&object, &rules).unwrap();
    }
    println!(
        "an event: {reading} µs to read and hash, {verifying} µs to verify, {at_once} together with 499; with ruma alone {} µs",
        micros(begun)
    );
}
