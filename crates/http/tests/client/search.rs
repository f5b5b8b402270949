//! Searching what people wrote.

#![expect(clippy::expect_used, reason = "a step of a test that fails ends the test")]

use domicile_app::accounts::rate_limits::{Rate, RateLimitSettings};
use domicile_testkit::server::{Settings, TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

async fn room(by: &TestUser, body: Value) -> String {
    by.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().expect("a room").to_owned()
}

async fn say(by: &TestUser, room: &str, text: &str) -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let txn = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = format!("{V3}/rooms/{room}/send/m.room.message/{txn}");
    let sent = by.put(&path, &json!({ "msgtype": "m.text", "body": text })).await.ok();
    sent["event_id"].as_str().expect("an event").to_owned()
}

async fn search(by: &TestUser, criteria: Value) -> Value {
    let body = json!({ "search_categories": { "room_events": criteria } });
    by.post(&format!("{V3}/search"), &body).await.ok()["search_categories"]["room_events"].clone()
}

/// What was found: the texts of bodies, names and topics, in the order of the answer.
fn texts(found: &Value) -> Vec<&str> {
    let results = found["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    results
        .iter()
        .map(|result| {
            let content = &result["result"]["content"];
            ["body", "name", "topic"].iter().find_map(|key| content[key].as_str()).unwrap_or_default()
        })
        .collect()
}

#[tokio::test]
async fn messages_names_and_topics_are_found() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let body = json!({ "preset": "public_chat", "name": "Cake lovers", "topic": "All about CAKE." });
    let room = room(&alice, body).await;
    let message = say(&alice, &room, "I like cake, and tea").await;
    say(&alice, &room, "I like cakes").await;
    say(&alice, &room, "bread").await;

    let found = search(&alice, json!({ "search_term": "cake", "order_by": "recent" })).await;
    assert_eq!(texts(&found), ["I like cake, and tea", "All about CAKE.", "Cake lovers"]);
    assert_eq!(found["count"], 3);
    assert_eq!(found["highlights"], json!(["cake"]));
    assert_eq!(found["next_batch"], Value::Null);
    assert_eq!(found["results"][0]["result"]["event_id"], message);
    assert_eq!(found["results"][0]["result"]["room_id"], room);
    assert_eq!(found["results"][0].get("context"), None, "context is for who asks for it");
    assert!(found["results"][0]["rank"].as_f64().is_some_and(|rank| rank > 0.0));

    for (term, keys, expected) in [
        ("tea CAKE", json!(null), vec!["I like cake, and tea"]),
        ("cake", json!(["content.name"]), vec!["Cake lovers"]),
        ("cake", json!(["content.topic"]), vec!["All about CAKE."]),
        ("cake", json!(["content.body"]), vec!["I like cake, and tea"]),
        ("cak", json!(null), vec![]),
        ("cake unicorn", json!(null), vec![]),
        ("", json!(null), vec![]),
        ("\" OR NEAR( * r1 'x' & | ! <->", json!(null), vec![]),
    ] {
        let mut criteria = json!({ "search_term": term });
        if keys.is_array() {
            criteria["keys"] = keys;
        }
        assert_eq!(texts(&search(&alice, criteria).await), expected, "{term}");
    }
    let nothing = alice.post(&format!("{V3}/search"), &json!({ "search_categories": {} })).await.ok();
    assert_eq!(nothing, json!({ "search_categories": {} }));
}

#[tokio::test]
async fn the_best_come_first_and_pages_lose_nothing() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let room = room(&alice, json!({ "preset": "public_chat" })).await;
    say(&alice, &room, "cake").await;
    for number in 0..25 {
        say(&alice, &room, &format!("cake with many other words behind it, number {number}")).await;
    }
    let found = search(&alice, json!({ "search_term": "cake" })).await;
    assert_eq!((texts(&found).len(), texts(&found)[0]), (10, "cake"), "rank is the order when none is named");
    for order in ["rank", "recent"] {
        let mut all = Vec::new();
        let mut path = format!("{V3}/search");
        for _ in 0..10 {
            let criteria = json!({ "search_term": "cake", "order_by": order, "filter": { "limit": 7 } });
            let body = json!({ "search_categories": { "room_events": criteria } });
            let found = alice.post(&path, &body).await.ok()["search_categories"]["room_events"].clone();
            all.extend(texts(&found).into_iter().map(str::to_owned));
            // What is written meanwhile is not in the later pages.
            say(&alice, &room, "cake").await;
            match found["next_batch"].as_str() {
                Some(next) => path = format!("{V3}/search?next_batch={next}"),
                None => break,
            }
        }
        let before = if order == "rank" { 26 } else { 30 };
        assert_eq!(all.len(), before, "{order}: {all:?}");
    }
    let body = json!({ "search_categories": { "room_events": { "search_term": "cake" } } });
    alice.post(&format!("{V3}/search?next_batch=x"), &body).await.fails(400, "M_INVALID_PARAM");
}

#[tokio::test]
async fn only_what_one_may_see_is_found() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    let state = json!({ "type": "m.room.history_visibility", "content": { "history_visibility": "joined" } });
    let room = room(&alice, json!({ "preset": "public_chat", "initial_state": [state] })).await;
    say(&alice, &room, "secret before").await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    say(&alice, &room, "secret during").await;
    bob.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    say(&alice, &room, "secret after").await;
    let found = search(&bob, json!({ "search_term": "secret", "event_context": {}, "include_state": true })).await;
    assert_eq!(texts(&found), ["secret during"]);
    assert_eq!(found["count"], 1, "the number tells nothing of the rest either");
    let context = found["results"][0]["context"].to_string();
    assert!(!context.contains("secret before") && !context.contains("secret after"), "{context}");
    assert!(texts(&search(&carol, json!({ "search_term": "secret" })).await).is_empty());
    assert_eq!(texts(&search(&alice, json!({ "search_term": "secret" })).await).len(), 3);
    let ignored = format!("{V3}/user/{}/account_data/m.ignored_user_list", bob.id());
    bob.put(&ignored, &json!({ "ignored_users": { "@alice:localhost": {} } })).await.ok();
    assert!(texts(&search(&bob, json!({ "search_term": "secret" })).await).is_empty());
    let forgotten = format!("{V3}/rooms/{room}/forget");
    bob.put(&ignored, &json!({ "ignored_users": {} })).await.ok();
    bob.post(&forgotten, &json!({})).await.ok();
    assert!(texts(&search(&bob, json!({ "search_term": "secret" })).await).is_empty(), "a forgotten room");
}

#[tokio::test]
async fn encrypted_rooms_and_redacted_messages_are_not_searched() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let encrypted = room(&alice, json!({ "preset": "private_chat" })).await;
    say(&alice, &encrypted, "plain cake in an encrypted room").await;
    let open = room(&alice, json!({ "preset": "public_chat" })).await;
    let redacted = say(&alice, &open, "cake that is gone").await;
    say(&alice, &open, "cake that stays").await;
    alice.put(&format!("{V3}/rooms/{open}/redact/{redacted}/r"), &json!({})).await.ok();
    let later = room(&alice, json!({ "preset": "public_chat" })).await;
    say(&alice, &later, "cake in a room that is encrypted later").await;
    let criteria = json!({ "search_term": "cake", "order_by": "recent" });
    assert_eq!(texts(&search(&alice, criteria.clone()).await).len(), 2);
    let algorithm = json!({ "algorithm": "m.megolm.v1.aes-sha2" });
    alice.put(&format!("{V3}/rooms/{later}/state/m.room.encryption"), &algorithm).await.ok();
    assert_eq!(texts(&search(&alice, criteria).await), ["cake that stays"]);
}

/// How many events the index has by a query, whoever may see them.
async fn indexed(server: &TestServer, query: &'static str) -> usize {
    let found = server
        .store
        .read(move |snapshot| async move { Ok::<_, domicile_app::Error>(snapshot.query(query, &[]).await?.len()) });
    found.await.expect("the index can be read")
}

const CAKE: &str = "SELECT rowid FROM event_texts WHERE MATCHES('bcake')";
const BREAD: &str = "SELECT rowid FROM event_texts WHERE MATCHES('bbread')";

#[tokio::test]
async fn words_go_into_the_index_behind_the_messages() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let open = room(&alice, json!({ "preset": "public_chat" })).await;
    let encrypted = room(&alice, json!({ "preset": "private_chat" })).await;
    let (early, late) = (say(&alice, &open, "early cake").await, say(&alice, &open, "late cake").await);
    say(&alice, &encrypted, "encrypted cake").await;
    alice.put(&format!("{V3}/rooms/{open}/redact/{early}/1"), &json!({})).await.ok();
    assert_eq!(indexed(&server, CAKE).await, 0, "not on the way of the message");
    server.services.search.index_new_words().await.expect("a round");
    assert_eq!(indexed(&server, CAKE).await, 1, "neither what was redacted before nor what is in an encrypted room");
    server.services.search.index_new_words().await.expect("a round");
    alice.put(&format!("{V3}/rooms/{open}/redact/{late}/2"), &json!({})).await.ok();
    assert_eq!(indexed(&server, CAKE).await, 0, "what is redacted is out at once");

    for number in 0..600 {
        say(&alice, &open, &format!("bread {number}")).await;
    }
    // A process that is killed loses its notes, and the next finds what is left.
    server.services.sender.rooms().take_noted(|_| true);
    let restarted = domicile_app::search::Search::new(&server.services.room_reader);
    restarted.index_new_words().await.expect("the first round");
    assert_eq!(indexed(&server, BREAD).await, 600);
    restarted.index_new_words().await.expect("another round");
    assert_eq!(indexed(&server, BREAD).await, 600);
    let found = search(&alice, json!({ "search_term": "bread 17" })).await;
    assert_eq!(texts(&found), ["bread 17"]);
}

#[tokio::test]
async fn filters_groups_context_and_state() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let first = room(&alice, json!({ "preset": "public_chat" })).await;
    let second = room(&alice, json!({ "preset": "public_chat" })).await;
    bob.post(&format!("{V3}/join/{first}"), &json!({})).await.ok();
    say(&alice, &first, "before").await;
    let alices = say(&alice, &first, "cake of alice").await;
    say(&alice, &first, "after").await;
    let bobs = say(&bob, &first, "cake of bob").await;
    let other = say(&alice, &second, "cake elsewhere").await;
    let with = async |extra: Value| {
        let mut criteria = json!({ "search_term": "cake", "order_by": "recent" });
        let extra = extra.as_object().expect("an object").clone();
        criteria.as_object_mut().expect("an object").extend(extra);
        search(&alice, criteria).await
    };
    assert_eq!(texts(&with(json!({ "filter": { "rooms": [second] } })).await), ["cake elsewhere"]);
    assert_eq!(texts(&with(json!({ "filter": { "not_rooms": [second] } })).await), ["cake of bob", "cake of alice"]);
    assert_eq!(texts(&with(json!({ "filter": { "senders": [bob.id()] } })).await), ["cake of bob"]);
    assert_eq!(texts(&with(json!({ "filter": { "types": ["m.room.topic"] } })).await), Vec::<&str>::new());
    assert_eq!(texts(&with(json!({ "filter": { "limit": 1 } })).await), ["cake elsewhere"]);

    let groups = json!({ "groupings": { "group_by": [{ "key": "room_id" }, { "key": "sender" }] } });
    let groups = with(groups).await["groups"].clone();
    assert_eq!(groups["room_id"][&first]["results"], json!([bobs, alices]));
    assert_eq!(groups["room_id"][&second]["results"], json!([other]));
    assert_eq!(groups["room_id"][&first]["order"], 1);
    assert_eq!(groups["sender"][bob.id()]["results"], json!([bobs]));

    let wanted = json!({
        "filter": { "rooms": [first], "senders": [alice.id()] }, "include_state": true,
        "event_context": { "before_limit": 1, "after_limit": 1, "include_profile": true },
    });
    let found = with(wanted).await;
    let context = &found["results"][0]["context"];
    assert_eq!(context["events_before"][0]["content"]["body"], "before");
    assert_eq!(context["events_after"][0]["content"]["body"], "after");
    assert!(context["profile_info"][alice.id()].is_object());
    let start = context["start"].as_str().expect("a token");
    alice.get(&format!("{V3}/rooms/{first}/messages?dir=b&from={start}")).await.ok();
    assert!(found["state"][&first].to_string().contains("m.room.create"));
    assert_eq!(found["state"].as_object().map(serde_json::Map::len), Some(1));
}

#[tokio::test]
async fn nonsense_strangers_and_haste_are_refused() {
    let rate_limits =
        RateLimitSettings { searches: Some(Rate { per_second: 0.1, burst: 5 }), ..RateLimitSettings::default() };
    let server =
        TestServer::with_settings(Settings { rate_limits, ..Settings::default() }).await.with_user("alice").await;
    let alice = server.user("alice");
    let path = format!("{V3}/search");
    let ask = |criteria: Value| json!({ "search_categories": { "room_events": criteria } });
    let term = json!({ "search_term": "x" });
    server.anonymous().post(&path, &ask(term.clone())).await.fails(401, "M_MISSING_TOKEN");
    alice.post(&path, &json!({})).await.fails(400, "M_BAD_JSON");
    alice.post(&path, &ask(json!({}))).await.fails(400, "M_BAD_JSON");
    alice.post(&path, &ask(json!({ "search_term": "x", "keys": ["content.x"] }))).await.fails(400, "M_INVALID_PARAM");
    alice.post(&path, &ask(json!({ "search_term": "x", "order_by": "x" }))).await.fails(400, "M_INVALID_PARAM");
    let group = json!({ "search_term": "x", "groupings": { "group_by": [{ "key": "x" }] } });
    alice.post(&path, &ask(group)).await.fails(400, "M_INVALID_PARAM");
    let words = (0..10_000).map(|number| number.to_string()).collect::<Vec<_>>().join(" ");
    alice.post(&path, &ask(json!({ "search_term": words }))).await.ok();
    alice.post(&path, &ask(term.clone())).await.ok();
    alice.post(&path, &ask(term)).await.fails(429, "M_LIMIT_EXCEEDED");
}
