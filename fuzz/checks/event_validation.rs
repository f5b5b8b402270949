//! Whatever bytes come as an event or as an event's content: an error or an event, never a panic, and never an event that
//! breaks the promises of those that are made or read here.

use std::collections::HashMap;

use bytes::Bytes;
use domicile_room::auth;
use domicile_room::event::{ClientEvent, EventDraft, Pdu, Place, ServerSigner, build, client_json, redact};
use ruma::room_version_rules::RoomVersionRules;
use ruma::{CanonicalJsonObject, RoomVersionId, event_id, owned_server_name, owned_user_id};
use serde_json::value::RawValue;

/// The most that an event may have, by the specification.
const MOST_BYTES: usize = 65_535;

const KINDS: &[(&str, Option<&str>)] = &[
    ("m.room.message", None),
    ("m.room.create", Some("")),
    ("m.room.member", Some("@alice:example.org")),
    ("m.room.member", Some("@bob:example.com")),
    ("m.room.power_levels", Some("")),
    ("m.room.join_rules", Some("")),
    ("m.room.third_party_invite", Some("token")),
    ("m.room.redaction", None),
    ("org.example.\u{1f}\"kind\\", Some("\n")),
];

/// The first byte chooses the room version, the second the event's type; the rest is JSON, or not.
pub fn run(data: &[u8]) {
    let [version, kind, rest @ ..] = data else { return };
    let version = 3 + version % 10;
    let Some(rules) = RoomVersionId::try_from(version.to_string()).ok().and_then(|version| version.rules()) else {
        return;
    };
    received(rest, &rules);
    if let Ok(content) = std::str::from_utf8(rest) {
        sent(content, KINDS[usize::from(*kind) % KINDS.len()], &rules);
    }
}

/// The bytes as another server's event.
fn received(bytes: &[u8], rules: &RoomVersionRules) {
    let id = event_id!("$acR1l0raoZnm60CBwAVgqbZqoO-mYU81xysh1u7XcJk").to_owned();
    if let Ok(pdu) = Pdu::parse(id, Bytes::copy_from_slice(bytes), rules) {
        read(&pdu, rules);
    }
}

/// The text as the content of a client's event.
fn sent(content: &str, (kind, state_key): (&str, Option<&str>), rules: &RoomVersionRules) {
    let Ok(content) = RawValue::from_string(content.to_owned()) else { return };
    let Ok(signer) = ServerSigner::from_seed(owned_server_name!("example.org"), &[7; 32], "a1") else { return };
    let draft = EventDraft {
        kind: kind.into(),
        sender: owned_user_id!("@alice:example.org"),
        state_key: state_key.map(str::to_owned),
        content,
        redacts: (kind == "m.room.redaction").then(|| event_id!("$redacted:example.org").to_owned()),
    };
    let place = Place {
        room_id: Some(ruma::room_id!("!r:example.org").to_owned()),
        prev_events: vec![event_id!("$acR1l0raoZnm60CBwAVgqbZqoO-mYU81xysh1u7XcJk").to_owned()],
        auth_events: Vec::new(),
        depth: 12,
        origin_server_ts: 1_700_000_000_000,
    };
    let Ok(pdu) = build(draft, place, rules, &signer) else { return };

    assert!(pdu.json().len() <= MOST_BYTES, "an event of {} bytes was made", pdu.json().len());
    let canonical = serde_json::from_slice::<CanonicalJsonObject>(pdu.json()).map(|object| serde_json::to_vec(&object));
    assert!(
        matches!(&canonical, Ok(Ok(bytes)) if *bytes == pdu.json()[..]),
        "an event was made whose JSON is not canonical: {}",
        String::from_utf8_lossy(pdu.json()),
    );
    let again = Pdu::parse(pdu.event_id().to_owned(), pdu.json().clone(), rules);
    assert!(again.is_ok_and(|again| again.content().get() == pdu.content().get()), "what was made cannot be read");
    let redacted = redact::redact(&pdu, rules);
    let id = redacted.ok().and_then(|redacted| {
        let object: CanonicalJsonObject = serde_json::from_slice(redacted.json()).ok()?;
        ruma::signatures::reference_hash(&object, rules).ok()
    });
    assert_eq!(id.map(|hash| format!("${hash}")).as_deref(), Some(pdu.event_id().as_str()), "redaction changed the id");
    read(&pdu, rules);
}

/// All that is asked of an event, wherever it is from.
fn read(pdu: &Pdu, rules: &RoomVersionRules) {
    let shown = ClientEvent::new(pdu).raw_with_room(ruma::room_id!("!r:example.org"), Some("{\"age\":1}"));
    assert!(shown.is_ok(), "an event cannot be shown to clients: {}", String::from_utf8_lossy(pdu.json()));
    assert!(client_json::stripped(pdu).is_ok(), "an event cannot be shown stripped");
    let (_, _) = (pdu.membership(), pdu.relation());
    // Malformed content may be refused in any way but a panic.
    let _ = auth::auth_event_keys(pdu.kind(), pdu.sender(), pdu.state_key(), pdu.content(), rules);
    let _ = auth::creators(pdu, rules);
    let _ = auth::power_levels(pdu, Some(pdu), rules);
    if *pdu.kind() != ruma::events::TimelineEventType::RoomCreate {
        assert!(
            auth::authorise(pdu, rules, &HashMap::new()).is_err(),
            "an event was allowed in a room without a beginning"
        );
    }
    let _ = redact::redact(pdu, rules);
}
