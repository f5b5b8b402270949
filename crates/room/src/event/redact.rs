//! What is left of an event that was redacted.

use bytes::Bytes;
use ruma::{CanonicalJsonObject, canonical_json, room_version_rules::RoomVersionRules};

use super::{Pdu, PduError};

/// The event without what its room version lets a redaction take away. Its id, and so its place in the graph, stays.
pub fn redact(pdu: &Pdu, rules: &RoomVersionRules) -> Result<Pdu, PduError> {
    let id = || pdu.event_id().to_owned();
    let failed = |error: String| PduError::new(id(), error);
    let object: CanonicalJsonObject = serde_json::from_slice(pdu.json()).map_err(|error| failed(error.to_string()))?;
    let redacted = canonical_json::redact(object, &rules.redaction, None).map_err(|error| failed(error.to_string()))?;
    let json = serde_json::to_vec(&redacted).map_err(|error| failed(error.to_string()))?;
    Pdu::parse(id(), Bytes::from(json), rules)
}
