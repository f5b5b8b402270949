//! Each rule of authorisation, with events that are forged in one thing.

use bytes::Bytes;
use ruma::OwnedEventId;
use serde_json::{Value, json};

use super::*;

const ALICE: &str = "@alice:x";
const BOB: &str = "@bob:x";

/// A room of Alice's, with events by name.
struct Room {
    rules: RoomVersionRules,
    events: HashMap<String, Judged>,
}

fn member(membership: &str) -> Value {
    json!({ "membership": membership })
}

impl Room {
    /// Alice has 100, Bob is joined with 50, Carol is banned, Dan is invited, Mia is joined without power. Only who is invited may come.
    fn new(version: &str) -> Self {
        let rules = RoomVersionId::try_from(version).unwrap().rules().unwrap();
        let mut room = Self { rules, events: HashMap::new() };
        let named = room.names_create();
        room.put(
            "create",
            ALICE,
            "m.room.create",
            Some(""),
            &json!({ "creator": ALICE, "room_version": version }),
            &[],
        );
        let users = if named { json!({ BOB: 50 }) } else { json!({ ALICE: 100, BOB: 50 }) };
        room.put("alice", ALICE, "m.room.member", Some(ALICE), &member("join"), &["create"]);
        room.put("levels", ALICE, "m.room.power_levels", Some(""), &json!({ "users": users }), &["create", "alice"]);
        room.put(
            "rules",
            ALICE,
            "m.room.join_rules",
            Some(""),
            &json!({ "join_rule": "invite" }),
            &["create", "alice", "levels"],
        );
        for (name, by, membership) in
            [("bob", BOB, "join"), ("carol", ALICE, "ban"), ("dan", ALICE, "invite"), ("mia", "@mia:x", "join")]
        {
            room.put(
                name,
                by,
                "m.room.member",
                Some(&format!("@{name}:x")),
                &member(membership),
                &["create", "levels"],
            );
        }
        room
    }

    fn names_create(&self) -> bool {
        self.rules.authorization.room_create_event_id_as_room_id
    }

    fn event(&self, name: &str, by: &str, kind: &str, at: Option<&str>, content: &Value, auth: &[&str]) -> Pdu {
        let auth: Vec<String> = auth
            .iter()
            .filter(|name| !(self.names_create() && **name == "create"))
            .map(|name| format!("${name}:x"))
            .collect();
        let mut event = json!({
            "type": kind, "sender": by, "content": content, "origin_server_ts": 1, "depth": 1, "auth_events": auth,
            "prev_events": if kind == "m.room.create" { json!([]) } else { json!(["$before:x"]) },
        });
        if let Some(at) = at {
            event["state_key"] = at.into();
        }
        if !(self.names_create() && kind == "m.room.create") {
            event["room_id"] = if self.names_create() { "!create:x" } else { "!r:x" }.into();
        }
        let id = OwnedEventId::try_from(format!("${name}:x")).unwrap();
        Pdu::parse(id, Bytes::from(event.to_string()), &self.rules).unwrap()
    }

    fn put(&mut self, name: &str, by: &str, kind: &str, at: Option<&str>, content: &Value, auth: &[&str]) {
        let pdu = Arc::new(self.event(name, by, kind, at, content, auth));
        self.events.insert(name.to_owned(), Judged::accepted(pdu));
    }

    /// Whether an event is allowed by the events that it names.
    fn check(&self, pdu: &Pdu) -> Result<(), String> {
        let all: Vec<Judged> = self.events.values().cloned().collect();
        allowed_by_auth_events(pdu, &self.rules, &all).map_err(|error| error.0)
    }

    fn sent(&self, by: &str, kind: &str, at: Option<&str>, content: &Value, auth: &[&str]) -> Result<(), String> {
        self.check(&self.event("new", by, kind, at, content, auth))
    }

    /// Whether the room's state allows a membership.
    fn becomes(&self, by: &str, whom: &str, membership: &str) -> bool {
        let mut state = StateMap::new();
        for judged in self.events.values() {
            let pdu = Arc::clone(&judged.pdu);
            state.insert((pdu.kind().to_string().into(), pdu.state_key().unwrap().to_owned()), pdu);
        }
        let pdu = self.event("new", by, "m.room.member", Some(whom), &member(membership), &[]);
        allowed_by_state(&pdu, &self.rules, &state).is_ok()
    }
}

#[track_caller]
fn refused(result: Result<(), String>, told: &str) {
    let error = result.unwrap_err();
    assert!(error.contains(told), "{error}");
}

#[test]
fn the_reasons_must_be_those_that_the_version_wants() {
    for version in ["1", "6", "11", "12"] {
        let mut room = Room::new(version);
        let say = |room: &Room, auth: &[&str]| room.sent(BOB, "m.room.message", None, &json!({ "body": "x" }), auth);
        assert_eq!(say(&room, &["create", "levels", "bob"]), Ok(()), "{version}");
        refused(say(&room, &["create", "levels", "bob", "rules"]), "unexpected");
        refused(say(&room, &["create", "levels", "bob", "alice"]), "unexpected");
        room.put("levels2", ALICE, "m.room.power_levels", Some(""), &json!({}), &["create", "alice"]);
        refused(say(&room, &["create", "levels", "bob", "levels2"]), "duplicate");
        refused(say(&room, &["create", "levels", "bob", "unknown"]), "failed to find");
        refused(say(&room, &["create", "levels"]), "not `join`");
        if !room.names_create() {
            refused(say(&room, &["levels", "bob"]), "no `m.room.create`");
        }
        room.events.get_mut("levels").unwrap().rejected = true;
        refused(say(&room, &["create", "levels", "bob"]), "rejected");
    }
}

#[test]
fn reasons_from_another_room_are_none() {
    let mut room = Room::new("11");
    let mut event: Value = serde_json::from_slice(room.events["levels"].pdu.json()).unwrap();
    event["room_id"] = "!other:x".into();
    let id = OwnedEventId::try_from("$foreign:x").unwrap();
    let foreign = Pdu::parse(id, Bytes::from(event.to_string()), &room.rules).unwrap();
    room.events.insert("foreign".to_owned(), Judged::accepted(Arc::new(foreign)));
    refused(room.sent(BOB, "m.x", None, &json!({}), &["create", "foreign", "bob"]), "same room");
}

#[test]
fn in_version_12_the_room_must_have_its_create_event() {
    let mut room = Room::new("12");
    room.events.get_mut("create").unwrap().rejected = true;
    refused(room.sent(BOB, "m.x", None, &json!({}), &["levels", "bob"]), "rejected `m.room.create`");
    room.events.remove("create");
    refused(room.sent(BOB, "m.x", None, &json!({}), &["levels", "bob"]), "failed to find `m.room.create`");
    room.put("other", BOB, "m.room.create", Some(""), &json!({}), &[]);
    assert!(room.sent(BOB, "m.x", None, &json!({}), &["levels", "bob"]).is_err(), "that of another room is none");
}

#[test]
fn a_room_begins_as_its_version_wants_it() {
    for version in ["6", "10", "11", "12"] {
        let room = Room::new(version);
        assert_eq!(room.check(&room.events["create"].pdu), Ok(()), "{version}");
        assert_eq!(room_version(&room.events["create"].pdu).unwrap().as_str(), version);
        let without = room.event("new", ALICE, "m.room.create", Some(""), &json!({}), &[]);
        assert_eq!(room.check(&without).is_ok(), room.rules.authorization.use_room_create_sender, "{version}");
        assert_eq!(room_version(&without), Some(RoomVersionId::V1));
        let additional = |value: Value| {
            let content = json!({ "creator": ALICE, "additional_creators": value });
            room.check(&room.event("new", ALICE, "m.room.create", Some(""), &content, &[])).is_ok()
        };
        assert_eq!(additional(json!(["bob"])), version != "12");
        assert!(additional(json!([BOB])));
        let by_stranger = room.event("new", "@eve:y", "m.room.create", Some(""), &json!({ "creator": ALICE }), &[]);
        assert_eq!(room.check(&by_stranger).is_ok(), version == "12", "the room's id names another server");
        let mut later: Value = serde_json::from_slice(room.events["create"].pdu.json()).unwrap();
        later["prev_events"] = json!(["$x:x"]);
        let id = OwnedEventId::try_from("$later:x").unwrap();
        refused(room.check(&Pdu::parse(id, Bytes::from(later.to_string()), &room.rules).unwrap()), "previous events");
    }
}

#[test]
fn other_servers_stay_out_of_a_room_that_is_not_federated() {
    let mut room = Room::new("11");
    room.put("create", ALICE, "m.room.create", Some(""), &json!({ "m.federate": false }), &[]);
    room.put("eve", "@eve:y", "m.room.member", Some("@eve:y"), &member("join"), &["create"]);
    refused(room.sent("@eve:y", "m.x", None, &json!({}), &["create", "levels", "eve"]), "not federated");
    assert_eq!(room.sent(BOB, "m.x", None, &json!({}), &["create", "levels", "bob"]), Ok(()));
}

#[test]
fn memberships_change_as_they_may() {
    for version in ["6", "7", "10", "12"] {
        let room = Room::new(version);
        let (carol, dan, mia, eve) = ("@carol:x", "@dan:x", "@mia:x", "@eve:x");
        for (by, whom, membership, allowed) in [
            (dan, dan, "join", true),
            (eve, eve, "join", false),
            (carol, carol, "join", false),
            (BOB, dan, "join", false),
            (mia, eve, "invite", true),
            (eve, eve, "invite", false),
            (BOB, carol, "invite", false),
            (BOB, mia, "invite", false),
            (dan, dan, "leave", true),
            (eve, eve, "leave", false),
            (BOB, mia, "leave", true),
            (mia, BOB, "leave", false),
            (BOB, ALICE, "leave", false),
            (BOB, carol, "leave", true),
            (mia, carol, "leave", false),
            (BOB, eve, "ban", true),
            (mia, eve, "ban", false),
            (BOB, ALICE, "ban", false),
            (eve, mia, "ban", false),
            (eve, eve, "knock", false),
            (eve, eve, "else", false),
        ] {
            assert_eq!(room.becomes(by, whom, membership), allowed, "{version}: {by} makes {whom} {membership}");
        }
    }
    let mut room = Room::new("7");
    room.put(
        "rules",
        ALICE,
        "m.room.join_rules",
        Some(""),
        &json!({ "join_rule": "knock" }),
        &["create", "alice", "levels"],
    );
    assert!(room.becomes("@eve:x", "@eve:x", "knock"));
    assert!(!room.becomes("@eve:x", "@dan:x", "knock"), "not for others");
    assert!(!room.becomes(BOB, BOB, "knock"), "not from within");
}

#[test]
fn somebody_who_may_invite_lets_into_a_restricted_room() {
    let mut room = Room::new("8");
    room.put(
        "rules",
        ALICE,
        "m.room.join_rules",
        Some(""),
        &json!({ "join_rule": "restricted" }),
        &["create", "alice", "levels"],
    );
    let levels = json!({ "users": { ALICE: 100, BOB: 50 }, "invite": 50 });
    room.put("levels", ALICE, "m.room.power_levels", Some(""), &levels, &["create", "alice"]);
    let joins = |via: Option<&str>, auth: &[&str]| {
        let mut content = member("join");
        if let Some(via) = via {
            content["join_authorised_via_users_server"] = via.into();
        }
        room.sent("@eve:x", "m.room.member", Some("@eve:x"), &content, &[&["create", "levels", "rules"], auth].concat())
    };
    assert_eq!(joins(Some(BOB), &["bob"]), Ok(()));
    refused(joins(Some("@mia:x"), &["mia"]), "enough power");
    refused(joins(Some("@carol:x"), &["carol"]), "not joined");
    refused(joins(None, &[]), "without");
    refused(joins(None, &["bob"]), "unexpected");
}

#[test]
fn power_is_needed_and_not_exceeded() {
    for version in ["6", "10", "12"] {
        let room = Room::new(version);
        let bob = &["create", "levels", "bob"][..];
        let mia = &["create", "levels", "mia"][..];
        let topic = json!({ "topic": "x" });
        assert_eq!(room.sent(BOB, "m.room.topic", Some(""), &topic, bob), Ok(()));
        refused(room.sent("@mia:x", "m.room.topic", Some(""), &topic, mia), "enough power");
        refused(room.sent(BOB, "org.x", Some("@mia:x"), &topic, bob), "another user's ID");
        assert_eq!(room.sent(BOB, "org.x", Some(BOB), &topic, bob), Ok(()));
        let own = if room.names_create() { json!({ BOB: 50 }) } else { json!({ ALICE: 100, BOB: 50 }) };
        let with = |change: &dyn Fn(&mut Value)| {
            let mut content = json!({ "users": own });
            change(&mut content);
            room.sent(BOB, "m.room.power_levels", Some(""), &content, bob).is_ok()
        };
        assert!(with(&|_| ()));
        assert!(with(&|content| content["users"]["@mia:x"] = 50.into()));
        assert!(!with(&|content| content["users"]["@mia:x"] = 51.into()), "more than one's own");
        assert!(!with(&|content| content["ban"] = 51.into()));
        assert!(with(&|content| content["ban"] = 40.into()));
        assert!(!with(&|content| content["events"] = json!({ "m.x": 60 })));
        assert!(!with(&|content| content["notifications"] = json!({ "room": 60 })));
        assert!(!with(&|content| content["users"] = json!([])));
        assert_eq!(with(&|content| content["kick"] = "50".into()), version == "6", "numbers as text, up to version 9");
        if room.names_create() {
            assert!(!with(&|content| content["users"][ALICE] = 100.into()), "creators have all power");
        } else {
            assert!(!with(&|content| content["users"][ALICE] = 50.into()), "of somebody who has more");
        }
    }
}

#[test]
fn redactions_and_aliases_have_rules_of_their_own_in_old_rooms() {
    for (version, special) in [("1", true), ("2", true), ("3", false)] {
        let mut room = Room::new(version);
        room.put("eve", "@eve:y", "m.room.member", Some("@eve:y"), &member("join"), &["create"]);
        let redact = |redacts: &str| {
            let pdu = room.event("new", "@mia:x", "m.room.redaction", None, &json!({}), &["create", "levels", "mia"]);
            let mut event: Value = serde_json::from_slice(pdu.json()).unwrap();
            event["redacts"] = redacts.into();
            let pdu = Pdu::parse(pdu.event_id().to_owned(), Bytes::from(event.to_string()), &room.rules).unwrap();
            room.check(&pdu).is_ok()
        };
        assert!(redact("$of:x"), "{version}: of one's own server");
        assert_eq!(redact("$of:y"), !special, "{version}: of another");
    }
    let room = Room::new("5");
    let aliases = |at| room.sent("@mia:x", "m.room.aliases", at, &json!({}), &["create", "levels", "mia"]);
    assert_eq!(aliases(Some("x")), Ok(()), "without any power");
    assert!(aliases(Some("y")).is_err() && aliases(None).is_err());
    let room = Room::new("6");
    assert!(room.sent("@mia:x", "m.room.aliases", Some("x"), &json!({}), &["create", "levels", "mia"]).is_err());
}
