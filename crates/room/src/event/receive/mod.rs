//! Events of other servers: the checks that need no room, in the order of the specification (server-server, *Checks performed on
//! receipt of a PDU*, 1 to 3). Each check is a file.
//!
//! ```text
//! bytes --signers()--> keys that somebody fetches; bytes --read()--> Unverified --verify()--> Received
//! ```
//!
//! What is refused here is dropped: it was never part of a room. Whether an event is allowed is for [`crate::auth`] to say.

mod batch;
mod format;
mod hashes;
mod many;
mod signatures;
mod signers;
mod size;

use bytes::Bytes;
use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedRoomId, OwnedServerName, RoomId,
    events::TimelineEventType,
    room_version_rules::{EventIdFormatVersion, RoomVersionRules},
};
use serde::Deserialize;

use super::{
    Pdu,
    json::{self, JsonError},
    redact,
};

pub use batch::all_signed;
pub use hashes::reference_hash;
pub use many::{Many, read_many};
pub use signatures::{KeyMap, Keys, PublicKey, PublicKeyError, Required};
pub use signers::{Signers, signers};
pub use size::EVENT_BYTES;

/// Why an event is dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not JSON.
    #[error("the event is not JSON: {0}")]
    Json(#[from] JsonError),
    /// Larger or longer than the specification allows.
    #[error("the event's {what} is too large: {length}, at most {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its length, in bytes or in entries.
        length: usize,
        /// The bound.
        limit: usize,
    },
    /// A key that is missing, or whose value the room version does not allow.
    #[error("the event's `{key}` {reason}")]
    Format {
        /// The key.
        key: &'static str,
        /// What is the matter with it.
        reason: &'static str,
    },
    /// A server whose signature must be there has none that can be checked.
    #[error("the event is not signed by {0}")]
    NotSigned(OwnedServerName),
    /// No key is known with which a signature can be checked. It may be asked for, and the event checked again.
    #[error("no key of {0} is known with which the event is signed, or none that was valid when the event was sent")]
    NoKey(OwnedServerName),
    /// A signature that is wrong.
    #[error("the signature of {0} is wrong")]
    WrongSignature(OwnedServerName),
}

/// An event of the right form and size. Nobody knows yet whether its sender sent it.
#[derive(Debug)]
pub struct Unverified {
    pdu: Pdu,
    redacted: bool,
    required: Vec<Required>,
    /// What is signed: the redacted event without signatures.
    signed: Vec<u8>,
    enforce_validity: bool,
}

/// An event that its sender's server signed.
#[derive(Debug)]
pub struct Received {
    /// The event, redacted if its content was not what was signed.
    pub pdu: Pdu,
    /// Whether it was redacted.
    pub redacted: bool,
}

/// The room that an event names, before anything is known of it. A create event of room version 12 names none.
pub fn room_of(json: &[u8]) -> Option<OwnedRoomId> {
    #[derive(Deserialize)]
    struct Room {
        room_id: OwnedRoomId,
    }
    serde_json::from_slice::<Room>(json).ok().map(|room| room.room_id)
}

/// Reads an event of a room with these rules: checks its size and form, computes its id and compares its content hash.
pub fn read(json: &[u8], rules: &RoomVersionRules) -> Result<Unverified, Refused> {
    size::raw(json)?;
    let document = json::read(json)?;
    let event = format::object(&document, rules)?;
    let canonical = size::canonical(event)?;
    let fields = format::check(event, rules)?;
    let mut signed = Vec::with_capacity(canonical.len());
    redact::write(event, &rules.redaction, false, &mut signed);
    let event_id = match fields.event_id {
        Some(event_id) => event_id,
        None => hashes::event_id(&signed, rules)?,
    };
    let redacted = !hashes::content_matches(event);
    let required = signatures::required(event, &event_id, &fields.sender, redacted, rules)?;
    let kept = if redacted { redacted_form(event, rules) } else { canonical };
    let pdu = Pdu::parse(event_id, Bytes::from(kept), rules)
        .map_err(|_| Refused::Format { key: "content", reason: "cannot be read" })?;
    let pdu = if redacted { pdu.without_its_content() } else { pdu };
    Ok(Unverified { pdu, redacted, required, signed, enforce_validity: rules.enforce_key_validity })
}

fn redacted_form(event: &json::Object<'_>, rules: &RoomVersionRules) -> Vec<u8> {
    let mut out = Vec::new();
    redact::write(event, &rules.redaction, true, &mut out);
    out
}

impl Unverified {
    /// The id.
    pub fn event_id(&self) -> &EventId {
        self.pdu.event_id()
    }

    /// The event as it will be kept. What it says may be anybody's word.
    pub fn pdu(&self) -> &Pdu {
        &self.pdu
    }

    /// The room: what the event names, or what a create event of room version 12 begins.
    pub fn room_id(&self) -> Option<OwnedRoomId> {
        match self.pdu.room_id() {
            Some(room_id) => Some(room_id.to_owned()),
            None => OwnedRoomId::try_from(self.pdu.event_id().as_str().replacen('$', "!", 1)).ok(),
        }
    }

    /// Whether it is an event of this room.
    pub fn is_of(&self, room_id: &RoomId) -> bool {
        match self.pdu.room_id() {
            Some(named) => named == room_id,
            None => {
                *self.pdu.kind() == TimelineEventType::RoomCreate
                    && room_id.as_str().get(1..) == self.pdu.event_id().as_str().get(1..)
            }
        }
    }

    /// Who must have signed it, and with which keys they say they did.
    pub fn required(&self) -> &[Required] {
        &self.required
    }

    /// Whether all who must have signed it did.
    pub fn check(&self, keys: &impl Keys) -> Result<(), Refused> {
        let sent_ts = self.sent_ts();
        self.required.iter().try_for_each(|required| signatures::verify(required, keys, sent_ts, &self.signed))
    }

    /// When it was sent, if keys must have been valid then.
    fn sent_ts(&self) -> Option<MilliSecondsSinceUnixEpoch> {
        self.enforce_validity.then(|| self.pdu.origin_server_ts())
    }

    /// The event, if all who must have signed it did.
    pub fn verify(self, keys: &impl Keys) -> Result<Received, Refused> {
        self.check(keys)?;
        Ok(self.checked())
    }

    /// The event, after [`Self::check`] or [`all_signed`] has said that all who must have signed it did.
    pub fn checked(self) -> Received {
        Received { pdu: self.pdu, redacted: self.redacted }
    }
}

/// Checks a list of events that another server has drafted.
pub(super) fn references(
    event: &json::Object<'_>,
    key: &'static str,
    room_id: &RoomId,
    rules: &RoomVersionRules,
) -> Result<(), Refused> {
    format::references(event, key, Some(room_id), rules)
}

fn named_id(text: &str, key: &'static str) -> Result<OwnedEventId, Refused> {
    size::id(key, text)?;
    OwnedEventId::try_from(text).map_err(|_| Refused::Format { key, reason: "has something in it that is no event id" })
}

/// Whether events of this room version bring their ids along.
pub(super) fn brings_id(rules: &RoomVersionRules) -> bool {
    rules.event_id_format == EventIdFormatVersion::V1
}

#[cfg(test)]
mod tests;
