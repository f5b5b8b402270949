//! An event on its way from a cell to other people's servers: signatures of cells are replaced by the one that those know.
//!
//! Which room version it is of need not be known. Versions differ in what is left of an event when it is signed, and the cell's signature is right
//! for one of these forms: the same bytes are signed anew. Signatures are no part of an event's id.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use ruma::{
    OwnedEventId, OwnedRoomId, OwnedUserId, RoomVersionId, ServerName, UserId,
    room_version_rules::{RedactionRules, RoomVersionRules},
};
use sha2::{Digest, Sha256};

use super::{
    json::{self, Json, Object},
    receive::PublicKey,
    redact,
    sign::ServerSigner,
};

/// Signatures of cells that are looked at.
const SIGNATURES: usize = 8;

/// Signatures of cells under an event, and in whose name these must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Of the deployment's people, those for each of whom a home must have signed; where one of several is enough, these together.
    pub speakers: Vec<Vec<OwnedUserId>>,
    /// Ids of the keys with which it is signed.
    pub key_ids: Vec<String>,
    /// The event's room; of the event that makes a room it may be in its id alone.
    pub room_id: Option<OwnedRoomId>,
}

impl Claims {
    /// All who are named.
    pub fn users(&self) -> impl Iterator<Item = &UserId> {
        self.speakers.iter().flatten().map(|user| &**user)
    }
}

/// An event with other signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// The event.
    pub json: Vec<u8>,
    /// What its id may be: room version 3 spells it in another way than those after it.
    pub ids: Vec<OwnedEventId>,
    /// Ids of the keys whose signatures are right.
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
    let ours = |user: Option<&str>| -> Option<OwnedUserId> {
        let user = <&UserId>::try_from(user?).ok()?;
        (user.server_name() == server).then(|| user.to_owned())
    };
    let member = event.object("content").filter(|_| event.str("type") == Some("m.room.member"));
    let is = |membership| member.filter(|content| content.str("membership") == Some(membership));
    let (sender, invited) = (ours(event.str("sender")), is("invite").and_then(|_| ours(event.str("state_key"))));
    let mut speakers: Vec<Vec<OwnedUserId>> = Vec::new();
    if is("invite").is_some_and(|content| content.object("third_party_invite").is_some()) {
        // The server of whoever redeems such an invitation makes it in the inviter's name.
        speakers.push(sender.into_iter().chain(invited).collect());
    } else {
        // Whom another server's people invite, their own server signs.
        speakers.push(sender.or(invited).into_iter().collect());
    }
    speakers.push(
        is("join").and_then(|content| ours(content.str("join_authorised_via_users_server"))).into_iter().collect(),
    );
    speakers.retain(|any| !any.is_empty());
    let room_id = event.str("room_id").and_then(|room_id| OwnedRoomId::try_from(room_id).ok());
    Some(Claims { speakers, key_ids, room_id })
}

/// The event with one signature of `signer` in place of all that stand under the deployment's name. `key` gives the public half of a cell's key;
/// `is_enough` says of the keys whose signatures are right whether the event counts by them. What other servers signed stays.
pub fn replace<'k>(
    event: &[u8],
    signer: &ServerSigner,
    key: impl Fn(&str) -> Option<&'k PublicKey>,
    is_enough: impl Fn(&[&str]) -> bool,
) -> Result<Replaced, NotSigned> {
    let document = json::read(event).map_err(|_| NotSigned)?;
    let Json::Object(mut event) = document.value else { return Err(NotSigned) };
    let server = signer.server_name().as_str();
    let (signed, key_ids) = {
        let signatures = event.object("signatures").and_then(|all| all.object(server)).ok_or(NotSigned)?;
        let counted = signatures.iter().filter_map(|(id, signature)| Some((id, key(id)?, signature.as_str()?)));
        let counted: Vec<(&str, &PublicKey, &str)> = counted.take(SIGNATURES).collect();
        signed_form(&event, |bytes| {
            let right = counted.iter().filter(|(_, key, signature)| key.verify_base64(bytes, signature));
            let right: Vec<&str> = right.map(|(id, _, _)| *id).collect();
            (!right.is_empty() && is_enough(&right)).then(|| right.into_iter().map(str::to_owned).collect())
        })
        .ok_or(NotSigned)?
    };
    let ids = ids(&event, &signed);
    let signature = signer.sign(&signed);
    let mut all = match event.remove("signatures") {
        Some(Json::Object(all)) => all,
        _ => Object::default(),
    };
    let mut ours = Object::default();
    ours.insert(signer.key_id(), Json::String(signature.into()));
    all.insert(server, Json::Object(ours));
    event.insert("signatures", Json::Object(all));
    let mut json = Vec::with_capacity(signed.len() + 160);
    event.write_some(&mut json, |_| true);
    Ok(Replaced { json, ids, key_ids })
}

/// What an event's id may be, by the form of it that was signed: what is left out there is left out for the hash, too.
fn ids(event: &Object<'_>, signed: &[u8]) -> Vec<OwnedEventId> {
    if let Some(event_id) = event.str("event_id") {
        return OwnedEventId::try_from(event_id).into_iter().collect();
    }
    let hash = Sha256::digest(signed);
    let mut spelt = vec![BASE64_URL_SAFE_NO_PAD.encode(hash), BASE64_STANDARD_NO_PAD.encode(hash)];
    spelt.dedup();
    spelt.into_iter().filter_map(|hash| OwnedEventId::try_from(format!("${hash}")).ok()).collect()
}

/// The form of an event that was signed, by the rules of whichever room version that fits, with the keys that did it.
fn signed_form(event: &Object<'_>, fits: impl Fn(&[u8]) -> Option<Vec<String>>) -> Option<(Vec<u8>, Vec<String>)> {
    // One version of each set of rules, the newest first.
    let versions = [RoomVersionId::V11, RoomVersionId::V9, RoomVersionId::V8, RoomVersionId::V6, RoomVersionId::V1];
    let rules = versions.iter().filter_map(RoomVersionId::rules).map(|RoomVersionRules { redaction, .. }| redaction);
    rules.into_iter().find_map(|rules: RedactionRules| {
        let mut signed = Vec::new();
        redact::write(event, &rules, false, &mut signed);
        fits(&signed).map(|key_ids| (signed, key_ids))
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
                let Replaced { json: out, ids, key_ids } = replace(pdu.json(), &outer, known, |_| true).unwrap();
                assert!(ids.iter().any(|id| id == pdu.event_id()), "version {version}: {ids:?}");
                assert_eq!(key_ids, [cell.key_id()]);
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
        let enough = |_: &[&str]| true;
        assert_eq!(replace(pdu.json(), &outer, |id| (id == cell.key_id()).then_some(&key), enough), Err(NotSigned));
        // Another one's signature under the right name.
        let text = String::from_utf8(pdu.json().to_vec()).unwrap().replace("cell_03", "cell_01");
        assert_eq!(replace(text.as_bytes(), &outer, |_| Some(&key), enough), Err(NotSigned));
        // A right one that is not enough.
        let pdu = event("m.room.message", "{}", None, &RoomVersionId::V11, &cell);
        assert_eq!(replace(pdu.json(), &outer, |_| Some(&key), |ids| ids.len() > 1), Err(NotSigned));
        // A right one, and a change of what is signed.
        let pdu = event("m.room.message", "{}", None, &RoomVersionId::V11, &cell);
        let text = String::from_utf8(pdu.json().to_vec()).unwrap().replace("@alice:", "@carol:");
        assert_eq!(replace(text.as_bytes(), &outer, |_| Some(&key), enough), Err(NotSigned));
    }

    #[test]
    fn for_whom_homes_must_have_signed_is_read() {
        let cell = signer(1, "cell_01");
        let of = |membership: &str, more: &str, sender: &str, state_key: &str| {
            let content = format!(r#"{{"membership":"{membership}"{more}}}"#);
            let pdu = event("m.room.member", &content, Some(state_key), &RoomVersionId::V11, &cell);
            let text = String::from_utf8(pdu.json().to_vec()).unwrap().replace("@alice:example.org", sender);
            let found = claims(text.as_bytes(), server_name!("example.org"), is_cell).unwrap();
            assert_eq!(found.key_ids, ["ed25519:cell_01"]);
            assert_eq!(found.room_id.as_deref(), Some(room_id!("!r:example.org")));
            let words =
                found.speakers.iter().map(|any| any.iter().map(|user| user.localpart()).collect::<Vec<_>>().join(" "));
            words.collect::<Vec<_>>().join(", ")
        };
        let lets_in = r#","join_authorised_via_users_server":"@lets:example.org""#;
        let (alice, bob, eve) = ("@alice:example.org", "@bob:example.org", "@eve:example.com");
        assert_eq!(of("join", lets_in, alice, alice), "alice, lets");
        assert_eq!(of("join", lets_in, eve, eve), "lets");
        // Whoever is let in or invited says nothing about who sends it.
        assert_eq!(of("ban", lets_in, alice, bob), "alice");
        assert_eq!(of("invite", lets_in, alice, bob), "alice");
        assert_eq!(of("invite", "", eve, bob), "bob");
        assert_eq!(of("invite", r#","third_party_invite":{}"#, alice, bob), "alice bob");
        assert_eq!(of("leave", "", eve, bob), "");
        let pdu = event("m.room.member", "{}", Some(bob), &RoomVersionId::V11, &signer(2, "a1"));
        assert_eq!(claims(pdu.json(), server_name!("example.org"), is_cell), None);
        assert_eq!(claims(b"nonsense", server_name!("example.org"), is_cell), None);
    }
}
