//! An event on its way from a cell to other people's servers: signatures of cells are replaced by the one that those know.
//!
//! Which room version it is of need not be known. Versions differ in what is left of an event when it is signed, and the cell's signature is right
//! for one of these forms: the same bytes are signed anew. Signatures are no part of an event's id.

use ruma::{
    OwnedUserId, RoomVersionId, ServerName, UserId,
    room_version_rules::{RedactionRules, RoomVersionRules},
};

use super::{
    json::{self, Json, Object},
    receive::PublicKey,
    redact,
    sign::ServerSigner,
};

/// Signatures of cells that are looked at.
const SIGNATURES: usize = 8;

/// Signatures of cells under an event, and in whose name these may be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Of the deployment's people: the sender, who lets somebody in, and who is invited, as far as the event has them.
    pub users: Vec<OwnedUserId>,
    /// Ids of the keys with which it is signed.
    pub key_ids: Vec<String>,
}

/// An event that none of the homes has signed that could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the event has no signature of a home of whom it speaks for")]
pub struct NotSigned;

/// What the signatures of cells under an event claim; nothing if there are none. `is_cell` tells a cell's key by its id.
pub fn claims(event: &[u8], server: &ServerName, is_cell: impl Fn(&str) -> bool) -> Option<Claims> {
    let document = json::read(event).ok()?;
    let event = document.value.as_object()?;
    let signatures = event.object("signatures")?.object(server.as_str())?;
    let key_ids: Vec<String> =
        signatures.iter().map(|(id, _)| id).filter(|id| is_cell(id)).take(SIGNATURES).map(str::to_owned).collect();
    if key_ids.is_empty() {
        return None;
    }
    let member = event.object("content").filter(|_| event.str("type") == Some("m.room.member"));
    let lets_in = member.and_then(|content| content.str("join_authorised_via_users_server"));
    let invited =
        member.filter(|content| content.str("membership") == Some("invite")).and_then(|_| event.str("state_key"));
    let named = [event.str("sender"), lets_in, invited].into_iter().flatten();
    let ours = named.filter_map(|user| <&UserId>::try_from(user).ok()).filter(|user| user.server_name() == server);
    let mut users: Vec<OwnedUserId> = ours.map(ToOwned::to_owned).collect();
    users.sort_unstable();
    users.dedup();
    Some(Claims { users, key_ids })
}

/// The event with one signature of `signer` in place of all that stand under the deployment's name. `key` gives the public half of a key whose
/// signature counts for this event. What other servers signed stays.
pub fn replace<'k>(
    event: &[u8],
    signer: &ServerSigner,
    key: impl Fn(&str) -> Option<&'k PublicKey>,
) -> Result<Vec<u8>, NotSigned> {
    let document = json::read(event).map_err(|_| NotSigned)?;
    let Json::Object(mut event) = document.value else { return Err(NotSigned) };
    let server = signer.server_name().as_str();
    let signed = {
        let signatures = event.object("signatures").and_then(|all| all.object(server)).ok_or(NotSigned)?;
        let counted = signatures.iter().filter_map(|(id, signature)| Some((key(id)?, signature.as_str()?)));
        let counted: Vec<(&PublicKey, &str)> = counted.take(SIGNATURES).collect();
        signed_form(&event, |bytes| counted.iter().any(|(key, signature)| key.verify_base64(bytes, signature)))
            .ok_or(NotSigned)?
    };
    let signature = signer.sign(&signed);
    let mut all = match event.remove("signatures") {
        Some(Json::Object(all)) => all,
        _ => Object::default(),
    };
    let mut ours = Object::default();
    ours.insert(signer.key_id(), Json::String(signature.into()));
    all.insert(server, Json::Object(ours));
    event.insert("signatures", Json::Object(all));
    let mut out = Vec::with_capacity(signed.len() + 160);
    event.write_some(&mut out, |_| true);
    Ok(out)
}

/// The form of an event that was signed, by the rules of whichever room version that fits.
fn signed_form(event: &Object<'_>, fits: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    // One version of each set of rules, the newest first.
    let versions = [RoomVersionId::V11, RoomVersionId::V9, RoomVersionId::V8, RoomVersionId::V6, RoomVersionId::V1];
    let rules = versions.iter().filter_map(RoomVersionId::rules).map(|RoomVersionRules { redaction, .. }| redaction);
    rules.into_iter().find_map(|rules: RedactionRules| {
        let mut signed = Vec::new();
        redact::write(event, &rules, false, &mut signed);
        fits(&signed).then_some(signed)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ruma::{MilliSecondsSinceUnixEpoch, UInt, event_id, owned_server_name, room_id, server_name, user_id};
    use serde_json::value::RawValue;

    use super::*;
    use crate::event::{EventDraft, Pdu, Place, build, receive};

    fn signer(seed: u8, version: &str) -> ServerSigner {
        ServerSigner::from_seed(owned_server_name!("example.org"), &[seed; 32], version).unwrap()
    }

    fn public(signer: &ServerSigner) -> PublicKey {
        PublicKey::from_base64(&signer.public_key(), MilliSecondsSinceUnixEpoch(UInt::MAX)).unwrap()
    }

    fn is_cell(id: &str) -> bool {
        id.starts_with("ed25519:cell_")
    }

    fn event(kind: &str, content: &str, state_key: Option<&str>, version: &RoomVersionId, by: &ServerSigner) -> Pdu {
        let draft = EventDraft {
            kind: kind.into(),
            sender: user_id!("@alice:example.org").to_owned(),
            state_key: state_key.map(str::to_owned),
            content: RawValue::from_string(content.to_owned()).unwrap(),
            redacts: None,
        };
        let place = Place {
            room_id: Some(room_id!("!r:example.org").to_owned()),
            prev_events: vec![event_id!("$acR1l0raoZnm60CBwAVgqbZqoO-mYU81xysh1u7XcJk").to_owned()],
            auth_events: vec![],
            depth: 2,
            origin_server_ts: 5,
        };
        build(draft, place, &version.rules().unwrap(), by).unwrap()
    }

    #[test]
    fn the_cells_signature_is_replaced_and_the_id_stays_in_every_version() {
        let (cell, outer) = (signer(1, "cell_0102030405060708"), signer(2, "a1"));
        let key = public(&cell);
        let known = |id: &str| (id == cell.key_id()).then_some(&key);
        // Of each kind something stands in the content that some version's signature covers and another's does not.
        for (kind, content, state_key) in [
            ("m.room.message", r#"{"body":"x","msgtype":"m.text"}"#, None),
            (
                "m.room.member",
                r#"{"displayname":"A","join_authorised_via_users_server":"@c:example.org","membership":"join"}"#,
                Some("@alice:example.org"),
            ),
            ("m.room.join_rules", r#"{"allow":[],"join_rule":"restricted"}"#, Some("")),
            ("m.room.aliases", r##"{"aliases":["#a:example.org"]}"##, Some("example.org")),
            ("m.room.power_levels", r#"{"ban":1,"invite":7,"users":{}}"#, Some("")),
        ] {
            for version in ["3", "4", "5", "6", "7", "8", "9", "10", "11", "12"] {
                let version = RoomVersionId::try_from(version).unwrap();
                let rules = version.rules().unwrap();
                let pdu = event(kind, content, state_key, &version, &cell);
                let out = replace(pdu.json(), &outer, known).unwrap();
                let text = String::from_utf8(out.clone()).unwrap();
                assert!(!text.contains("cell_") && text.contains("ed25519:a1"), "{text}");
                let read = receive::read(&out, &rules).unwrap();
                assert_eq!(read.event_id(), pdu.event_id(), "version {version}");
                let keys = BTreeMap::from([("ed25519:a1".to_owned(), public(&outer))]);
                let keys = receive::KeyMap::from([(owned_server_name!("example.org"), keys)]);
                assert!(!read.verify(&keys).unwrap().redacted, "version {version}, {kind}");
            }
        }
    }

    #[test]
    fn what_no_home_signed_gets_no_signature() {
        let (cell, forger, outer) = (signer(1, "cell_01"), signer(3, "cell_03"), signer(2, "a1"));
        let key = public(&cell);
        let pdu = event("m.room.message", "{}", None, &RoomVersionId::V11, &forger);
        assert_eq!(replace(pdu.json(), &outer, |id| (id == cell.key_id()).then_some(&key)), Err(NotSigned));
        // Another one's signature under the right name.
        let text = String::from_utf8(pdu.json().to_vec()).unwrap().replace("cell_03", "cell_01");
        assert_eq!(replace(text.as_bytes(), &outer, |_| Some(&key)), Err(NotSigned));
        // A right one, and a change of what is signed.
        let pdu = event("m.room.message", "{}", None, &RoomVersionId::V11, &cell);
        let text = String::from_utf8(pdu.json().to_vec()).unwrap().replace("@alice:", "@carol:");
        assert_eq!(replace(text.as_bytes(), &outer, |_| Some(&key)), Err(NotSigned));
    }

    #[test]
    fn in_whose_name_a_cell_may_sign_is_read() {
        let cell = signer(1, "cell_01");
        let content = r#"{"join_authorised_via_users_server":"@lets:example.org","membership":"invite"}"#;
        let pdu = event("m.room.member", content, Some("@bob:example.org"), &RoomVersionId::V11, &cell);
        let found = claims(pdu.json(), server_name!("example.org"), is_cell).unwrap();
        assert_eq!(found.users, ["@alice:example.org", "@bob:example.org", "@lets:example.org"]);
        assert_eq!(found.key_ids, ["ed25519:cell_01"]);
        let pdu = event("m.room.member", content, Some("@bob:example.com"), &RoomVersionId::V11, &signer(2, "a1"));
        assert_eq!(claims(pdu.json(), server_name!("example.org"), is_cell), None);
        assert_eq!(claims(b"nonsense", server_name!("example.org"), is_cell), None);
    }
}
