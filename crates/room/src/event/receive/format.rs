//! The form of an event: which keys there are, and what their values are (each room version, *Event format*).

use ruma::{
    OwnedEventId, OwnedRoomId, OwnedUserId, RoomId,
    room_version_rules::{EventsReferenceFormatVersion, RoomVersionRules},
};

use super::{
    Refused, brings_id,
    json::{Document, Json, Object},
    named_id, size,
};

/// Entries of `prev_events` at most.
const PREV_EVENTS: usize = 20;
/// Entries of `auth_events` at most.
const AUTH_EVENTS: usize = 10;
/// The latest time that is understood, in milliseconds since the epoch.
const LATEST_TS: i64 = (1 << 53) - 1;

/// What the next checks ask for.
pub(super) struct Fields {
    pub(super) event_id: Option<OwnedEventId>,
    pub(super) sender: OwnedUserId,
}

/// The event as an object. Room versions from 6 on know no other numbers than those of canonical JSON.
pub(super) fn object<'d>(document: &'d Document<'_>, rules: &RoomVersionRules) -> Result<&'d Object<'d>, Refused> {
    if rules.authorization.strict_canonical_json && !document.is_canonical {
        return Err(Refused::Format { key: "content", reason: "has a number that canonical JSON does not know" });
    }
    document.value.as_object().ok_or(Refused::Format { key: "type", reason: "is missing: this is no object" })
}

/// Checks every key that the specification names.
pub(super) fn check(event: &Object<'_>, rules: &RoomVersionRules) -> Result<Fields, Refused> {
    let kind = text(event, "type")?;
    let sender = OwnedUserId::try_from(text(event, "sender")?)
        .map_err(|_| Refused::Format { key: "sender", reason: "is no user id" })?;
    if event.get("state_key").is_some() {
        text(event, "state_key")?;
    }
    let room_id = room_id(event, kind, rules)?;
    let event_id = brings_id(rules).then(|| event_id(event)).transpose()?;
    if event.object("content").is_none() {
        return Err(Refused::Format { key: "content", reason: "is no object" });
    }
    number(event, "depth", i64::MAX)?;
    number(event, "origin_server_ts", LATEST_TS)?;
    references(event, "prev_events", room_id.as_deref(), rules)?;
    references(event, "auth_events", room_id.as_deref(), rules)?;
    signed(event)?;
    Ok(Fields { event_id, sender })
}

fn text<'e>(event: &'e Object<'_>, key: &'static str) -> Result<&'e str, Refused> {
    let text = event.str(key).ok_or(Refused::Format { key, reason: "is no text" })?;
    size::id(key, text)?;
    Ok(text)
}

/// From room version 12 on the room is named by its create event, which therefore names none.
fn room_id(event: &Object<'_>, kind: &str, rules: &RoomVersionRules) -> Result<Option<OwnedRoomId>, Refused> {
    let begins_room = kind == "m.room.create" && !rules.event_format.require_room_create_room_id;
    if begins_room && event.get("room_id").is_none() {
        return Ok(None);
    }
    if begins_room {
        return Err(Refused::Format {
            key: "room_id",
            reason: "is there, in a create event of a version that has none",
        });
    }
    OwnedRoomId::try_from(text(event, "room_id")?)
        .map(Some)
        .map_err(|_| Refused::Format { key: "room_id", reason: "is no room id" })
}

fn event_id(event: &Object<'_>) -> Result<OwnedEventId, Refused> {
    let event_id = named_id(text(event, "event_id")?, "event_id")?;
    if event_id.server_name().is_none() {
        return Err(Refused::Format { key: "event_id", reason: "names no server" });
    }
    Ok(event_id)
}

fn number(event: &Object<'_>, key: &'static str, most: i64) -> Result<(), Refused> {
    match event.get(key) {
        Some(Json::Integer(number)) if (0..=most).contains(number) => Ok(()),
        _ => Err(Refused::Format { key, reason: "is no number in its range" }),
    }
}

/// A list of events, `prev_events` or `auth_events`: ids, or from the time before ids were hashes, pairs of an id and hashes.
pub(super) fn references(
    event: &Object<'_>,
    key: &'static str,
    room_id: Option<&RoomId>,
    rules: &RoomVersionRules,
) -> Result<(), Refused> {
    let wrong = || Refused::Format { key, reason: "has something in it that is no event of this version's form" };
    let list = event.get(key).and_then(Json::as_array).ok_or(Refused::Format { key, reason: "is no list" })?;
    let is_auth = key == "auth_events";
    size::bound(key, list.len(), if is_auth { AUTH_EVENTS } else { PREV_EVENTS })?;
    let create = room_id.filter(|_| is_auth && !rules.event_format.allow_room_create_in_auth_events);
    let pairs = rules.events_reference_format == EventsReferenceFormatVersion::V1;
    for entry in list {
        let id = match entry {
            Json::String(id) if !pairs => id.as_ref(),
            Json::Array(pair) if pairs => match pair.as_slice() {
                [Json::String(id), Json::Object(_)] => id.as_ref(),
                _ => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        named_id(id, key)?;
        if create.is_some_and(|room_id| room_id.as_str().get(1..) == id.get(1..)) {
            return Err(Refused::Format { key, reason: "has the create event in it, which the room id names already" });
        }
    }
    Ok(())
}

/// Hashes and signatures: that they are there at all.
fn signed(event: &Object<'_>) -> Result<(), Refused> {
    if event.object("hashes").and_then(|hashes| hashes.str("sha256")).is_none() {
        return Err(Refused::Format { key: "hashes", reason: "has no sha256" });
    }
    let signatures = event.object("signatures").ok_or(Refused::Format { key: "signatures", reason: "is no object" })?;
    let well_formed = signatures.iter().all(|(_, of_one)| {
        of_one.as_object().is_some_and(|of_one| of_one.iter().all(|(_, signature)| signature.as_str().is_some()))
    });
    if well_formed {
        Ok(())
    } else {
        Err(Refused::Format { key: "signatures", reason: "has something in it that is no signature" })
    }
}
