//! Signatures of events: who must have signed, and whether they did (server-server, *Validating hashes and signatures on received
//! events*; room version 5, *Signing key validity period*; room version 8, *Authorization rules*).

use std::collections::BTreeMap;

use base64::Engine as _;
use ed25519_dalek::{Signature, Verifier, VerifyingKey};
use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedServerName, OwnedUserId, ServerName, UserId,
    room_version_rules::RoomVersionRules,
};

use super::{Refused, hashes::LENIENT, json::Object};

/// Signatures of one server that are looked at.
pub(super) const KEYS_PER_SERVER: usize = 8;

/// A server that must have signed an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required {
    /// The server.
    pub server: OwnedServerName,
    /// The user in whose name it signs. Another server has one key for all of its users; a deployment has one for each home.
    pub user: Option<OwnedUserId>,
    /// Its signatures by the ids of their keys (`ed25519:…`), of kinds that are understood; at least one must be right.
    pub signatures: Vec<(String, Vec<u8>)>,
}

/// A server's public key, ready for use.
#[derive(Clone, Debug)]
pub struct PublicKey {
    pub(super) key: VerifyingKey,
    valid_until: MilliSecondsSinceUnixEpoch,
}

/// Bytes that are no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no public key of Ed25519")]
pub struct PublicKeyError;

/// Keys of other servers, and of this one.
pub trait Keys {
    /// A key with which a server signs in the name of a user, if it is known. Without a user: for itself.
    fn key(&self, server: &ServerName, user: Option<&UserId>, key_id: &str) -> Option<&PublicKey>;
}

/// The simplest set of keys: by server and by the key's id.
pub type KeyMap = BTreeMap<OwnedServerName, BTreeMap<String, PublicKey>>;

impl Keys for KeyMap {
    fn key(&self, server: &ServerName, _: Option<&UserId>, key_id: &str) -> Option<&PublicKey> {
        self.get(server)?.get(key_id)
    }
}

impl PublicKey {
    /// The key of 32 bytes. `valid_until` is the lesser of the `valid_until_ts` that its server told and 7 days from now; of a key that
    /// is no longer used, its `expired_ts`.
    pub fn new(bytes: &[u8], valid_until: MilliSecondsSinceUnixEpoch) -> Result<Self, PublicKeyError> {
        let key = VerifyingKey::try_from(bytes).map_err(|_| PublicKeyError)?;
        Ok(Self { key, valid_until })
    }

    /// The key of unpadded base64.
    pub fn from_base64(text: &str, valid_until: MilliSecondsSinceUnixEpoch) -> Result<Self, PublicKeyError> {
        Self::new(&LENIENT.decode(text).map_err(|_| PublicKeyError)?, valid_until)
    }

    /// Until when signatures of it count, in room versions that ask.
    pub fn valid_until(&self) -> MilliSecondsSinceUnixEpoch {
        self.valid_until
    }

    /// Whether this is its signature, in unpadded base64.
    pub fn verify_base64(&self, message: &[u8], signature: &str) -> bool {
        LENIENT.decode(signature).is_ok_and(|signature| self.verify(message, &signature))
    }

    /// Whether this is its signature.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature).is_ok_and(|signature| self.key.verify(message, &signature).is_ok())
    }
}

/// Who must have signed, each server once for each user in whose name it signs. `redacted` says that only the redacted event will be kept.
pub(super) fn required(
    event: &Object<'_>,
    event_id: &EventId,
    sender: &OwnedUserId,
    redacted: bool,
    rules: &RoomVersionRules,
) -> Result<Vec<Required>, Refused> {
    let content = event.object("content");
    let member = content.filter(|_| event.str("type") == Some("m.room.member"));
    let mut servers: Vec<(OwnedServerName, Option<OwnedUserId>)> = Vec::with_capacity(1);
    // Of an invitation by e-mail the other server makes the event in the inviter's name. Where a redaction takes away what tells that it
    // is one, what is left would be an invitation that the inviter never sent.
    let tells_why = !redacted || rules.redaction.keep_room_member_third_party_invite_signed;
    let from_third_party = tells_why
        && member.is_some_and(|content| {
            content.str("membership") == Some("invite") && content.object("third_party_invite").is_some()
        });
    if !from_third_party {
        servers.push((sender.server_name().to_owned(), Some(sender.clone())));
    }
    if rules.signatures.check_event_id_server
        && let Some(server) =
            event_id.server_name().filter(|server| from_third_party || *server != sender.server_name())
    {
        servers.push((server.to_owned(), None));
    }
    if rules.signatures.check_join_authorised_via_users_server
        && let Some(user) = member.and_then(|content| content.get("join_authorised_via_users_server"))
    {
        let key = "join_authorised_via_users_server";
        let user = user.as_str().and_then(|user| <&UserId>::try_from(user).ok());
        let user = user.ok_or(Refused::Format { key, reason: "is no user id" })?;
        servers.push((user.server_name().to_owned(), Some(user.to_owned())));
    }
    servers.sort_unstable();
    servers.dedup();
    servers.into_iter().map(|(server, user)| signatures_of(event, server, user)).collect()
}

/// The signatures of a server that are of a kind that is understood; there must be one.
fn signatures_of(event: &Object<'_>, server: OwnedServerName, user: Option<OwnedUserId>) -> Result<Required, Refused> {
    let told = event.object("signatures").and_then(|signatures| signatures.object(server.as_str()));
    let signatures: Vec<_> = told
        .into_iter()
        .flat_map(Object::iter)
        .filter(|(key_id, _)| key_id.starts_with("ed25519:"))
        .filter_map(|(key_id, signature)| Some((key_id.to_owned(), LENIENT.decode(signature.as_str()?).ok()?)))
        .take(KEYS_PER_SERVER)
        .collect();
    if signatures.is_empty() { Err(Refused::NotSigned(server)) } else { Ok(Required { server, user, signatures }) }
}

/// The keys with which a server's signatures are looked at, each with its signature. `sent_ts` is given where keys must have been valid when
/// the event was sent.
pub(super) fn known<'e, 'k>(
    required: &'e Required,
    keys: &'k impl Keys,
    sent_ts: Option<MilliSecondsSinceUnixEpoch>,
) -> impl Iterator<Item = (&'k PublicKey, &'e [u8])> {
    required.signatures.iter().filter_map(move |(key_id, signature)| {
        let key = keys.key(&required.server, required.user.as_deref(), key_id)?;
        sent_ts.is_none_or(|sent_ts| key.valid_until >= sent_ts).then_some((key, signature.as_slice()))
    })
}

/// Whether one of a server's signatures is right. `sent_ts` is as in [`known`].
pub(super) fn verify(
    required: &Required,
    keys: &impl Keys,
    sent_ts: Option<MilliSecondsSinceUnixEpoch>,
    signed: &[u8],
) -> Result<(), Refused> {
    let mut any_key = false;
    for (key, signature) in known(required, keys, sent_ts) {
        any_key = true;
        if key.verify(signed, signature) {
            return Ok(());
        }
    }
    let server = required.server.clone();
    Err(if any_key { Refused::WrongSignature(server) } else { Refused::NoKey(server) })
}
