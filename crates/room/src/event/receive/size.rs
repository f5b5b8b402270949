//! How large an event and its parts may be (client-server, *Size limits*).

use domicile_core::limits;

use super::{Refused, json::Object};

/// Largest event in bytes, as canonical JSON with its signatures and without `unsigned`. One's own events are a byte smaller, as some
/// servers allow no more.
pub const EVENT_BYTES: usize = 65_536;
/// The most that is read at all: escapes, spaces and `unsigned` count here.
const RAW_BYTES: usize = limits::BODY_BYTES;

/// The bytes as they came.
pub(super) fn raw(json: &[u8]) -> Result<(), Refused> {
    bound("JSON", json.len(), RAW_BYTES)
}

/// The canonical form of an event without `unsigned`, which is no part of it, if it is small enough.
pub(super) fn canonical(event: &Object<'_>) -> Result<Vec<u8>, Refused> {
    let mut out = Vec::with_capacity(1024);
    event.write_some(&mut out, |key| key != "unsigned");
    bound("canonical JSON", out.len(), EVENT_BYTES)?;
    // It is kept, in memory by the thousand: not with room to grow.
    out.shrink_to_fit();
    Ok(out)
}

/// An id, a type or a state key: its length counts in bytes, in every room version. A NUL character is nowhere allowed in ids, and no
/// database of ours takes it in a text.
pub(super) fn id(key: &'static str, text: &str) -> Result<(), Refused> {
    if text.contains('\0') {
        return Err(Refused::Format { key, reason: "has a NUL character in it" });
    }
    bound(key, text.len(), limits::ID_BYTES)
}

/// A bound on a length.
pub(super) fn bound(what: &'static str, length: usize, limit: usize) -> Result<(), Refused> {
    if length > limit { Err(Refused::TooLarge { what, length, limit }) } else { Ok(()) }
}
