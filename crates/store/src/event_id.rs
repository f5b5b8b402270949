//! Event ids in 33 bytes instead of 44: a tag and the hash that the id spells.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD},
};
use bytes::Bytes;
use ruma::{EventId, OwnedEventId};

use crate::StoreError;

const LITERAL: u8 = 0;
/// Room versions 4 and later.
const URL_SAFE: u8 = 1;
/// Room version 3.
const STANDARD: u8 = 2;

/// The stored form of an event id.
pub fn to_bytes(event_id: &EventId) -> Bytes {
    let text = event_id.as_str();
    if let Some(hash) = text.strip_prefix('$').filter(|hash| hash.len() == 43) {
        for (tag, spelling) in [(URL_SAFE, &BASE64_URL_SAFE_NO_PAD), (STANDARD, &BASE64_STANDARD_NO_PAD)] {
            let mut bytes = [0_u8; 33];
            bytes[0] = tag;
            // Only an id that the bytes spell again may lose its text.
            if spelling.decode_slice(hash, &mut bytes[1..]) == Ok(32) && spelling.encode(&bytes[1..]) == hash {
                return Bytes::copy_from_slice(&bytes);
            }
        }
    }
    let mut bytes = Vec::with_capacity(text.len() + 1);
    bytes.push(LITERAL);
    bytes.extend_from_slice(text.as_bytes());
    Bytes::from(bytes)
}

/// The event id of its stored form.
pub fn from_bytes(bytes: &[u8]) -> Result<OwnedEventId, StoreError> {
    let corrupt = || StoreError::Corrupt(format!("an event id of {} bytes is not one", bytes.len()));
    let (tag, rest) = bytes.split_first().ok_or_else(corrupt)?;
    let text = match *tag {
        LITERAL => String::from_utf8(rest.to_vec()).map_err(|_| corrupt())?,
        URL_SAFE => format!("${}", BASE64_URL_SAFE_NO_PAD.encode(rest)),
        STANDARD => format!("${}", BASE64_STANDARD_NO_PAD.encode(rest)),
        _ => return Err(corrupt()),
    };
    OwnedEventId::try_from(text).map_err(|_| corrupt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_every_room_version_come_back() {
        for (id, length) in [
            ("$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk", 33),
            ("$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg", 33),
            ("$143273582443PhrSn:example.org", 31),
        ] {
            let event_id = EventId::parse(id).unwrap();
            let bytes = to_bytes(&event_id);
            assert_eq!(bytes.len(), length, "{id}");
            assert_eq!(from_bytes(&bytes).unwrap(), event_id);
        }
    }
}
