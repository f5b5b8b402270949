//! The server's signature.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use ruma::{
    OwnedServerName, ServerName,
    room_version_rules::RoomVersionRules,
    signatures::{Ed25519KeyPair, KeyPair},
};

use super::{
    Pdu, PduError,
    json::{self, Json, Object},
    receive::EVENT_BYTES,
    redact,
};

/// A signing key that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the signing key cannot be used: {0}")]
pub struct SignerError(String);

/// The key with which this server signs its events.
pub struct ServerSigner {
    server_name: OwnedServerName,
    key_id: String,
    key_pair: Ed25519KeyPair,
}

/// What stands before the 32 bytes of a seed in a PKCS#8 document of an Ed25519 key (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

impl ServerSigner {
    /// The key of a 32-byte seed. `version` is the part of its id after `ed25519:`.
    pub fn from_seed(server_name: OwnedServerName, seed: &[u8; 32], version: &str) -> Result<Self, SignerError> {
        let mut document = PKCS8_PREFIX.to_vec();
        document.extend_from_slice(seed);
        let key_pair =
            Ed25519KeyPair::from_der(&document, version.to_owned()).map_err(|error| SignerError(error.to_string()))?;
        Ok(Self { server_name, key_id: format!("ed25519:{version}"), key_pair })
    }

    /// The name under which the signature stands.
    pub fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    /// The key's id.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// The public key in unpadded base64.
    pub fn public_key(&self) -> String {
        BASE64_STANDARD_NO_PAD.encode(self.key_pair.public_key())
    }

    /// The key pair, for what ruma signs.
    pub fn key_pair(&self) -> &Ed25519KeyPair {
        &self.key_pair
    }

    /// The signature of bytes, in unpadded base64.
    pub fn sign(&self, message: &[u8]) -> String {
        self.key_pair.sign(message).base64()
    }
}

/// The bytes of an event that servers sign: its redacted form without signatures.
pub fn signed_bytes(pdu: &Pdu, rules: &RoomVersionRules) -> Result<Vec<u8>, PduError> {
    let failed = |error: String| PduError::new(pdu.event_id().to_owned(), error);
    let document = json::read(pdu.json()).map_err(|error| failed(error.to_string()))?;
    let event = document.value.as_object().ok_or_else(|| failed("it is no object".to_owned()))?;
    let mut signed = Vec::with_capacity(pdu.json().len());
    redact::write(event, &rules.redaction, false, &mut signed);
    Ok(signed)
}

/// Somebody else's event with our signature beside theirs: an invitation that we take, a join that we let in.
pub fn sign_again(pdu: &Pdu, rules: &RoomVersionRules, signer: &ServerSigner) -> Result<Pdu, PduError> {
    let signature = signer.sign(&signed_bytes(pdu, rules)?);
    add_signature(pdu, rules, signer.server_name(), signer.key_id(), &signature)
}

/// An event with one more signature, which is in unpadded base64 and is not checked. Its id stays.
pub fn add_signature(
    pdu: &Pdu,
    rules: &RoomVersionRules,
    server: &ServerName,
    key_id: &str,
    signature: &str,
) -> Result<Pdu, PduError> {
    let failed = |error: &str| PduError::new(pdu.event_id().to_owned(), error.to_owned());
    let document = json::read(pdu.json()).map_err(|error| failed(&error.to_string()))?;
    let Json::Object(mut event) = document.value else { return Err(failed("it is no object")) };
    let mut all = into_object(event.remove("signatures"));
    let mut of_server = into_object(all.remove(server.as_str()));
    of_server.insert(key_id, Json::String(signature.into()));
    all.insert(server.as_str(), Json::Object(of_server));
    event.insert("signatures", Json::Object(all));
    let mut json = Vec::with_capacity(pdu.json().len() + 160);
    event.write_some(&mut json, |_| true);
    if json.len() > EVENT_BYTES {
        return Err(failed("it is too large for one more signature"));
    }
    Pdu::parse(pdu.event_id().to_owned(), Bytes::from(json), rules)
}

fn into_object(json: Option<Json<'_>>) -> Object<'_> {
    match json {
        Some(Json::Object(object)) => object,
        _ => Object::default(),
    }
}

#[cfg(test)]
mod tests {
    use ruma::{
        RoomVersionId, UInt, event_id, owned_server_name, room_id,
        serde::Base64,
        signatures::{PublicKeyMap, verify_event},
        user_id,
    };
    use serde_json::value::RawValue;

    use super::*;
    use crate::event::{EventDraft, Place, build, receive};

    #[test]
    fn a_second_signature_stands_beside_the_first() {
        let rules = RoomVersionId::V11.rules().unwrap();
        let one = ServerSigner::from_seed(owned_server_name!("example.org"), &[7; 32], "a1").unwrap();
        let two = ServerSigner::from_seed(owned_server_name!("example.com"), &[8; 32], "b").unwrap();
        let draft = EventDraft {
            kind: "m.room.member".into(),
            sender: user_id!("@alice:example.org").to_owned(),
            state_key: Some("@alice:example.org".to_owned()),
            content: RawValue::from_string(
                r#"{"membership":"join","join_authorised_via_users_server":"@bob:example.com"}"#.to_owned(),
            )
            .unwrap(),
            redacts: None,
        };
        let place = Place {
            room_id: Some(room_id!("!r:example.org").to_owned()),
            prev_events: vec![event_id!("$acR1l0raoZnm60CBwAVgqbZqoO-mYU81xysh1u7XcJk").to_owned()],
            auth_events: vec![],
            depth: 2,
            origin_server_ts: 5,
        };
        let pdu = build(draft, place, &rules, &one).unwrap();
        assert!(receive::read(pdu.json(), &rules).is_err(), "the other server must sign, too");
        let again = sign_again(&pdu, &rules, &two).unwrap();
        assert_eq!(again.event_id(), pdu.event_id());
        let unverified = receive::read(again.json(), &rules).unwrap();
        assert_eq!(unverified.event_id(), pdu.event_id());
        let key = |signer: &ServerSigner| {
            let key = Base64::parse(signer.public_key()).unwrap();
            (signer.server_name().to_string(), [(signer.key_id().to_owned(), key)].into())
        };
        let keys: PublicKeyMap = [key(&one), key(&two)].into();
        verify_event(&keys, &serde_json::from_slice(again.json()).unwrap(), &rules).unwrap();
        let ours = |signer: &ServerSigner| {
            let valid_until = ruma::MilliSecondsSinceUnixEpoch(UInt::from(9_u32));
            let key = receive::PublicKey::from_base64(&signer.public_key(), valid_until).unwrap();
            (signer.server_name().to_owned(), [(signer.key_id().to_owned(), key)].into())
        };
        assert!(!unverified.verify(&receive::KeyMap::from([ours(&one), ours(&two)])).unwrap().redacted);
    }
}
