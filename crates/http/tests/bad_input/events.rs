//! What clients put into rooms: sizes, numbers, nesting, transactions, and what the rules of the room refuse.

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

use super::{V3, outcome, room, say};

const VERSIONS: [&str; 10] = ["3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];

async fn people() -> TestServer {
    let mut server = TestServer::start().await;
    for name in ["alice", "bob", "carol", "eve"] {
        server = server.with_user(name).await;
    }
    server
}

/// A room of alice's in which bob is.
async fn shared_room(server: &TestServer, body: &Value) -> String {
    let mut body = body.clone();
    body["invite"] = json!([server.user("bob").id()]);
    let room = room(&server.user("alice"), &body).await;
    server.user("bob").post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    room
}

async fn state(by: &TestUser, room: &str, kind: &str, key: &str, content: &Value) -> (u16, String) {
    outcome(&by.put(&format!("{V3}/rooms/{room}/state/{kind}/{key}"), content).await)
}

async fn member(by: &TestUser, room: &str, who: &str, membership: &str) -> (u16, String) {
    state(by, room, "m.room.member", who, &json!({ "membership": membership })).await
}

fn forbidden() -> (u16, String) {
    (403, "M_FORBIDDEN".to_owned())
}

#[tokio::test]
async fn events_have_a_largest_size() {
    let server = people().await;
    let alice = server.user("alice");
    for version in VERSIONS {
        let room = room(&alice, &json!({ "room_version": version })).await;
        let path = |txn: usize| format!("{V3}/rooms/{room}/send/m.room.message/{txn}");
        let before = server.contents().await;
        let told = outcome(&alice.put(&path(0), &json!({ "body": "x".repeat(65_536) })).await);
        assert_eq!(told, (413, "M_TOO_LARGE".to_owned()), "{version}");
        assert_eq!(before.difference(&server.contents().await), "", "{version}");
        // The bound is on the event, and what the server adds counts. From some length on everything is too large, below nothing is.
        let (mut fits, mut too_large) = (64_000, 65_536);
        while fits + 1 < too_large {
            let middle = usize::midpoint(fits, too_large);
            let answer = alice.put(&path(middle), &json!({ "body": "x".repeat(middle) })).await;
            if answer.status.is_success() { fits = middle } else { too_large = middle }
        }
        let largest = alice.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=100")).await.ok();
        assert!(fits > 64_500 && !largest["chunk"].as_array().unwrap().is_empty(), "{version}: {fits}");
    }
    let room = room(&alice, &json!({})).await;
    let long = "x".repeat(256);
    let message = json!({ "body": "x" });
    let told = outcome(&alice.put(&format!("{V3}/rooms/{room}/send/{long}/1"), &message).await);
    assert!(matches!(told.0, 400 | 413), "{told:?}");
    let told = state(&alice, &room, "org.example.state", &long, &json!({})).await;
    assert!(matches!(told.0, 400 | 413), "{told:?}");
    assert_eq!(state(&alice, &room, "org.example.state", &long[..255], &json!({})).await.0, 200);
}

#[tokio::test]
async fn numbers_are_whole_and_of_53_bits() {
    let server = people().await;
    let alice = server.user("alice");
    for version in VERSIONS {
        let room = room(&alice, &json!({ "room_version": version })).await;
        let send = async |body: String| {
            let path = format!(
                "{V3}/rooms/{room}/send/org.example.number/{:x}",
                body.len() * 31 + usize::from(body.as_bytes()[5])
            );
            outcome(&alice.send(axum::http::Method::PUT, &path, body).await)
        };
        let before = server.contents().await;
        for number in
            ["1.5", "1e3", "-0.1", "9007199254740992", "-9007199254740992", "1e400", "123456789012345678901234567890"]
        {
            for body in [format!("{{\"a\":{number}}}"), format!("{{\"b\":[{{\"c\":{number}}}]}}")] {
                let told = send(body.clone()).await;
                assert_eq!(told, (400, "M_BAD_JSON".to_owned()), "{version}: {body}");
            }
        }
        let nested = format!("{{\"a\":{}1{}}}", "[".repeat(101), "]".repeat(101));
        assert_eq!(send(nested).await, (400, "M_BAD_JSON".to_owned()), "{version}");
        assert_eq!(before.difference(&server.contents().await), "", "{version}");
        for number in ["9007199254740991", "-9007199254740991", "0"] {
            let told = send(format!("{{\"number\":{number}}}")).await;
            assert_eq!(told.0, 200, "{version}: {number}: {told:?}");
        }
    }
}

#[tokio::test]
async fn a_transaction_is_of_one_device_room_and_type() {
    let server = people().await;
    let alice = server.user("alice");
    let (room, other_room) = (room(&alice, &json!({})).await, room(&alice, &json!({})).await);
    let first = say(&alice, &room, "txn").await;
    assert_eq!(say(&alice, &room, "txn").await, first);
    assert_ne!(say(&alice, &other_room, "txn").await, first);
    assert_ne!(say(&server.login("alice").await, &room, "txn").await, first);
    let other_type = alice.put(&format!("{V3}/rooms/{room}/send/org.example.other/txn"), &json!({})).await.ok();
    assert_ne!(other_type["event_id"], first.as_str());
    // Another body is still the same transaction.
    let again =
        alice.put(&format!("{V3}/rooms/{room}/send/m.room.message/txn"), &json!({ "body": "other" })).await.ok();
    assert_eq!(again["event_id"], first.as_str());
    // At once, too: one of them is written, and all are told of it.
    let path = format!("{V3}/rooms/{room}/send/m.room.message/at-once");
    let at_once = (0..16).map(|number| {
        let (alice, path) = (alice.clone(), path.clone());
        tokio::spawn(
            async move { alice.put(&path, &json!({ "body": number.to_string() })).await.ok()["event_id"].clone() },
        )
    });
    let mut told = Vec::new();
    for task in at_once.collect::<Vec<_>>() {
        told.push(task.await.unwrap());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    // And after its sender has left the room.
    alice.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    assert_eq!(say(&alice, &room, "txn").await, first);
    let new = alice.put(&format!("{V3}/rooms/{room}/send/m.room.message/new"), &json!({ "body": "x" })).await;
    assert_eq!(outcome(&new), forbidden());
}

#[tokio::test]
async fn power_levels_bind_everybody() {
    let server = people().await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    for version in VERSIONS {
        let room = shared_room(&server, &json!({ "room_version": version, "preset": "private_chat" })).await;
        carol.get(&format!("{V3}/account/whoami")).await.ok();
        let levels = alice.get(&format!("{V3}/rooms/{room}/state/m.room.power_levels/")).await.ok();
        let before = server.contents().await;
        // Bob has no power: no state, no power for himself, no kicks, no bans.
        for (kind, key, content) in [
            ("m.room.topic", "", json!({ "topic": "his" })),
            ("m.room.name", "", json!({ "name": "his" })),
            ("m.room.join_rules", "", json!({ "join_rule": "public" })),
            ("m.room.history_visibility", "", json!({ "history_visibility": "world_readable" })),
            ("m.room.create", "", json!({ "room_version": version })),
            ("m.room.power_levels", "", json!({ "users": { bob.id(): 100 } })),
            ("m.room.tombstone", "", json!({ "body": "", "replacement_room": "!other:localhost" })),
            ("org.example.state", alice.id(), json!({})),
        ] {
            assert_eq!(state(&bob, &room, kind, key, &content).await, forbidden(), "{version}: {kind}");
        }
        for (who, membership) in [
            (alice.id(), "leave"),
            (alice.id(), "ban"),
            (carol.id(), "join"),
            (carol.id(), "ban"),
            (carol.id(), "knock"),
        ] {
            assert_eq!(member(&bob, &room, who, membership).await, forbidden(), "{version}: {who} {membership}");
        }
        let message = json!({ "msgtype": "m.text", "body": "x" });
        let mut higher = levels.clone();
        higher["events"]["m.room.message"] = json!(50);
        higher["users"][bob.id()] = json!(10);
        assert_eq!(before.difference(&server.contents().await), "", "{version}");
        // The creator raises what messages need; from room version 12 on, a creator stands above every level and in none.
        assert_eq!(state(&alice, &room, "m.room.power_levels", "", &higher).await.0, 200, "{version}");
        let told = outcome(&bob.put(&format!("{V3}/rooms/{room}/send/m.room.message/1"), &message).await);
        assert_eq!(told, forbidden(), "{version}");
        let mut with_creator = higher.clone();
        with_creator["users"][alice.id()] = json!(100);
        let told = state(&alice, &room, "m.room.power_levels", "", &with_creator).await;
        assert_eq!(told.0, if version == "12" { 403 } else { 200 }, "{version}: {told:?}");
        // Levels that are no numbers are refused, as text from room version 10 on.
        let mut as_text = higher.clone();
        as_text["users_default"] = json!("10");
        let told = state(&alice, &room, "m.room.power_levels", "", &as_text).await;
        let strict = version.parse::<u32>().unwrap() >= 10;
        assert_eq!(told.0 == 200, !strict, "{version}: {told:?}");
        let mut nonsense = higher.clone();
        nonsense["users"] = json!({ "not a user": 1 });
        assert!(matches!(state(&alice, &room, "m.room.power_levels", "", &nonsense).await.0, 400 | 403), "{version}");
        // Nobody gives more than they have.
        let mut too_much = higher.clone();
        too_much["users"][bob.id()] = json!(50);
        if version == "12" {
            assert_eq!(state(&alice, &room, "m.room.power_levels", "", &too_much).await.0, 200, "{version}");
            too_much["users"][carol.id()] = json!(51);
            assert_eq!(state(&bob, &room, "m.room.power_levels", "", &too_much).await, forbidden(), "{version}");
        }
    }
}

#[tokio::test]
async fn memberships_go_only_where_they_may() {
    let server = people().await;
    let (alice, bob, carol, eve) = (server.user("alice"), server.user("bob"), server.user("carol"), server.user("eve"));
    for version in VERSIONS {
        let room = shared_room(&server, &json!({ "room_version": version })).await;
        let knocks = version.parse::<u32>().unwrap() >= 7;
        // A stranger can make nobody a member, themselves included.
        for (who, membership) in
            [(eve.id(), "join"), (eve.id(), "knock"), (eve.id(), "leave"), (carol.id(), "invite"), (bob.id(), "leave")]
        {
            assert_eq!(member(&eve, &room, who, membership).await, forbidden(), "{version}: {who} {membership}");
        }
        // Nobody joins for another, or with a membership that there is not.
        assert_eq!(member(&alice, &room, eve.id(), "join").await, forbidden(), "{version}");
        for membership in ["", "JOIN", "owner"] {
            let told = member(&alice, &room, alice.id(), membership).await;
            assert!(matches!(told.0, 400 | 403), "{version}: {membership}: {told:?}");
        }
        let told = state(&alice, &room, "m.room.member", alice.id(), &json!({})).await;
        assert!(matches!(told.0, 400 | 403), "{version}: {told:?}");
        for key in ["", "nobody", "@", "@:", "@nobody", "@Alice%20:localhost"] {
            let told = member(&alice, &room, key, "invite").await;
            assert!(matches!(told.0, 400 | 403 | 404), "{version}: `{key}`: {told:?}");
        }
        // Who is banned is neither invited nor let in, and stays banned when they leave.
        assert_eq!(member(&alice, &room, bob.id(), "ban").await.0, 200, "{version}");
        assert_eq!(member(&alice, &room, bob.id(), "invite").await, forbidden(), "{version}");
        for membership in ["join", "leave", "knock"] {
            assert_eq!(member(&bob, &room, bob.id(), membership).await, forbidden(), "{version}: {membership}");
        }
        // Knocking, where there is such a thing, and only under its join rule.
        let rule = state(&alice, &room, "m.room.join_rules", "", &json!({ "join_rule": "knock" })).await;
        assert_eq!(rule.0, 200, "{version}");
        let told = outcome(&eve.post(&format!("{V3}/knock/{room}"), &json!({})).await);
        assert_eq!(told.0, if knocks { 200 } else { 403 }, "{version}: {told:?}");
        assert_eq!(member(&eve, &room, eve.id(), "join").await, forbidden(), "{version}");
    }
}

#[tokio::test]
async fn a_restricted_room_is_for_members_of_others() {
    let server = people().await;
    let (alice, bob, eve) = (server.user("alice"), server.user("bob"), server.user("eve"));
    for version in ["8", "9", "10", "11", "12"] {
        let club = shared_room(&server, &json!({ "room_version": version })).await;
        let rule = json!({ "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": club }] });
        let initial = json!([{ "type": "m.room.join_rules", "state_key": "", "content": rule }]);
        let inner = room(&alice, &json!({ "room_version": version, "initial_state": initial })).await;
        assert_eq!(outcome(&eve.post(&format!("{V3}/join/{inner}"), &json!({})).await), forbidden(), "{version}");
        // Nor by naming somebody who would let them in.
        let forged = json!({ "membership": "join", "join_authorised_via_users_server": alice.id() });
        assert_eq!(state(&eve, &inner, "m.room.member", eve.id(), &forged).await, forbidden(), "{version}");
        bob.post(&format!("{V3}/join/{inner}"), &json!({})).await.ok();
    }
    // Before version 8 the rule means nothing, and nobody comes in by it.
    let club = shared_room(&server, &json!({ "room_version": "7" })).await;
    let rule = json!({ "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": club }] });
    let inner = room(&alice, &json!({ "room_version": "7" })).await;
    if state(&alice, &inner, "m.room.join_rules", "", &rule).await.0 == 200 {
        assert_eq!(outcome(&bob.post(&format!("{V3}/join/{inner}"), &json!({})).await), forbidden());
    }
}

#[tokio::test]
async fn nobody_takes_back_what_others_said() {
    let server = people().await;
    let (alice, bob, eve) = (server.user("alice"), server.user("bob"), server.user("eve"));
    for version in VERSIONS {
        let room = shared_room(&server, &json!({ "room_version": version })).await;
        let elsewhere = shared_room(&server, &json!({ "room_version": version })).await;
        let (hers, his) = (say(&alice, &room, "hers").await, say(&bob, &room, "his").await);
        let other = say(&bob, &elsewhere, "elsewhere").await;
        let redact = async |by: &TestUser, event: &str, txn: &str| {
            outcome(&by.put(&format!("{V3}/rooms/{room}/redact/{event}/{txn}"), &json!({})).await)
        };
        let before = server.contents().await;
        assert_eq!(redact(&bob, &hers, "1").await, forbidden(), "{version}: without the power for it");
        assert_eq!(redact(&eve, &hers, "1").await, forbidden(), "{version}: from outside");
        let missing = (404, "M_NOT_FOUND".to_owned());
        assert_eq!(redact(&bob, &other, "2").await, missing, "{version}: of another room");
        assert_eq!(redact(&bob, "$nothing", "3").await, missing, "{version}: of nothing");
        // The same by the other door.
        let hers_raw = hers.replace("%2F", "/");
        let path = |txn: &str| format!("{V3}/rooms/{room}/send/m.room.redaction/{txn}");
        let told = outcome(&bob.put(&path("4"), &json!({ "redacts": hers_raw })).await);
        assert_eq!(told, forbidden(), "{version}");
        assert_eq!(outcome(&bob.put(&path("5"), &json!({})).await), (400, "M_BAD_JSON".to_owned()), "{version}");
        assert_eq!(before.difference(&server.contents().await), "", "{version}");
        // One's own, by both doors; twice is once.
        let done = bob.put(&path("6"), &json!({ "redacts": his.replace("%2F", "/") })).await.ok();
        assert_eq!(bob.put(&path("6"), &json!({ "redacts": his.replace("%2F", "/") })).await.ok(), done);
        let read = alice.get(&format!("{V3}/rooms/{room}/event/{his}")).await.ok();
        assert!(read["content"].as_object().unwrap().is_empty(), "{version}: {read}");
        // And hers are taken back by her, who may take back everything.
        assert_eq!(redact(&alice, &hers, "7").await.0, 200, "{version}");
        let mine = say(&bob, &room, "again").await;
        assert_eq!(redact(&alice, &mine, "8").await.0, 200, "{version}");
        let read = bob.get(&format!("{V3}/rooms/{room}/event/{mine}")).await.ok();
        assert!(read["content"].as_object().unwrap().is_empty(), "{version}: {read}");
    }
}

#[tokio::test]
async fn requests_for_rooms_are_bounded() {
    let server = people().await;
    let alice = server.user("alice");
    let before = server.contents().await;
    let many: Vec<String> = (0..30_000).map(|number| format!("@user{number}:elsewhere.example")).collect();
    let begun = tokio::time::Instant::now();
    for body in [
        json!({ "invite": many }),
        json!({ "room_alias_name": "x".repeat(255) }),
        json!({ "name": "x".repeat(70_000) }),
        json!({ "topic": "x".repeat(70_000) }),
        json!({ "initial_state": vec![json!({ "type": "m.room.topic", "content": {} }); 20_000] }),
        json!({ "power_level_content_override": { "users": { "no user": 1 } } }),
        json!({ "power_level_content_override": { "ban": "x" } }),
        json!({ "creation_content": { "a": 1.5 } }),
        json!({ "initial_state": [{ "type": "m.room.create", "content": {} }] }),
        json!({ "initial_state": [{ "type": "m.room.member", "state_key": "@carol:localhost", "content": { "membership": "join" } }] }),
        json!({ "invite": ["@nobody:localhost"] }),
    ] {
        let told = outcome(&alice.post(&format!("{V3}/createRoom"), &body).await);
        assert!((400..500).contains(&told.0) && !told.1.is_empty(), "{:.100}: {told:?}", body.to_string());
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    // Names that were given a number keep it.
    let difference = before.difference(&server.contents().await);
    let kept = |line: &&str| !line.starts_with("state_keys:") && !line.starts_with("push_classes:");
    assert_eq!(difference.lines().filter(kept).collect::<Vec<_>>(), Vec::<&str>::new());
}
