//! What is built is what others build.

use ruma::{
    CanonicalJsonObject, RoomVersionId, owned_server_name,
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
            draft("m.room.message", None, r#"{"body":"Grüße \u0007 \"x\"","msgtype":"m.text","z":1,"a":[{"b":null}]}"#),
            draft(
                "m.room.member",
                Some("@alice:example.org"),
                r#"{"membership":"join","displayname":"A","join_authorised_via_users_server":"@b:c"}"#,
            ),
            draft("m.room.power_levels", Some(""), r#"{"users":{"@alice:example.org":100},"invite":3,"extra":true}"#),
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

/// What room versions 1 and 2 have besides: ids that are chosen, and hashes of the events that are named.
#[test]
fn events_of_old_rooms_are_those_of_ruma_too() {
    let signer = signer();
    for version in ["1", "2"] {
        let rules = RoomVersionId::try_from(version).unwrap().rules().unwrap();
        let mut place = place();
        place.prev_events = vec![ruma::event_id!("$zero:example.com").to_owned()];
        place.auth_events.clone_from(&place.prev_events);
        let id = || ruma::event_id!("$opaque:example.org").to_owned();
        let topic = || draft("m.room.topic", Some(""), r#"{"topic":"x"}"#);
        assert!(build(topic(), place.clone(), &rules, &signer).is_err(), "without an id");
        assert!(build_old(topic(), place.clone(), id(), &ReferenceHashes::new(), &rules, &signer).is_err());
        let hashes = ReferenceHashes::from([(place.prev_events[0].clone(), "aGFzaA".to_owned())]);
        let pdu = build_old(topic(), place.clone(), id(), &hashes, &rules, &signer).unwrap();
        let mut theirs: CanonicalJsonObject = serde_json::from_slice(pdu.json()).unwrap();
        theirs.remove("hashes");
        theirs.remove("signatures");
        hash_and_sign_event("example.org", signer.key_pair(), &mut theirs, &rules.redaction).unwrap();
        assert_eq!(serde_json::to_string(&theirs).unwrap().as_bytes(), &pdu.json()[..], "version {version}");
        let unverified = crate::event::receive::read(pdu.json(), &rules).unwrap();
        assert_eq!(unverified.event_id(), "$opaque:example.org");
        assert_eq!(unverified.pdu().auth_events(), place.auth_events);
        assert_eq!(unverified.required().len(), 1);
        let new = RoomVersionId::V11.rules().unwrap();
        assert!(build_old(topic(), place, id(), &hashes, &new, &signer).is_err());
    }
}
