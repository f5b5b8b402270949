//! The server that a room has chosen to look at events before they are shown (server-server, *Policy Servers*).
//!
//! Its signature is no matter of authorisation: an event without it is soft-failed, and not sent if it is one's own.

use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedServerName, ServerName, UInt, events::TimelineEventType,
    room_version_rules::RoomVersionRules,
};
use serde::Deserialize;

use super::{
    Pdu, PduError, json,
    receive::PublicKey,
    sign::{add_signature, signed_bytes},
};

/// The id under which a policy server's signatures stand.
pub const KEY_ID: &str = "ed25519:policy_server";

/// A room's policy server. It counts only while a user of it is joined to the room.
#[derive(Clone, Debug)]
pub struct PolicyServer {
    via: OwnedServerName,
    key: PublicKey,
}

impl PolicyServer {
    /// The server that the room's `m.room.policy` event with an empty state key names; none if it names none properly.
    pub fn of(policy: &Pdu) -> Option<Self> {
        #[derive(Deserialize)]
        struct Content {
            via: OwnedServerName,
            public_keys: PublicKeys,
        }
        #[derive(Deserialize)]
        struct PublicKeys {
            ed25519: String,
        }
        if policy.kind().to_string() != "m.room.policy" || policy.state_key() != Some("") {
            return None;
        }
        let content: Content = policy.content_as()?;
        // The room's state says how long the key counts, not a time.
        let key = PublicKey::from_base64(&content.public_keys.ed25519, MilliSecondsSinceUnixEpoch(UInt::MAX)).ok()?;
        Some(Self { via: content.via, key })
    }

    /// The server that is asked.
    pub fn via(&self) -> &ServerName {
        &self.via
    }

    /// Whether it has to sign an event of this kind: all but the one that chooses it.
    pub fn signs(kind: &TimelineEventType, state_key: Option<&str>) -> bool {
        !(kind.to_string() == "m.room.policy" && state_key == Some(""))
    }

    /// Whether an event has its signature, or needs none. If not, it may be asked for one: its key may have changed meanwhile.
    pub fn recommends(&self, pdu: &Pdu, rules: &RoomVersionRules) -> bool {
        if !Self::signs(pdu.kind(), pdu.state_key()) {
            return true;
        }
        let Ok(document) = json::read(pdu.json()) else { return false };
        let signature = document
            .value
            .as_object()
            .and_then(|event| event.object("signatures"))
            .and_then(|signatures| signatures.object(self.via.as_str()))
            .and_then(|of_server| of_server.str(KEY_ID));
        let Some(signature) = signature else { return false };
        signed_bytes(pdu, rules).is_ok_and(|signed| self.key.verify_base64(&signed, signature))
    }

    /// The event with the signature with which the server has answered, in unpadded base64; none if it is wrong.
    pub fn add(&self, pdu: &Pdu, rules: &RoomVersionRules, signature: &str) -> Result<Option<Pdu>, PduError> {
        if !self.key.verify_base64(&signed_bytes(pdu, rules)?, signature) {
            return Ok(None);
        }
        add_signature(pdu, rules, &self.via, KEY_ID, signature).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ruma::{RoomVersionId, event_id, owned_server_name};
    use serde_json::{Value, json};

    use super::*;
    use crate::event::ServerSigner;

    fn rules() -> RoomVersionRules {
        RoomVersionId::V11.rules().unwrap()
    }

    fn pdu(kind: &str, state_key: Option<&str>, content: &Value) -> Pdu {
        let mut event = json!({
            "auth_events": [], "content": content, "depth": 1, "hashes": { "sha256": "x" }, "origin_server_ts": 1, "prev_events": [],
            "room_id": "!r:x", "sender": "@a:example.com", "signatures": { "example.com": { "ed25519:1": "s" } }, "type": kind,
        });
        if let Some(state_key) = state_key {
            event["state_key"] = state_key.into();
        }
        Pdu::parse(event_id!("$one").to_owned(), Bytes::from(event.to_string()), &rules()).unwrap()
    }

    fn signer(seed: u8) -> ServerSigner {
        ServerSigner::from_seed(owned_server_name!("example.com"), &[seed; 32], "policy_server").unwrap()
    }

    fn policy(key: &str) -> Value {
        json!({ "via": "example.com", "public_keys": { "ed25519": key, "other": "x" } })
    }

    #[test]
    fn every_event_but_the_choice_itself_needs_its_signature() {
        let server = PolicyServer::of(&pdu("m.room.policy", Some(""), &policy(&signer(5).public_key()))).unwrap();
        assert_eq!(server.via(), "example.com");
        assert!(server.recommends(&pdu("m.room.policy", Some(""), &json!({})), &rules()));
        for (kind, state_key) in [
            ("m.room.message", None),
            ("m.room.policy", None),
            ("m.room.policy", Some("x")),
            ("m.room.member", Some("@a:x")),
        ] {
            let event = pdu(kind, state_key, &json!({ "body": "x" }));
            assert!(!server.recommends(&event, &rules()), "{kind} unsigned");
            let signed = signed_bytes(&event, &rules()).unwrap();
            assert!(server.add(&event, &rules(), &signer(6).sign(&signed)).unwrap().is_none(), "of another key");
            let event = server.add(&event, &rules(), &signer(5).sign(&signed)).unwrap().unwrap();
            assert!(server.recommends(&event, &rules()), "{kind} signed");
            let all: Value = serde_json::from_slice(event.json()).unwrap();
            assert_eq!(all["signatures"]["example.com"]["ed25519:1"], "s", "the sender's own signature stays");
            let other = PolicyServer::of(&pdu("m.room.policy", Some(""), &policy(&signer(6).public_key()))).unwrap();
            assert!(!other.recommends(&event, &rules()), "the room has chosen another key");
        }
    }

    #[test]
    fn a_choice_without_its_parts_is_none() {
        let key = signer(5).public_key();
        for content in [
            json!({}),
            json!({ "via": "example.com" }),
            json!({ "via": "example.com", "public_keys": { "x": "y" } }),
            json!({ "via": "example.com", "public_keys": { "ed25519": "AAAA" } }),
            json!({ "via": 5, "public_keys": { "ed25519": key } }),
            json!({ "public_keys": { "ed25519": key } }),
        ] {
            assert!(PolicyServer::of(&pdu("m.room.policy", Some(""), &content)).is_none(), "{content}");
        }
        assert!(PolicyServer::of(&pdu("m.room.policy", Some("x"), &policy(&key))).is_none());
        assert!(PolicyServer::of(&pdu("m.room.other", Some(""), &policy(&key))).is_none());
    }
}
