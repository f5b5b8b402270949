//! Events that another server has drafted: its answers to `make_join`, `make_leave` and `make_knock` (server-server, *Joining Rooms*,
//! *Leaving Rooms*, *Knocking upon a room*).
//!
//! The other server may say where in the room the event stands and who lets a user into a restricted room. Everything else is ours:
//! what it would have our user say is not taken over.

use ruma::{
    OwnedEventId, RoomId, UserId,
    events::{TimelineEventType, room::member::MembershipState},
    room_version_rules::RoomVersionRules,
};
use serde_json::{Map, Value};

use super::{
    BuildError, EventDraft, Pdu, Place, ServerSigner, build,
    build::ReferenceHashes,
    build_old,
    json::{self, Json, Object},
    receive::{self, Refused},
};
use crate::create::raw;

/// The membership that we asked for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The room.
    pub room_id: &'a RoomId,
    /// Whose membership it is; they send it themselves.
    pub user_id: &'a UserId,
    /// `join`, `leave` or `knock`.
    pub membership: MembershipState,
    /// What else is to stand in the content: name, avatar, reason.
    pub content: Map<String, Value>,
}

/// A draft of another server that is what we asked for.
#[derive(Debug)]
pub struct Template {
    draft: EventDraft,
    place: Place,
    hashes: ReferenceHashes,
}

/// A draft that is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// It has not the form of an event of the room's version.
    #[error(transparent)]
    Malformed(#[from] Refused),
    /// It is something else than what we asked for.
    #[error("the draft's `{0}` is not what was asked for")]
    Differs(&'static str),
}

impl Template {
    /// Reads the `event` of an answer. `now_ms` are milliseconds since the epoch.
    pub fn read(
        event: &[u8],
        wanted: &Wanted<'_>,
        now_ms: i64,
        rules: &RoomVersionRules,
    ) -> Result<Self, TemplateError> {
        if event.len() > receive::EVENT_BYTES {
            let (length, limit) = (event.len(), receive::EVENT_BYTES);
            return Err(Refused::TooLarge { what: "JSON", length, limit }.into());
        }
        let document = json::read(event).map_err(Refused::Json)?;
        let event = document.value.as_object().ok_or(TemplateError::Differs("type"))?;
        let content = event.object("content").ok_or(TemplateError::Differs("content"))?;
        let user = wanted.user_id.as_str();
        for (key, told, asked) in [
            ("type", event.str("type"), "m.room.member"),
            ("room_id", event.str("room_id"), wanted.room_id.as_str()),
            ("sender", event.str("sender"), user),
            ("state_key", event.str("state_key"), user),
            ("membership", content.str("membership"), wanted.membership.as_str()),
        ] {
            if told != Some(asked) {
                return Err(TemplateError::Differs(key));
            }
        }
        let mut hashes = ReferenceHashes::new();
        let place = Place {
            room_id: Some(wanted.room_id.to_owned()),
            prev_events: named(event, "prev_events", wanted.room_id, rules, &mut hashes)?,
            auth_events: named(event, "auth_events", wanted.room_id, rules, &mut hashes)?,
            depth: depth(event, rules)?,
            origin_server_ts: now_ms,
        };
        let draft = EventDraft {
            kind: TimelineEventType::RoomMember,
            sender: wanted.user_id.to_owned(),
            state_key: Some(user.to_owned()),
            content: raw(&Value::Object(own_content(content, wanted, rules)?)),
            redacts: None,
        };
        Ok(Self { draft, place, hashes })
    }

    /// The event. `opaque` is the random part of its id, for room versions 1 and 2, where ids are chosen.
    pub fn build(self, opaque: &str, rules: &RoomVersionRules, signer: &ServerSigner) -> Result<Pdu, BuildError> {
        if !receive::brings_id(rules) {
            return build(self.draft, self.place, rules, signer);
        }
        let event_id = OwnedEventId::try_from(format!("${opaque}:{}", signer.server_name()))
            .map_err(|error| BuildError::Content(error.to_string()))?;
        build_old(self.draft, self.place, event_id, &self.hashes, rules, signer)
    }
}

/// The events that a draft names. Their hashes are kept where the version wants them.
fn named(
    event: &Object<'_>,
    key: &'static str,
    room_id: &RoomId,
    rules: &RoomVersionRules,
    hashes: &mut ReferenceHashes,
) -> Result<Vec<OwnedEventId>, TemplateError> {
    receive::references(event, key, room_id, rules)?;
    let mut ids = Vec::new();
    for entry in event.get(key).and_then(Json::as_array).into_iter().flatten() {
        let (id, hash) = match entry {
            Json::Array(pair) => {
                let hash = pair.get(1).and_then(Json::as_object).and_then(|hashes| hashes.str("sha256"));
                (pair.first().and_then(Json::as_str), Some(hash.ok_or(TemplateError::Differs(key))?))
            }
            other => (other.as_str(), None),
        };
        let id = id.and_then(|id| OwnedEventId::try_from(id).ok()).ok_or(TemplateError::Differs(key))?;
        if let Some(hash) = hash {
            hashes.insert(id.clone(), hash.to_owned());
        }
        ids.push(id);
    }
    Ok(ids)
}

fn depth(event: &Object<'_>, rules: &RoomVersionRules) -> Result<i64, TemplateError> {
    let most = if rules.authorization.strict_canonical_json { (1 << 53) - 1 } else { i64::MAX };
    match event.get("depth") {
        Some(Json::Integer(depth)) if (0..=most).contains(depth) => Ok(*depth),
        _ => Err(TemplateError::Differs("depth")),
    }
}

/// What the event will say: our words, and who lets the user in.
fn own_content(
    content: &Object<'_>,
    wanted: &Wanted<'_>,
    rules: &RoomVersionRules,
) -> Result<Map<String, Value>, TemplateError> {
    const AUTHORISED_VIA: &str = "join_authorised_via_users_server";
    let mut own = wanted.content.clone();
    own.remove(AUTHORISED_VIA);
    own.insert("membership".to_owned(), wanted.membership.as_str().into());
    let restricted = rules.authorization.restricted_join_rule && wanted.membership == MembershipState::Join;
    if let Some(user) = content.get(AUTHORISED_VIA).filter(|_| restricted) {
        let user = user.as_str().filter(|user| <&UserId>::try_from(*user).is_ok());
        own.insert(AUTHORISED_VIA.to_owned(), user.ok_or(TemplateError::Differs(AUTHORISED_VIA))?.into());
    }
    Ok(own)
}

#[cfg(test)]
mod tests {
    use ruma::{RoomVersionId, owned_server_name, room_id, user_id};
    use serde_json::json;

    use super::*;

    fn wanted(membership: MembershipState) -> Wanted<'static> {
        Wanted {
            room_id: room_id!("!r:example.com"),
            user_id: user_id!("@alice:example.org"),
            membership,
            content: Map::from_iter([("displayname".to_owned(), "Alice".into())]),
        }
    }

    fn join(old: bool) -> Value {
        let id = |name: &str| {
            if old { json!([format!("${name}:x"), { "sha256": name }]) } else { json!(format!("${name}")) }
        };
        json!({
            "type": "m.room.member", "room_id": "!r:example.com", "sender": "@alice:example.org", "state_key": "@alice:example.org",
            "content": { "membership": "join", "displayname": "Somebody else", "join_authorised_via_users_server": "@bob:example.com" },
            "prev_events": [id("p")], "auth_events": [id("a"), id("b")], "depth": 9, "origin": "example.com", "origin_server_ts": 1,
            "redacts": "$x",
        })
    }

    #[test]
    fn the_place_is_theirs_and_the_words_are_ours() {
        let signer = ServerSigner::from_seed(owned_server_name!("example.org"), &[7; 32], "a1").unwrap();
        for version in ["1", "2", "5", "8", "11", "12"] {
            let rules = RoomVersionId::try_from(version).unwrap().rules().unwrap();
            let event = join(receive::brings_id(&rules)).to_string();
            let template = Template::read(event.as_bytes(), &wanted(MembershipState::Join), 77, &rules).unwrap();
            let pdu = template.build("opaque", &rules, &signer).unwrap();
            assert_eq!((pdu.depth(), pdu.prev_events().len(), pdu.auth_events().len()), (9, 1, 2));
            assert_eq!(u64::from(pdu.origin_server_ts().0), 77);
            assert_eq!(pdu.redacts(), None);
            let content: Value = serde_json::from_str(pdu.content().get()).unwrap();
            assert_eq!(content["displayname"], "Alice");
            let restricted = rules.authorization.restricted_join_rule;
            assert_eq!(content.get("join_authorised_via_users_server").is_some(), restricted, "{version}");
            if !restricted {
                assert!(receive::read(pdu.json(), &rules).is_ok(), "{version}");
            }
        }
    }

    #[test]
    fn anything_else_than_what_was_asked_for_is_refused() {
        let rules = RoomVersionId::V11.rules().unwrap();
        for (key, value) in [
            ("type", json!("m.room.power_levels")),
            ("room_id", json!("!other:example.com")),
            ("sender", json!("@carol:example.org")),
            ("state_key", json!("@carol:example.org")),
            ("state_key", Value::Null),
            ("content", json!({ "membership": "leave" })),
            ("content", json!({ "membership": "join", "join_authorised_via_users_server": 5 })),
            ("content", json!([])),
            ("depth", json!(-1)),
            ("depth", json!("1")),
            ("prev_events", json!({})),
            ("prev_events", json!(vec!["$x"; 21])),
            ("auth_events", json!([["$a:x", { "sha256": "a" }]])),
        ] {
            let mut event = join(false);
            event[key] = value;
            let read = Template::read(event.to_string().as_bytes(), &wanted(MembershipState::Join), 1, &rules);
            assert!(read.is_err(), "{key}");
        }
        assert_eq!(
            Template::read(join(false).to_string().as_bytes(), &wanted(MembershipState::Knock), 1, &rules).unwrap_err(),
            TemplateError::Differs("membership")
        );
        let old = RoomVersionId::V1.rules().unwrap();
        let mut event = join(true);
        event["prev_events"] = json!([["$p:x", {}]]);
        assert!(
            Template::read(event.to_string().as_bytes(), &wanted(MembershipState::Join), 1, &old).is_err(),
            "no hash"
        );
    }
}
