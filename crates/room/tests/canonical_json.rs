//! Properties of canonical JSON and of the events made of it, over contents that nobody would write by hand.

#![expect(clippy::unwrap_used, reason = "a step of a test that fails ends the test")]

use std::fmt::Write as _;

use domicile_room::event::{EventDraft, Pdu, Place, ServerSigner, build, redact};
use proptest::prelude::*;
use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, RoomVersionId, owned_server_name, room_id,
    serde::Base64,
    signatures::{PublicKeyMap, reference_hash, verify_event},
    user_id,
};
use serde_json::{Map, Value, value::RawValue};

const VERSIONS: [&str; 10] = ["3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];
const KINDS: [&str; 4] = ["org.example.any", "m.room.member", "m.room.power_levels", "m.room.join_rules"];
/// The largest integer that canonical JSON knows.
const LARGEST: i64 = (1 << 53) - 1;

/// Any text: letters of all scripts, quotes, control characters, what JSON escapes and what it does not.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\\x00-\\x1f\"\\\\/\u{7f}\u{2028}\u{ffff}😀é]{0,12}", "[a-z.]{0,8}"]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-LARGEST..=LARGEST).prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn content() -> impl Strategy<Value = Value> {
    prop::collection::vec((text(), value()), 0..8).prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
}

/// A string whose every letter is an escape.
fn escaped(text: &str, out: &mut String) {
    out.push('"');
    for unit in text.encode_utf16() {
        write!(out, "\\u{unit:04x}").unwrap();
    }
    out.push('"');
}

/// JSON as another program might write it: keys from last to first, letters as escapes, spaces everywhere.
fn written_otherwise(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => {
            out.push(' ');
            escaped(text, out);
            out.push(' ');
        }
        Value::Array(items) => {
            out.push_str("[\n");
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { " ,\t" } else { "" });
                written_otherwise(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push_str("{ ");
            for (index, (key, item)) in map.iter().rev().enumerate() {
                out.push_str(if index > 0 { " ,\r\n" } else { "" });
                escaped(key, out);
                out.push_str(" : ");
                written_otherwise(item, out);
            }
            out.push_str(" }");
        }
        other => out.push_str(&other.to_string()),
    }
}

fn made(content: &str, kind: &str, version: &str) -> (Pdu, ServerSigner) {
    let signer = ServerSigner::from_seed(owned_server_name!("example.org"), &[7; 32], "a1").unwrap();
    let draft = EventDraft {
        kind: kind.into(),
        sender: user_id!("@alice:example.org").to_owned(),
        state_key: kind.starts_with("m.room.").then(|| "@alice:example.org".to_owned()),
        content: RawValue::from_string(content.to_owned()).unwrap(),
        redacts: None,
    };
    let place = Place {
        room_id: Some(room_id!("!r:example.org").to_owned()),
        prev_events: Vec::new(),
        auth_events: Vec::new(),
        depth: 7,
        origin_server_ts: 1_700_000_000_000,
    };
    let rules = RoomVersionId::try_from(version).unwrap().rules().unwrap();
    (build(draft, place, &rules, &signer).unwrap(), signer)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Nothing is lost or added, and writing it again in canonical form changes no byte.
    #[test]
    fn it_says_the_same_and_is_its_own_canonical_form(content in content()) {
        let (pdu, _) = made(&content.to_string(), "org.example.any", "11");
        prop_assert_eq!(&serde_json::from_str::<Value>(pdu.content().get()).unwrap(), &content);
        let again: CanonicalJsonValue = serde_json::from_str(pdu.content().get()).unwrap();
        prop_assert_eq!(again.to_string(), pdu.content().get());
        let whole: CanonicalJsonObject = serde_json::from_slice(pdu.json()).unwrap();
        prop_assert_eq!(serde_json::to_vec(&whole).unwrap(), pdu.json().to_vec());
    }

    /// How a client writes its JSON makes no difference.
    #[test]
    fn order_spaces_and_escapes_make_no_difference(content in content()) {
        let (one, _) = made(&content.to_string(), "org.example.any", "12");
        let mut otherwise = String::new();
        written_otherwise(&content, &mut otherwise);
        let (other, _) = made(&otherwise, "org.example.any", "12");
        prop_assert_eq!(one.json(), other.json());
        prop_assert_eq!(one.event_id(), other.event_id());
    }

    /// Another server accepts hash and signature, finds the same id, and finds it again in what a redaction leaves.
    #[test]
    fn another_server_accepts_it(
        mut content in content(),
        kind in prop::sample::select(KINDS.to_vec()),
        version in prop::sample::select(VERSIONS.to_vec()),
    ) {
        let rules = RoomVersionId::try_from(version).unwrap().rules().unwrap();
        if kind == "m.room.member" {
            content["membership"] = "leave".into();
        }
        let (pdu, signer) = made(&content.to_string(), kind, version);
        let object: CanonicalJsonObject = serde_json::from_slice(pdu.json()).unwrap();
        let key = Base64::parse(signer.public_key()).unwrap();
        let keys: PublicKeyMap = [("example.org".to_owned(), [(signer.key_id().to_owned(), key)].into())].into();
        let verified = verify_event(&keys, &object, &rules);
        prop_assert!(verified.is_ok(), "{:?}", verified);
        let id = format!("${}", reference_hash(&object, &rules).unwrap());
        prop_assert_eq!(pdu.event_id().as_str(), &id);
        let emptied = redact::redact(&pdu, &rules).unwrap();
        let object: CanonicalJsonObject = serde_json::from_slice(emptied.json()).unwrap();
        prop_assert_eq!(id, format!("${}", reference_hash(&object, &rules).unwrap()));
    }
}
