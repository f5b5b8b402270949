//! The plan of a new room: its first events, in the order in which the specification wants them (client-server, *Room creation*).

use std::collections::BTreeMap;

use ruma::{OwnedUserId, RoomVersionId, events::TimelineEventType, room_version_rules::RoomVersionRules};
use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};

use crate::event::EventDraft;

/// What a room begins as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Invited people may come, everybody reads from their invitation on.
    PrivateChat,
    /// The same, and those who are invited have the creator's power.
    TrustedPrivateChat,
    /// Anybody may come.
    PublicChat,
}

/// A state event that the caller wants.
#[derive(Clone, Debug, Deserialize)]
pub struct InitialState {
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The state key.
    #[serde(default)]
    pub state_key: String,
    /// The content.
    pub content: Map<String, Value>,
}

/// What the caller asked for.
#[derive(Clone, Debug)]
pub struct CreateRoom {
    /// The creator.
    pub creator: OwnedUserId,
    /// The content of the creator's member event.
    pub creator_member: Map<String, Value>,
    /// The version.
    pub version: RoomVersionId,
    /// The preset.
    pub preset: Preset,
    /// Extra keys of the create event.
    pub creation_content: Map<String, Value>,
    /// State events of the caller's own.
    pub initial_state: Vec<InitialState>,
    /// Keys that replace those of the power levels event.
    pub power_level_override: Map<String, Value>,
    /// Those who are invited.
    pub invite: Vec<OwnedUserId>,
    /// The name.
    pub name: Option<String>,
    /// The topic.
    pub topic: Option<String>,
    /// The canonical alias.
    pub alias: Option<String>,
    /// Whether the server adds `m.room.encryption`.
    pub encrypt: bool,
}

/// A request that makes no room.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A key has the wrong shape.
    #[error("`{0}` has the wrong type")]
    WrongType(&'static str),
    /// Creators of room version 12 have all power already.
    #[error("`power_level_content_override.users` names {0}, who is a creator and has all power in this room version")]
    CreatorInPowerLevels(String),
}

/// The create event of a room.
pub fn create_event(request: &CreateRoom, rules: &RoomVersionRules) -> Result<EventDraft, CreateError> {
    let mut content = request.creation_content.clone();
    content.remove("creator");
    if rules.authorization.additional_room_creators {
        let mut creators = listed_creators(request)?;
        if request.preset == Preset::TrustedPrivateChat {
            creators.extend(request.invite.iter().map(ToString::to_string));
        }
        creators.retain(|creator| *creator != request.creator.as_str());
        let mut seen = std::collections::BTreeSet::new();
        creators.retain(|creator| seen.insert(creator.clone()));
        content.remove("additional_creators");
        if !creators.is_empty() {
            content.insert("additional_creators".to_owned(), creators.into());
        }
    } else if !rules.authorization.use_room_create_sender {
        content.insert("creator".to_owned(), request.creator.as_str().into());
    }
    content.insert("room_version".to_owned(), request.version.as_str().into());
    Ok(draft(request, TimelineEventType::RoomCreate, "", &Value::Object(content)))
}

/// The events after the create event, in order, but for invites.
pub fn first_events(request: &CreateRoom, rules: &RoomVersionRules) -> Result<Vec<EventDraft>, CreateError> {
    let mut events = vec![draft(
        request,
        TimelineEventType::RoomMember,
        request.creator.as_str(),
        &Value::Object(request.creator_member.clone()),
    )];
    // A later entry replaces an earlier one in its place, so that the caller's wishes win over the preset's.
    let mut state: Vec<((String, String), Value)> = Vec::new();
    let mut set = |kind: &str, key: &str, content: Value| {
        let pair = (kind.to_owned(), key.to_owned());
        match state.iter_mut().find(|(known, _)| *known == pair) {
            Some((_, old)) => *old = content,
            None => state.push((pair, content)),
        }
    };
    set("m.room.power_levels", "", power_levels(request, rules)?);
    if let Some(alias) = &request.alias {
        set("m.room.canonical_alias", "", json!({ "alias": alias }));
    }
    let (join_rule, guest_access) = match request.preset {
        Preset::PublicChat => ("public", "forbidden"),
        Preset::PrivateChat | Preset::TrustedPrivateChat => ("invite", "can_join"),
    };
    set("m.room.join_rules", "", json!({ "join_rule": join_rule }));
    set("m.room.history_visibility", "", json!({ "history_visibility": "shared" }));
    set("m.room.guest_access", "", json!({ "guest_access": guest_access }));
    if request.encrypt {
        set("m.room.encryption", "", json!({ "algorithm": "m.megolm.v1.aes-sha2" }));
    }
    for event in &request.initial_state {
        if event.kind == "m.room.create" || event.kind == "m.room.member" {
            return Err(CreateError::WrongType("initial_state"));
        }
        set(&event.kind, &event.state_key, Value::Object(event.content.clone()));
    }
    if let Some(name) = &request.name {
        set("m.room.name", "", json!({ "name": name }));
    }
    if let Some(topic) = &request.topic {
        let content = json!({ "topic": topic, "m.topic": { "m.text": [{ "body": topic, "mimetype": "text/plain" }] } });
        set("m.room.topic", "", content);
    }
    events.extend(state.into_iter().map(|((kind, key), content)| draft(request, kind.into(), &key, &content)));
    Ok(events)
}

fn listed_creators(request: &CreateRoom) -> Result<Vec<String>, CreateError> {
    match request.creation_content.get("additional_creators") {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or(CreateError::WrongType("additional_creators")))
            .collect(),
        Some(_) => Err(CreateError::WrongType("additional_creators")),
    }
}

fn power_levels(request: &CreateRoom, rules: &RoomVersionRules) -> Result<Value, CreateError> {
    let all_power = rules.authorization.explicitly_privilege_room_creators;
    let mut users: BTreeMap<String, i64> = BTreeMap::new();
    if !all_power {
        users.insert(request.creator.to_string(), 100);
        if request.preset == Preset::TrustedPrivateChat {
            users.extend(request.invite.iter().map(|user| (user.to_string(), 100)));
        }
    }
    let tombstone = if all_power { 150 } else { 100 };
    let mut levels = json!({
        "users": users,
        "users_default": 0,
        "events": {
            "m.room.name": 50,
            "m.room.power_levels": 100,
            "m.room.history_visibility": 100,
            "m.room.canonical_alias": 50,
            "m.room.avatar": 50,
            "m.room.tombstone": tombstone,
            "m.room.server_acl": 100,
            "m.room.encryption": 100,
        },
        "events_default": 0,
        "state_default": 50,
        "ban": 50,
        "kick": 50,
        "redact": 50,
        "invite": 0,
    });
    if let Some(levels) = levels.as_object_mut() {
        for (key, value) in &request.power_level_override {
            levels.insert(key.clone(), value.clone());
        }
    }
    if all_power {
        let mut creators = listed_creators(request)?;
        creators.push(request.creator.to_string());
        if let Some(users) = request.power_level_override.get("users").and_then(Value::as_object)
            && let Some(creator) = creators.iter().find(|creator| users.contains_key(*creator))
        {
            return Err(CreateError::CreatorInPowerLevels(creator.clone()));
        }
    }
    Ok(levels)
}

fn draft(request: &CreateRoom, kind: TimelineEventType, state_key: &str, content: &Value) -> EventDraft {
    EventDraft {
        kind,
        sender: request.creator.clone(),
        state_key: Some(state_key.to_owned()),
        content: raw(content),
        redacts: None,
    }
}

/// A value as raw JSON.
pub fn raw(value: &Value) -> Box<RawValue> {
    // What a value prints is always JSON.
    RawValue::from_string(value.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

#[cfg(test)]
mod tests {
    use ruma::user_id;

    use super::*;

    fn request(version: &str, preset: Preset) -> CreateRoom {
        CreateRoom {
            creator: user_id!("@alice:example.org").to_owned(),
            creator_member: Map::from_iter([("membership".to_owned(), json!("join"))]),
            version: RoomVersionId::try_from(version).unwrap(),
            preset,
            creation_content: Map::new(),
            initial_state: vec![],
            power_level_override: Map::new(),
            invite: vec![user_id!("@bob:example.org").to_owned()],
            name: Some("n".to_owned()),
            topic: None,
            alias: None,
            encrypt: true,
        }
    }

    #[test]
    fn creators_are_named_as_the_version_wants_it() {
        for (version, creator, additional) in [("10", true, false), ("11", false, false), ("12", false, true)] {
            let request = request(version, Preset::TrustedPrivateChat);
            let rules = request.version.rules().unwrap();
            let create = create_event(&request, &rules).unwrap();
            assert_eq!(create.content.get().contains("\"creator\""), creator, "{version}");
            assert_eq!(create.content.get().contains("additional_creators\":[\"@bob"), additional, "{version}");
            let events = first_events(&request, &rules).unwrap();
            let levels = events.iter().find(|event| event.kind == TimelineEventType::RoomPowerLevels).unwrap();
            assert_eq!(levels.content.get().contains("@alice:example.org"), !additional);
            assert!(events.iter().any(|event| event.kind == TimelineEventType::RoomEncryption));
        }
    }

    #[test]
    fn initial_state_wins_over_the_preset_and_keeps_its_place() {
        let mut request = request("11", Preset::PrivateChat);
        request.initial_state = vec![InitialState {
            kind: "m.room.join_rules".to_owned(),
            state_key: String::new(),
            content: Map::from_iter([("join_rule".to_owned(), json!("knock"))]),
        }];
        let events = first_events(&request, &request.version.rules().unwrap()).unwrap();
        let rules: Vec<_> = events.iter().filter(|event| event.kind == TimelineEventType::RoomJoinRules).collect();
        assert_eq!(rules.len(), 1);
        assert!(rules[0].content.get().contains("knock"));
    }
}
