//! A class and a user's own rules together must say what ruma says about the whole rule set.

use bytes::Bytes;
use proptest::prelude::*;
use ruma::{OwnedUserId, RoomVersionId, event_id, room_id};
use serde_json::{Value, json};

use super::*;
use crate::{
    event::Pdu,
    push_rules::{Asked, Outcomes, QuietOutcomes, evaluate_user},
};

const USERS: [&str; 3] = ["@alice:example.org", "@bob:example.org", "@carol:example.org"];
const NAMES: [&str; 3] = ["Alice", "Bob the Builder", "Carol"];

fn room() -> &'static RoomId {
    room_id!("!room:example.org")
}

fn pdu(kind: &str, sender: &str, state_key: Option<&str>, content: &Value) -> Pdu {
    let mut json = json!({
        "type": kind, "sender": sender, "content": content, "room_id": room(), "origin_server_ts": 1,
        "depth": 1, "prev_events": [], "auth_events": [],
    });
    if let Some(state_key) = state_key {
        json["state_key"] = state_key.into();
    }
    let rules = RoomVersionId::V11.rules().unwrap();
    Pdu::parse(event_id!("$e").to_owned(), Bytes::from(json.to_string()), &rules).unwrap()
}

fn facts(members: u64, sender: &str) -> RoomFacts {
    let rules = RoomVersionId::V11.rules().unwrap();
    let create = pdu("m.room.create", USERS[0], Some(""), &json!({}));
    let levels = pdu("m.room.power_levels", USERS[0], Some(""), &json!({ "users": { USERS[0]: 100 } }));
    let levels = crate::auth::power_levels(&create, Some(&levels), &rules);
    RoomFacts::new(room(), members, &OwnedUserId::try_from(sender).unwrap(), &levels)
}

fn ruleset(user: &str, custom: &Value) -> Ruleset {
    let user: OwnedUserId = user.try_into().unwrap();
    let mut all = serde_json::to_value(Ruleset::server_default(&user)).unwrap();
    for (kind, rules) in custom.as_object().unwrap() {
        let known = all.as_object_mut().unwrap().entry(kind).or_insert(json!([])).as_array_mut().unwrap();
        // A user's own rules come before the default ones.
        known.splice(0..0, rules.as_array().unwrap().iter().cloned());
    }
    serde_json::from_value(all).unwrap()
}

fn rule(id: &str, conditions: Option<Value>, actions: &Value) -> Value {
    let mut rule = json!({ "rule_id": id, "default": false, "enabled": true, "actions": actions });
    if let Some(conditions) = conditions {
        rule["conditions"] = conditions;
    }
    rule
}

#[test]
fn members_with_default_rules_share_one_class_in_all_rooms() {
    let key = Class::server_default().key();
    for user in USERS {
        let user: OwnedUserId = user.try_into().unwrap();
        let split = split(&Ruleset::server_default(&user), &user, room());
        assert_eq!(split.class.key(), key);
        assert!(!split.personal.watchful());
    }
    assert_eq!(Class::from_json(&Class::server_default().to_json()).unwrap().key(), key);
}

#[test]
fn a_room_that_is_muted_in_either_way_is_the_empty_class() {
    let muting = [
        json!({ "override": [rule("m", Some(json!([{ "kind": "event_match", "key": "room_id", "pattern": room() }])), &json!([]))] }),
        json!({ "override": [rule("m", Some(json!([{ "kind": "event_match", "key": "room_id", "pattern": room() }])), &json!(["dont_notify"]))] }),
    ];
    let user: OwnedUserId = USERS[1].try_into().unwrap();
    for custom in muting {
        let split = split(&ruleset(USERS[1], &custom), &user, room());
        assert_eq!(split.class.to_json(), "[]");
        assert!(!split.personal.watchful());
        let elsewhere = super::split(&ruleset(USERS[1], &custom), &user, room_id!("!other:example.org"));
        assert_eq!(elsewhere.class.key(), Class::server_default().key());
    }
    // A room rule leaves mentions alone.
    let mentions_only = json!({ "room": [rule(room().as_str(), None, &json!([]))] });
    let split = split(&ruleset(USERS[1], &mentions_only), &user, room());
    let message =
        pdu("m.room.message", USERS[0], None, &json!({ "body": "x", "m.mentions": { "user_ids": [USERS[1]] } }));
    let event = PushEvent::new(&message, room()).unwrap();
    assert!(!split.class.evaluate(&event, &facts(9, USERS[0])).notify);
    assert!(split.personal.may_match(&event, "Bob"));
}

#[test]
fn outcomes_of_the_default_class() {
    let class = Class::server_default();
    let text = json!({ "msgtype": "m.text", "body": "hi" });
    for (kind, state_key, content, members, sender, notify, highlight, sound) in [
        ("m.room.message", None, text.clone(), 9, USERS[1], true, false, false),
        ("m.room.message", None, text, 2, USERS[1], true, false, true),
        ("m.room.message", None, json!({ "msgtype": "m.notice", "body": "hi" }), 9, USERS[1], false, false, false),
        ("m.room.encrypted", None, json!({ "ciphertext": "x" }), 9, USERS[1], true, false, false),
        ("m.reaction", None, json!({}), 9, USERS[1], false, false, false),
        ("m.room.topic", Some(""), json!({ "topic": "t" }), 9, USERS[1], false, false, false),
        ("m.room.tombstone", Some(""), json!({}), 9, USERS[1], true, true, false),
        ("m.room.member", Some(USERS[2]), json!({ "membership": "invite" }), 9, USERS[1], false, false, false),
        (
            "m.room.message",
            None,
            json!({ "body": "@room", "m.mentions": { "room": true } }),
            9,
            USERS[0],
            true,
            true,
            false,
        ),
        (
            "m.room.message",
            None,
            json!({ "body": "@room", "m.mentions": { "room": true } }),
            9,
            USERS[1],
            true,
            false,
            false,
        ),
        (
            "m.room.message",
            None,
            json!({ "body": "* x", "m.relates_to": { "rel_type": "m.replace", "event_id": "$o" } }),
            9,
            USERS[1],
            false,
            false,
            false,
        ),
    ] {
        let event = PushEvent::new(&pdu(kind, sender, state_key, &content), room()).unwrap();
        let outcome = class.evaluate(&event, &facts(members, sender));
        let found = (outcome.notify, outcome.highlight, outcome.tweaks.contains_key("sound"));
        assert_eq!(found, (notify, highlight, sound), "{kind} {content}");
    }
}

#[test]
fn json_that_cannot_be_flattened_is_an_error() {
    let deep = format!("{}1{}", "[".repeat(101), "]".repeat(101));
    for content in [format!(r#"{{"a":{deep}}}"#), r#"{"body":"\ud800"}"#.to_owned()] {
        let json =
            format!(r#"{{"type":"m.x","sender":"@a:b","content":{content},"room_id":"!r:b","origin_server_ts":1}}"#);
        let rules = RoomVersionId::V11.rules().unwrap();
        let Ok(pdu) = Pdu::parse(event_id!("$e").to_owned(), Bytes::from(json), &rules) else { continue };
        assert!(PushEvent::new(&pdu, room()).is_err(), "{content}");
    }
}

fn any_actions() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!([]),
        json!(["dont_notify"]),
        json!(["notify"]),
        json!(["notify", { "set_tweak": "highlight" }]),
        json!(["notify", { "set_tweak": "highlight", "value": false }]),
        json!(["notify", { "set_tweak": "sound", "value": "bing" }]),
        json!([{ "set_tweak": "highlight" }]),
    ])
}

fn any_condition(user: &'static str) -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!({ "kind": "event_match", "key": "room_id", "pattern": "!room:*" }),
        json!({ "kind": "event_match", "key": "room_id", "pattern": "!other:example.org" }),
        json!({ "kind": "event_match", "key": "content.body", "pattern": "Wo*d" }),
        json!({ "kind": "event_match", "key": "content.body", "pattern": "build" }),
        json!({ "kind": "event_match", "key": "type", "pattern": "m.room.*" }),
        json!({ "kind": "event_match", "key": "sender", "pattern": "@CAROL:*" }),
        json!({ "kind": "event_match", "key": "state_key", "pattern": user }),
        json!({ "kind": "event_match", "key": "content.topic", "pattern": user }),
        json!({ "kind": "event_property_is", "key": "sender", "value": "@bob:example.org" }),
        json!({ "kind": "event_property_is", "key": "content.topic", "value": user }),
        json!({ "kind": "event_property_is", "key": "content.n", "value": 3 }),
        json!({ "kind": "event_property_contains", "key": "content.m\\.mentions.user_ids", "value": user }),
        json!({ "kind": "event_property_contains", "key": "content.others", "value": user }),
        json!({ "kind": "contains_display_name" }),
        json!({ "kind": "room_member_count", "is": ">3" }),
        json!({ "kind": "sender_notification_permission", "key": "room" }),
        json!({ "kind": "org.example.unknown" }),
    ])
}

fn any_rules(user: &'static str) -> impl Strategy<Value = Ruleset> {
    let conditional = || (prop::collection::vec(any_condition(user), 0..3), any_actions(), prop::bool::weighted(0.8));
    let conditionals = || prop::collection::vec(conditional(), 0..3);
    let content = prop::collection::vec((prop::sample::select(vec!["word", "a*e", "?", "bob"]), any_actions()), 0..2);
    let rooms = prop::collection::vec(
        (prop::sample::select(vec!["!room:example.org", "!other:example.org"]), any_actions()),
        0..2,
    );
    let senders = prop::collection::vec((prop::sample::select(USERS.to_vec()), any_actions()), 0..2);
    (conditionals(), content, rooms, senders, conditionals(), any::<u16>()).prop_map(
        move |(over, content, rooms, senders, under, disabled)| {
            let conditionals = |rules: Vec<(Vec<Value>, Value, bool)>| -> Vec<Value> {
                rules
                    .into_iter()
                    .enumerate()
                    .map(|(index, (conditions, actions, enabled))| {
                        let mut rule = rule(&format!("c{index}"), Some(conditions.into()), &actions);
                        rule["enabled"] = enabled.into();
                        rule
                    })
                    .collect()
            };
            let mut custom = json!({ "override": conditionals(over), "underride": conditionals(under) });
            custom["content"] = content
                .into_iter()
                .enumerate()
                .map(|(index, (pattern, actions))| {
                    let mut rule = rule(&format!("k{index}"), None, &actions);
                    rule["pattern"] = pattern.into();
                    rule
                })
                .collect();
            custom["room"] = rooms.into_iter().map(|(room, actions)| rule(room, None, &actions)).collect();
            custom["sender"] = senders.into_iter().map(|(user, actions)| rule(user, None, &actions)).collect();
            let mut json = serde_json::to_value(ruleset(user, &custom)).unwrap();
            // Some default rules are switched over, the master rule seldom.
            for (index, rule) in json["override"].as_array_mut().unwrap().iter_mut().enumerate().skip(1) {
                if rule["default"] == true && disabled & (1 << (index % 16)) == 0 && disabled % 3 == 0 {
                    rule["enabled"] = (!rule["enabled"].as_bool().unwrap()).into();
                }
            }
            serde_json::from_value(json).unwrap()
        },
    )
}

fn any_event() -> impl Strategy<Value = Pdu> {
    let body = prop::option::of(prop::sample::select(vec![
        "",
        "word",
        "a wOrd!",
        "keywords",
        "wood",
        "Bob the builder",
        "hello alice",
        "@room",
        "some * text?",
    ]));
    let mentions = prop::option::of((prop::collection::vec(prop::sample::select(USERS.to_vec()), 0..2), any::<bool>()));
    let topic = prop::option::of(prop::sample::select(USERS.to_vec()));
    let state_key = prop::option::of(prop::sample::select(vec!["", USERS[0], USERS[1]]));
    let kind =
        prop::sample::select(vec!["m.room.message", "m.room.member", "m.room.encrypted", "m.room.topic", "m.reaction"]);
    (kind, prop::sample::select(USERS.to_vec()), state_key, body, mentions, topic, 0..5_i64).prop_map(
        |(kind, sender, state_key, body, mentions, topic, n)| {
            let mut content = json!({ "n": n, "membership": "invite", "others": [USERS[1]] });
            if let Some(body) = body {
                content["body"] = body.into();
            }
            if let Some((user_ids, room)) = mentions {
                content["m.mentions"] = json!({ "user_ids": user_ids, "room": room });
            }
            if let Some(topic) = topic {
                content["topic"] = topic.into();
            }
            if n == 0 {
                content = json!({ "ciphertext": body });
            }
            pdu(kind, sender, state_key, &content)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]
    #[test]
    fn the_class_speaks_for_all_whose_own_rules_do_not(
        rules in any_rules(USERS[1]), event in any_event(), members in 1..6_u64,
    ) {
        let user: OwnedUserId = USERS[1].try_into().unwrap();
        prop_assume!(event.sender() != user);
        let facts = facts(members, event.sender().as_str());
        let event = PushEvent::new(&event, room()).unwrap();
        let split = split(&rules, &user, room());
        let exact = evaluate_user(&rules, &user, NAMES[1], &event, &facts);
        if split.personal.may_match(&event, NAMES[1]) {
            prop_assert!(split.personal.watchful() || event.addressed().contains(&user));
        } else {
            prop_assert_eq!(split.class.evaluate(&event, &facts), exact);
        }
        let stored = Class::from_json(&split.class.to_json()).unwrap();
        prop_assert_eq!(stored.evaluate(&event, &facts), split.class.evaluate(&event, &facts));
    }
}

// The same classes, asked with and without what is remembered of events before.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn what_is_remembered_of_quiet_events_is_what_the_classes_say(
        rules in prop::collection::vec(any_rules(USERS[1]), 1..3),
        events in prop::collection::vec((any_event(), 1..4_u64), 1..24),
    ) {
        let user: OwnedUserId = USERS[1].try_into().unwrap();
        let parts: Vec<Split> = rules.iter().map(|rules| split(rules, &user, room())).collect();
        let asked = Asked::by(parts.iter().map(|parts| &parts.class));
        let mut remembered = QuietOutcomes::default();
        for (pdu, members) in events {
            let event = PushEvent::new(&pdu, room()).unwrap();
            let facts = facts(members, pdu.sender().as_str());
            let plain: Outcomes =
                (0..).zip(&parts).map(|(num, parts)| (num, parts.class.evaluate(&event, &facts))).collect();
            if !asked.is_quiet(&pdu) {
                continue;
            }
            prop_assert!(event.addressed().is_empty());
            for parts in parts.iter().filter(|parts| !parts.personal.watchful()) {
                prop_assert!(!parts.personal.may_match(&event, NAMES[1]));
            }
            match remembered.get(pdu.kind(), members) {
                Some(found) => prop_assert_eq!(found, plain),
                None => remembered.remember(pdu.kind(), members, &plain),
            }
        }
    }
}

#[test]
fn an_encrypted_message_is_quiet_unless_its_content_is_asked_about() {
    let asked = Asked::by([&Class::server_default()]);
    let encrypted = |content: Value| pdu("m.room.encrypted", USERS[0], None, &content);
    assert!(asked.is_quiet(&encrypted(json!({ "algorithm": "a", "ciphertext": "x", "n": [1, { "a": null }] }))));
    for content in [
        json!({ "msgtype": "m.notice" }),
        json!({ "m.mentions": {} }),
        json!({ "ciphertext": "x", "m.relates_to": { "rel_type": "m.replace" } }),
    ] {
        assert!(!asked.is_quiet(&encrypted(content.clone())), "{content}");
    }
    assert!(!asked.is_quiet(&pdu("m.room.topic", USERS[0], Some(""), &json!({ "a": 1 }))));

    let user: OwnedUserId = USERS[1].try_into().unwrap();
    let asking = |condition: Value| {
        let custom = json!({ "override": [rule("c", Some(json!([condition])), &json!(["notify"]))] });
        Asked::by([&split(&ruleset(USERS[1], &custom), &user, room()).class])
    };
    let dotted = asking(json!({ "kind": "event_match", "key": "content.a\\.b\\\\c.d", "pattern": "x" }));
    assert!(dotted.is_quiet(&encrypted(json!({ "a": { "b": "x" } }))));
    assert!(!dotted.is_quiet(&encrypted(json!({ "a.b\\c": { "d": "x" } }))));
    // What these ask for differs from event to event, whatever the content.
    for condition in [
        json!({ "kind": "event_match", "key": "event_id", "pattern": "$a*" }),
        json!({ "kind": "event_property_is", "key": "origin_server_ts", "value": 1 }),
        json!({ "kind": "event_property_is", "key": "content", "value": 1 }),
        json!({ "kind": "sender_notification_permission", "key": "room" }),
    ] {
        assert!(!asking(condition.clone()).is_quiet(&encrypted(json!({ "ciphertext": "x" }))), "{condition}");
    }
}
