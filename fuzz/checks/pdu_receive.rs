//! Whatever bytes come as an event of another server: refused, or an event that is the same when it is read again, in every room version.

use domicile_room::auth;
use domicile_room::event::receive::{self, KeyMap, Unverified};
use domicile_room::event::{ClientEvent, ServerSigner, redact, sign};
use ruma::room_version_rules::RoomVersionRules;
use ruma::{RoomVersionId, owned_server_name};

/// The first byte chooses the room version; the rest is JSON, or not.
pub fn run(data: &[u8]) {
    let [version, json @ ..] = data else { return };
    let version = 1 + version % 12;
    let Some(rules) = RoomVersionId::try_from(version.to_string()).ok().and_then(|version| version.rules()) else {
        return;
    };
    let _ = receive::room_of(json);
    if let Ok(event) = receive::read(json, &rules) {
        accepted(event, &rules);
    }
}

/// What must hold of every event that is not refused.
fn accepted(event: Unverified, rules: &RoomVersionRules) {
    let pdu = event.pdu();
    assert!(pdu.json().len() <= receive::EVENT_BYTES, "an event of {} bytes", pdu.json().len());
    for id in
        [pdu.event_id().as_str(), pdu.sender().as_str(), pdu.state_key().unwrap_or_default(), &pdu.kind().to_string()]
    {
        assert!(id.len() <= 255 && !id.contains('\0'), "{id:?} was accepted");
    }
    assert!(pdu.prev_events().len() <= 20 && pdu.auth_events().len() <= 10);
    assert!(event.room_id().is_some_and(|room_id| event.is_of(&room_id)), "an event of no room");
    let again = receive::read(pdu.json(), rules);
    assert!(
        again.as_ref().is_ok_and(|again| again.event_id() == event.event_id() && again.pdu().json() == pdu.json()),
        "read again it is another: {again:?}",
    );
    assert!(ClientEvent::new(pdu).raw_with_room(ruma::room_id!("!r:x"), None).is_ok(), "it cannot be shown");
    let hash = receive::reference_hash(pdu, rules).unwrap_or_default();
    assert!(
        rules.event_format.require_event_id || pdu.event_id().as_str().get(1..) == Some(&hash),
        "its id is not its hash"
    );
    let redacted = redact::redact(pdu, rules).and_then(|redacted| receive::reference_hash(&redacted, rules));
    assert_eq!(redacted.ok(), Some(hash), "a redaction changes its hash");
    let _ = auth::auth_event_keys(pdu.kind(), pdu.sender(), pdu.state_key(), pdu.content(), rules);
    let _ = auth::allowed_by_auth_events(pdu, rules, &[]);
    let _ = (auth::room_version(pdu), pdu.membership(), pdu.relation());
    if let Ok(signer) = ServerSigner::from_seed(owned_server_name!("example.com"), &[7; 32], "a1")
        && let Ok(signed) = sign::sign_again(pdu, rules, &signer)
    {
        let read = receive::read(signed.json(), rules);
        assert!(read.is_ok_and(|read| read.event_id() == pdu.event_id()), "a signature more makes another event of it");
    }
    let unsigned = event.required().is_empty();
    assert_eq!(event.verify(&KeyMap::new()).is_ok(), unsigned, "it was taken for signed");
}
