//! Of whom an EDU speaks, and what it concerns.

use std::collections::BTreeMap;

use ruma::{OwnedRoomId, OwnedUserId, UserId};
use serde_json::{Map, Value, value::RawValue};

/// An EDU as far as its way depends on it.
#[derive(Debug, Default)]
pub(super) struct Shape {
    /// In whose name it speaks.
    pub(super) speakers: Vec<OwnedUserId>,
    /// What it concerns.
    pub(super) concerns: Concerns,
}

/// Who is to hear it.
#[derive(Debug, Default)]
pub(super) enum Concerns {
    /// Nobody: of a kind that is not known.
    #[default]
    Nobody,
    /// Whoever shares a room with its speaker.
    Everybody,
    /// Those who are in a room.
    Room(OwnedRoomId),
    /// Those who are in each of some rooms: what is for one is under its id.
    Rooms(Vec<OwnedRoomId>),
    /// Some users: what is for one is under their id, in `messages`.
    Users(Vec<OwnedUserId>),
}

fn content(edu: &RawValue) -> Option<(String, Map<String, Value>)> {
    let Ok(Value::Object(mut edu)) = serde_json::from_str(edu.get()) else { return None };
    let kind = edu.get("edu_type")?.as_str()?.to_owned();
    match edu.remove("content") {
        Some(Value::Object(content)) => Some((kind, content)),
        _ => None,
    }
}

fn user(value: Option<&Value>) -> Option<OwnedUserId> {
    value?.as_str().and_then(|user| <&UserId>::try_from(user).ok()).map(ToOwned::to_owned)
}

/// What an EDU is about. What cannot be read concerns nobody.
pub(super) fn shape(edu: &RawValue) -> Shape {
    let Some((kind, content)) = content(edu) else { return Shape::default() };
    let speaker = |key: &str| user(content.get(key)).into_iter().collect::<Vec<_>>();
    let (speakers, concerns) = match kind.as_str() {
        "m.typing" => {
            let room = content.get("room_id").and_then(Value::as_str);
            let room = room.and_then(|room| OwnedRoomId::try_from(room).ok());
            (speaker("user_id"), room.map(Concerns::Room))
        }
        "m.receipt" => {
            let rooms = content.keys().filter_map(|room| OwnedRoomId::try_from(room.as_str()).ok()).collect();
            (readers(&content), Some(Concerns::Rooms(rooms)))
        }
        "m.presence" => {
            let people = content.get("push").and_then(Value::as_array).into_iter().flatten();
            (people.filter_map(|one| user(one.get("user_id"))).collect(), Some(Concerns::Everybody))
        }
        "m.direct_to_device" => {
            let messages = content.get("messages").and_then(Value::as_object).into_iter().flatten();
            let users = messages.filter_map(|(id, _)| OwnedUserId::try_from(id.as_str()).ok()).collect();
            (speaker("sender"), Some(Concerns::Users(users)))
        }
        "m.device_list_update" | "m.signing_key_update" => (speaker("user_id"), Some(Concerns::Everybody)),
        _ => (Vec::new(), None),
    };
    match concerns {
        Some(concerns) if !speakers.is_empty() => Shape { speakers, concerns },
        _ => Shape::default(),
    }
}

/// Who has read something, in any of the rooms and by any kind of receipt.
fn readers(content: &Map<String, Value>) -> Vec<OwnedUserId> {
    let kinds = content.values().filter_map(Value::as_object).flat_map(|room| room.values());
    let people = kinds.filter_map(Value::as_object).flat_map(|people| people.keys());
    people.filter_map(|id| OwnedUserId::try_from(id.as_str()).ok()).collect()
}

/// What of an EDU is for those who are in some rooms, or for some users: it has nothing of others.
pub(super) fn part(edu: &RawValue, keep: &dyn Fn(&str) -> bool) -> Option<Box<RawValue>> {
    let (kind, mut content) = content(edu)?;
    match kind.as_str() {
        "m.receipt" => content.retain(|room, _| keep(room)),
        "m.direct_to_device" => {
            content.get_mut("messages").and_then(Value::as_object_mut)?.retain(|user, _| keep(user));
        }
        _ => {}
    }
    let edu = BTreeMap::from([("content", Value::Object(content)), ("edu_type", kind.into())]);
    serde_json::value::to_raw_value(&edu).ok()
}

/// Whether it matters when it comes late.
pub(super) fn is_lasting(edu: &RawValue) -> bool {
    content(edu).is_some_and(|(kind, _)| !matches!(kind.as_str(), "m.typing" | "m.presence"))
}

/// A message to devices under another id; other EDUs as they are.
pub(super) fn with_message_id(edu: Box<RawValue>, id: &dyn Fn(&str) -> String) -> Box<RawValue> {
    let Some((kind, mut content)) = content(&edu).filter(|(kind, _)| kind == "m.direct_to_device") else { return edu };
    let Some(given) = content.get("message_id").and_then(Value::as_str).map(id) else { return edu };
    content.insert("message_id".to_owned(), given.into());
    let told = BTreeMap::from([("content", Value::Object(content)), ("edu_type", kind.into())]);
    serde_json::value::to_raw_value(&told).unwrap_or(edu)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn raw(edu: &Value) -> Box<RawValue> {
        serde_json::value::to_raw_value(edu).unwrap()
    }

    #[test]
    fn who_speaks_and_whom_it_concerns_is_read() {
        let receipt = raw(&json!({ "edu_type": "m.receipt", "content": {
            "!a:x": { "m.read": { "@one:x": {} } }, "!b:x": { "m.read": { "@two:x": {} } } } }));
        let found = shape(&receipt);
        assert_eq!(found.speakers, ["@one:x", "@two:x"]);
        assert!(matches!(found.concerns, Concerns::Rooms(rooms) if rooms.len() == 2));
        assert_eq!(with_message_id(receipt.clone(), &|_| unreachable!()).get(), receipt.get());
        let kept = part(&receipt, &|room| room == "!a:x").unwrap();
        assert!(kept.get().contains("@one:x") && !kept.get().contains("@two:x"), "{kept}");

        let direct = raw(&json!({ "edu_type": "m.direct_to_device", "content": { "sender": "@one:x", "type": "t",
            "message_id": "1", "messages": { "@a:y": { "D": {} }, "@b:y": { "*": {} } } } }));
        assert!(is_lasting(&direct) && is_lasting(&receipt));
        assert!(!is_lasting(&raw(&json!({ "edu_type": "m.typing", "content": {} }))));
        let renamed = with_message_id(direct.clone(), &|id| format!("{id}x"));
        assert!(renamed.get().contains("\"message_id\":\"1x\"") && renamed.get().contains("@b:y"), "{renamed}");
        assert!(matches!(shape(&direct).concerns, Concerns::Users(users) if users.len() == 2));
        let kept = part(&direct, &|user| user == "@b:y").unwrap();
        assert!(!kept.get().contains("@a:y") && kept.get().contains("message_id"), "{kept}");

        for nobody in [
            json!({ "edu_type": "m.unknown", "content": { "user_id": "@one:x" } }),
            json!({ "edu_type": "m.typing", "content": { "room_id": "!a:x" } }),
            json!({ "edu_type": "m.typing", "content": [] }),
            json!([]),
        ] {
            assert!(matches!(shape(&raw(&nobody)).concerns, Concerns::Nobody), "{nobody}");
        }
    }
}
