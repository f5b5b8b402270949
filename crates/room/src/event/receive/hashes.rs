//! Hashes of events (server-server, *Calculating the content hash for an event* and *Calculating the reference hash for an event*).

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use ruma::{
    OwnedEventId,
    room_version_rules::{EventIdFormatVersion, RoomVersionRules},
};
use sha2::{Digest, Sha256};

use super::{Pdu, Refused, json::Object};
use crate::event::{PduError, json, redact};

/// Base64 as others write it: with padding or without, and with bits left over.
pub(super) const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether the content is what the sender hashed. If it is not, somebody left a part away, and only the redacted event counts.
pub(super) fn content_matches(event: &Object<'_>) -> bool {
    let mut hashed = Vec::with_capacity(1024);
    event.write_some(&mut hashed, |key| !matches!(key, "hashes" | "signatures" | "unsigned"));
    let told =
        event.object("hashes").and_then(|hashes| hashes.str("sha256")).and_then(|hash| LENIENT.decode(hash).ok());
    told.is_some_and(|told| told == Sha256::digest(&hashed).as_slice())
}

/// The id that an event's redacted form gives it.
pub(super) fn event_id(signed: &[u8], rules: &RoomVersionRules) -> Result<OwnedEventId, Refused> {
    OwnedEventId::try_from(format!("${}", encoded(signed, rules)))
        .map_err(|_| Refused::Format { key: "event_id", reason: "cannot be computed" })
}

fn encoded(signed: &[u8], rules: &RoomVersionRules) -> String {
    let hash = Sha256::digest(signed);
    match rules.event_id_format {
        EventIdFormatVersion::V1 | EventIdFormatVersion::V2 => BASE64_STANDARD_NO_PAD.encode(hash),
        _ => BASE64_URL_SAFE_NO_PAD.encode(hash),
    }
}

/// The reference hash, with which events of room versions 1 and 2 point at others: unpadded base64.
pub fn reference_hash(pdu: &Pdu, rules: &RoomVersionRules) -> Result<String, PduError> {
    let failed = |error: &str| PduError::new(pdu.event_id().to_owned(), error.to_owned());
    let document = json::read(pdu.json()).map_err(|error| failed(&error.to_string()))?;
    let event = document.value.as_object().ok_or_else(|| failed("it is no object"))?;
    let mut signed = Vec::with_capacity(pdu.json().len());
    redact::write(event, &rules.redaction, false, &mut signed);
    Ok(encoded(&signed, rules))
}
