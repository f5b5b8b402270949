//! Events that point at events: the children of one, threads, and what is told about children with their parents.

#![expect(clippy::expect_used, reason = "a step of a test that fails ends the test")]

use domicile_testkit::server::{TestServer, TestUser};
use serde_json::{Value, json};

const V1: &str = "/_matrix/client/v1";
const V3: &str = "/_matrix/client/v3";

/// A room of Alice's in which Bob is too, that anybody may read back to its beginning once they are in it.
async fn room(alice: &TestUser, others: &[&TestUser]) -> String {
    let made = alice.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
    let room = made["room_id"].as_str().expect("a room").to_owned();
    for other in others {
        other.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    }
    room
}

async fn send_as(by: &TestUser, room: &str, kind: &str, content: Value) -> String {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let txn = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = format!("{V3}/rooms/{room}/send/{kind}/{txn}");
    by.put(&path, &content).await.ok()["event_id"].as_str().expect("an event").to_owned()
}

async fn say(by: &TestUser, room: &str, text: &str) -> String {
    send_as(by, room, "m.room.message", json!({ "msgtype": "m.text", "body": text })).await
}

fn pointing(rel_type: &str, parent: &str, text: &str) -> Value {
    json!({ "msgtype": "m.text", "body": text, "m.relates_to": { "rel_type": rel_type, "event_id": parent } })
}

async fn reply(by: &TestUser, room: &str, root: &str, text: &str) -> String {
    send_as(by, room, "m.room.message", pointing("m.thread", root, text)).await
}

async fn edit(by: &TestUser, room: &str, original: &str, text: &str) -> String {
    let mut content = pointing("m.replace", original, text);
    content["m.new_content"] = json!({ "msgtype": "m.text", "body": text });
    send_as(by, room, "m.room.message", content).await
}

async fn redact(by: &TestUser, room: &str, event: &str) {
    by.put(&format!("{V3}/rooms/{room}/redact/{event}/r{event}"), &json!({})).await.ok();
}

fn ids(events: &Value) -> Vec<&str> {
    events.as_array().expect("a list").iter().map(|event| event["event_id"].as_str().expect("an id")).collect()
}

async fn event(by: &TestUser, room: &str, event: &str) -> Value {
    by.get(&format!("{V3}/rooms/{room}/event/{event}")).await.ok()
}

fn bundle(event: &Value) -> &Value {
    &event["unsigned"]["m.relations"]
}

#[tokio::test]
async fn children_are_listed_filtered_and_paged() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, &[&bob]).await;
    let parent = say(&alice, &room, "parent").await;
    let first = reply(&bob, &room, &parent, "one").await;
    let second = reply(&bob, &room, &parent, "two").await;
    let like = json!({ "m.relates_to": { "rel_type": "m.annotation", "event_id": parent, "key": "+1" } });
    let like = send_as(&bob, &room, "m.reaction", like).await;
    say(&alice, &room, "beside").await;
    let path = format!("{V1}/rooms/{room}/relations/{parent}");

    let all = bob.get(&path).await.ok();
    assert_eq!(ids(&all["chunk"]), [&*like, &*second, &*first], "the newest first");
    assert_eq!(
        (&all["next_batch"], &all["prev_batch"], &all["recursion_depth"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(all["chunk"][0]["room_id"], *room);
    assert_eq!(ids(&bob.get(&format!("{path}?dir=f")).await.ok()["chunk"]), [&*first, &*second, &*like]);
    assert_eq!(ids(&bob.get(&format!("{path}/m.thread")).await.ok()["chunk"]), [&*second, &*first]);
    assert_eq!(ids(&bob.get(&format!("{path}/m.annotation/m.reaction")).await.ok()["chunk"]), [&*like]);
    assert!(ids(&bob.get(&format!("{path}/m.annotation/m.room.message")).await.ok()["chunk"]).is_empty());
    assert!(ids(&bob.get(&format!("{V1}/rooms/{room}/relations/{first}")).await.ok()["chunk"]).is_empty());

    let page = bob.get(&format!("{path}?limit=2")).await.ok();
    assert_eq!(ids(&page["chunk"]), [&*like, &*second]);
    let next = page["next_batch"].as_str().expect("more");
    let rest = bob.get(&format!("{path}?limit=2&from={next}")).await.ok();
    assert_eq!((ids(&rest["chunk"]), &rest["next_batch"]), (vec![&*first], &Value::Null));
    assert_eq!(rest["prev_batch"], next);
    let none = bob.get(&format!("{path}?from={next}&to={next}")).await.ok();
    assert!(ids(&none["chunk"]).is_empty());
    let exact = bob.get(&format!("{path}?limit=3")).await.ok();
    assert_eq!(exact["next_batch"], Value::Null, "all of them fitted");

    redact(&bob, &room, &second).await;
    assert_eq!(ids(&bob.get(&path).await.ok()["chunk"]), [&*like, &*first], "a redacted event points nowhere");
}

#[tokio::test]
async fn children_of_children_are_found_to_a_depth_and_over_what_the_filter_has() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let room = room(&alice, &[]).await;
    let root = say(&alice, &room, "root").await;
    let mut chain = vec![root.clone()];
    for depth in 1..=4 {
        let parent = chain.last().expect("a parent").clone();
        let content = pointing("m.reference", &parent, &depth.to_string());
        chain.push(send_as(&alice, &room, "m.room.message", content).await);
    }
    let path = format!("{V1}/rooms/{room}/relations/{root}");
    let direct = alice.get(&path).await.ok();
    assert_eq!(ids(&direct["chunk"]), [&*chain[1]]);
    let deep = alice.get(&format!("{path}?recurse=true")).await.ok();
    assert_eq!(ids(&deep["chunk"]), [&*chain[3], &*chain[2], &*chain[1]]);
    assert_eq!(deep["recursion_depth"], 3);
    let paged = alice.get(&format!("{path}?recurse=true&limit=2&dir=f")).await.ok();
    assert_eq!(ids(&paged["chunk"]), [&*chain[1], &*chain[2]]);
    let next = paged["next_batch"].as_str().expect("more");
    let rest = alice.get(&format!("{path}?recurse=true&limit=2&dir=f&from={next}")).await.ok();
    assert_eq!((ids(&rest["chunk"]), &rest["next_batch"]), (vec![&*chain[3]], &Value::Null));
    let thread = send_as(&alice, &room, "m.room.message", pointing("m.x", &chain[1], "x")).await;
    let filtered = alice.get(&format!("{path}/m.x?recurse=true")).await.ok();
    assert!(ids(&filtered["chunk"]).is_empty(), "{thread} hangs on an event that the filter does not have");
}

#[tokio::test]
async fn children_are_shown_to_those_who_may_see_them() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    let room = room(&alice, &[&bob]).await;
    let parent = say(&alice, &room, "parent").await;
    let seen = reply(&alice, &room, &parent, "seen").await;
    bob.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    let unseen = reply(&alice, &room, &parent, "unseen").await;
    edit(&alice, &room, &parent, "unseen too").await;
    let path = format!("{V1}/rooms/{room}/relations/{parent}");
    let left = bob.get(&path).await.ok();
    assert_eq!(ids(&left["chunk"]), [&*seen]);
    let shown = event(&bob, &room, &parent).await;
    assert_eq!(bundle(&shown)["m.replace"], Value::Null, "edits after the leaving");
    assert_eq!(bundle(&shown)["m.thread"]["latest_event"]["event_id"], *seen);
    assert_eq!(bundle(&shown)["m.thread"]["count"], 1);
    assert_eq!(ids(&alice.get(&path).await.ok()["chunk"])[1], unseen);

    carol.get(&path).await.fails(404, "M_NOT_FOUND");
    carol.get(&format!("{V1}/rooms/!none:localhost/relations/{parent}")).await.fails(404, "M_NOT_FOUND");
    carol.get(&format!("{V1}/rooms/{room}/threads")).await.fails(403, "M_FORBIDDEN");
    carol.get(&format!("{V1}/rooms/!none:localhost/threads")).await.fails(403, "M_FORBIDDEN");
    alice.get(&format!("{V1}/rooms/{room}/relations/$none")).await.fails(404, "M_NOT_FOUND");
    alice.get(&format!("{path}?from=nonsense")).await.fails(400, "M_INVALID_PARAM");
    alice.get(&format!("{path}?limit=x")).await.fails(400, "M_INVALID_PARAM");
    let nobody = server.anonymous();
    for path in [path, format!("{V1}/rooms/{room}/threads")] {
        nobody.get(&path).await.fails(401, "M_MISSING_TOKEN");
    }
}

#[tokio::test]
async fn the_newest_valid_edit_comes_with_its_message() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, &[&bob]).await;
    let original = say(&alice, &room, "original").await;
    assert_eq!(*bundle(&event(&bob, &room, &original).await), Value::Null);
    let first = edit(&alice, &room, &original, "first").await;
    server.clock.advance(1_000);
    let second = edit(&alice, &room, &original, "second").await;
    server.clock.advance(1_000);
    edit(&bob, &room, &original, "not his").await;
    edit(&alice, &room, &second, "an edit of an edit").await;
    send_as(&alice, &room, "m.room.message", pointing("m.replace", &original, "without new content")).await;
    let mut other_type = pointing("m.replace", &original, "another type");
    other_type["m.new_content"] = json!({});
    send_as(&alice, &room, "m.x", other_type).await;

    let shown = event(&bob, &room, &original).await;
    assert_eq!(shown["content"]["body"], "original", "the content stays as it was");
    assert_eq!(bundle(&shown)["m.replace"]["event_id"], *second);
    assert_eq!(bundle(&shown)["m.replace"]["content"]["m.new_content"]["body"], "second");
    assert_eq!(bundle(&shown)["m.replace"]["room_id"], *room);
    assert_eq!(*bundle(&event(&bob, &room, &second).await), Value::Null, "an edit has no edits");

    redact(&alice, &room, &second).await;
    assert_eq!(bundle(&event(&bob, &room, &original).await)["m.replace"]["event_id"], *first);
    redact(&alice, &room, &original).await;
    assert_eq!(bundle(&event(&bob, &room, &original).await)["m.replace"], Value::Null);
}

#[tokio::test]
async fn of_edits_in_one_millisecond_the_greatest_id_is_the_newest() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let room = room(&alice, &[]).await;
    let original = say(&alice, &room, "original").await;
    let mut edits = Vec::new();
    for number in 0..6 {
        edits.push(edit(&alice, &room, &original, &number.to_string()).await);
    }
    let newest = edits.iter().max().expect("edits");
    assert_eq!(bundle(&event(&alice, &room, &original).await)["m.replace"]["event_id"], **newest);
}

#[tokio::test]
async fn threads_and_references_are_told_with_their_roots_everywhere() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, &[&bob]).await;
    let root = say(&alice, &room, "root").await;
    reply(&alice, &room, &root, "one").await;
    let latest = reply(&alice, &room, &root, "two").await;
    let edited = edit(&alice, &room, &latest, "two, edited").await;
    let referring = send_as(&bob, &room, "m.room.message", pointing("m.reference", &root, "see there")).await;

    let check = |shown: &Value, participated: bool, has_room: bool| {
        let told = bundle(shown);
        assert_eq!(told["m.thread"]["count"], 2, "{shown}");
        assert_eq!(told["m.thread"]["current_user_participated"], participated);
        assert_eq!(told["m.thread"]["latest_event"]["event_id"], *latest);
        assert_eq!(told["m.thread"]["latest_event"]["room_id"].is_string(), has_room);
        assert_eq!(bundle(&told["m.thread"]["latest_event"])["m.replace"]["event_id"], *edited);
        assert_eq!(told["m.reference"], json!({ "chunk": [{ "event_id": referring }] }));
        assert!(shown["unsigned"]["age"].is_number());
    };
    check(&event(&alice, &room, &root).await, true, true);
    check(&event(&bob, &room, &root).await, false, true);
    let of = |events: &Value| {
        let events = events.as_array().expect("a list");
        events.iter().find(|event| event["event_id"] == *root).cloned().expect("the root")
    };
    let messages = bob.get(&format!("{V3}/rooms/{room}/messages?dir=b&limit=20")).await.ok();
    check(&of(&messages["chunk"]), false, true);
    let threads = bob.get(&format!("{V1}/rooms/{room}/threads")).await.ok();
    check(&of(&threads["chunk"]), false, true);
    let filter = "%7B%22room%22%3A%7B%22timeline%22%3A%7B%22limit%22%3A5%7D%7D%7D";
    let synced = bob.get(&format!("{V3}/sync?filter={filter}")).await.ok();
    let timeline = &synced["rooms"]["join"][&room]["timeline"];
    assert_eq!(timeline["limited"], true);
    check(&of(&timeline["events"]), false, false);
    let window = json!({ "lists": { "a": { "ranges": [[0, 9]], "timeline_limit": 5, "required_state": [] } } });
    let path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
    let slid = bob.post(path, &window).await.ok();
    check(&of(&slid["rooms"][&room]["timeline"]), false, false);

    reply(&bob, &room, &root, "three").await;
    let shown = event(&bob, &room, &root).await;
    assert_eq!(bundle(&shown)["m.thread"]["count"], 3);
    assert_eq!(bundle(&shown)["m.thread"]["current_user_participated"], true);
}

#[tokio::test]
async fn whoever_is_up_to_date_is_told_of_no_children() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let room = room(&alice, &[]).await;
    let start = alice.get(&format!("{V3}/sync")).await.ok();
    let root = say(&alice, &room, "root").await;
    reply(&alice, &room, &root, "one").await;
    let since = start["next_batch"].as_str().expect("a token");
    let next = alice.get(&format!("{V3}/sync?since={since}")).await.ok();
    let events = next["rooms"]["join"][&room]["timeline"]["events"].as_array().expect("events").clone();
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|event| *bundle(event) == Value::Null), "they are both here: {events:?}");
}

#[tokio::test]
async fn threads_are_listed_by_their_newest_reply() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let room = room(&alice, &[&bob]).await;
    let path = format!("{V1}/rooms/{room}/threads");
    assert!(ids(&alice.get(&path).await.ok()["chunk"]).is_empty());
    let mut roots = Vec::new();
    for number in 0..3 {
        roots.push(say(&alice, &room, &number.to_string()).await);
    }
    for root in &roots {
        reply(&alice, &room, root, "reply").await;
    }
    let bump = reply(&bob, &room, &roots[0], "again").await;
    let expected = [&*roots[0], &*roots[2], &*roots[1]];
    assert_eq!(ids(&bob.get(&path).await.ok()["chunk"]), expected);
    let page = bob.get(&format!("{path}?limit=2")).await.ok();
    assert_eq!(ids(&page["chunk"]), expected[..2]);
    let next = page["next_batch"].as_str().expect("more");
    let rest = bob.get(&format!("{path}?limit=2&from={next}")).await.ok();
    assert_eq!((ids(&rest["chunk"]), &rest["next_batch"]), (vec![expected[2]], &Value::Null));
    let mine = bob.get(&format!("{path}?include=participated")).await.ok();
    assert_eq!(ids(&mine["chunk"]), [&*roots[0]]);
    assert_eq!(ids(&alice.get(&format!("{path}?include=participated")).await.ok()["chunk"]).len(), 3);
    bob.get(&format!("{path}?include=some")).await.fails(400, "M_INVALID_PARAM");
    bob.get(&format!("{path}?from=x")).await.fails(400, "M_INVALID_PARAM");

    redact(&bob, &room, &bump).await;
    let expected = [&*roots[2], &*roots[1], &*roots[0]];
    assert_eq!(ids(&bob.get(&path).await.ok()["chunk"]), expected, "as if there had been no reply");
    let last = ids(&bob.get(&format!("{V1}/rooms/{room}/relations/{}", roots[1])).await.ok()["chunk"])[0].to_owned();
    redact(&alice, &room, &last).await;
    assert_eq!(ids(&bob.get(&path).await.ok()["chunk"]), [&*roots[2], &*roots[0]], "a thread without replies is none");
}

#[tokio::test]
async fn a_thread_begins_at_no_event_that_points_at_another() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let room = room(&alice, &[]).await;
    let root = say(&alice, &room, "root").await;
    let inner = reply(&alice, &room, &root, "reply").await;
    let path = format!("{V3}/rooms/{room}/send/m.room.message/nested");
    alice.put(&path, &pointing("m.thread", &inner, "nested")).await.fails(400, "M_UNKNOWN");
    for odd in [
        json!({ "rel_type": "a\u{0}b", "event_id": root }),
        json!({ "rel_type": "x".repeat(3_000), "event_id": root }),
        json!({ "rel_type": 7, "event_id": root }),
        json!({ "rel_type": "m.thread", "event_id": "nonsense" }),
        json!("m.thread"),
    ] {
        send_as(&alice, &room, "m.room.message", json!({ "m.relates_to": odd })).await;
    }
    let children = alice.get(&format!("{V1}/rooms/{room}/relations/{root}")).await.ok();
    assert_eq!(ids(&children["chunk"]), [&*inner], "what is no relation relates nothing");
}

#[tokio::test]
async fn people_who_are_ignored_are_in_no_summary() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    let room = room(&alice, &[&bob, &carol]).await;
    let (own, bobs) = (say(&alice, &room, "root").await, say(&bob, &room, "bob's").await);
    let kept = reply(&carol, &room, &own, "kept").await;
    reply(&bob, &room, &own, "ignored").await;
    reply(&bob, &room, &bobs, "ignored").await;
    reply(&carol, &room, &bobs, "kept").await;
    send_as(&bob, &room, "m.room.message", pointing("m.reference", &own, "ignored")).await;
    let path = format!("{V3}/user/{}/account_data/m.ignored_user_list", alice.id());
    alice.put(&path, &json!({ "ignored_users": { "@bob:localhost": {}, "@nobody:localhost": {} } })).await.ok();

    let shown = event(&alice, &room, &own).await;
    assert_eq!(bundle(&shown)["m.thread"]["count"], 1);
    assert_eq!(bundle(&shown)["m.thread"]["latest_event"]["event_id"], *kept);
    assert_eq!(bundle(&shown)["m.reference"], Value::Null);
    let threads = alice.get(&format!("{V1}/rooms/{room}/threads")).await.ok();
    assert_eq!(ids(&threads["chunk"]), [&*bobs, &*own]);
    assert_eq!(threads["chunk"][0]["content"], json!({}), "a root by somebody ignored is shown as if redacted");
    assert_eq!(bundle(&event(&carol, &room, &own).await)["m.thread"]["count"], 2, "others see all of it");
}

#[tokio::test]
async fn whoever_comes_sees_in_a_timeline_what_the_room_shows_them() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let visibility = json!({ "type": "m.room.history_visibility", "content": { "history_visibility": "joined" } });
    let body = json!({ "preset": "public_chat", "initial_state": [visibility] });
    let made = alice.post(&format!("{V3}/createRoom"), &body).await.ok();
    let room = made["room_id"].as_str().expect("a room");
    say(&alice, room, "before").await;
    bob.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    say(&alice, room, "after").await;
    let synced = bob.get(&format!("{V3}/sync")).await.ok();
    let timeline = synced["rooms"]["join"][room]["timeline"]["events"].to_string();
    assert!(timeline.contains("after") && !timeline.contains("before"), "{timeline}");
    let window = json!({ "lists": { "a": { "ranges": [[0, 9]], "timeline_limit": 20, "required_state": [] } } });
    let slid = bob.post("/_matrix/client/unstable/org.matrix.simplified_msc3575/sync", &window).await.ok();
    let timeline = slid["rooms"][room]["timeline"].to_string();
    assert!(timeline.contains("after") && !timeline.contains("before"), "{timeline}");
}
