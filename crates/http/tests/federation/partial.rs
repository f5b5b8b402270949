//! Rooms that are joined before all of their members are known.

use std::{collections::BTreeSet, time::Duration};

use domicile_testkit::{
    server::{Settings, TestServer, TestUser},
    tap::{Answer, Place, Tap, TapRoom},
};
use ruma::RoomId;
use serde_json::{Value, json};

use crate::pair::{V3, next};

/// Members of the tap's room beside `eve`.
const MEMBERS: usize = 20;
/// Paths at which the whole state is asked for.
const STATE: [&str; 2] = ["/_matrix/federation/v1/state_ids/", "/_matrix/federation/v1/state/"];
const LAZY: &str = "%7B%22room%22%3A%7B%22state%22%3A%7B%22lazy_load_members%22%3Atrue%7D%7D%7D";

/// A room of the tap with many members, encrypted.
fn crowded(tap: &Tap) -> TapRoom {
    let room = tap.room("12");
    for number in 0..MEMBERS {
        room.member(&format!("m{number}"), "join");
    }
    room.state("eve", "m.room.name", "", &json!({ "name": "crowd" }));
    room.state("eve", "m.room.encryption", "", &json!({ "algorithm": "m.megolm.v1.aes-sha2" }));
    room
}

/// The tap does not tell the whole state.
fn hide_state(tap: &Tap) {
    for path in STATE {
        tap.script(path, |_| Answer::Status(503, json!({ "errcode": "M_UNKNOWN", "error": "later" })));
    }
}

async fn join(by: &TestUser, room: &TapRoom, tap: &Tap) {
    by.post(&format!("{V3}/join/{}?via={}", room.room_id(), tap.name()), &json!({})).await.ok();
}

async fn sync(by: &TestUser, since: &str, lazy: bool) -> Value {
    let since = if since.is_empty() { String::new() } else { format!("&since={since}") };
    let filter = if lazy { format!("&filter={LAZY}") } else { String::new() };
    by.get(&format!("{V3}/sync?timeout=0{since}{filter}")).await.ok()
}

/// The room's members have their turn again.
async fn again(server: &TestServer) {
    server.clock.advance(3_600_000);
    server.completion.begin_due().await.unwrap();
}

async fn is_whole(server: &TestServer) -> bool {
    server.completion.rooms().await.unwrap().is_empty()
}

async fn wait_until_whole(server: &TestServer) {
    for _ in 0..1_500 {
        if is_whole(server).await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the room did not become whole: {:?}", server.completion.rooms().await);
}

/// Waits until a timeline shows all of some messages; the answer that does.
async fn wait_for(by: &TestUser, since: &str, room_id: &RoomId, wanted: &[&str]) -> Value {
    for _ in 0..1_500 {
        let shown = sync(by, since, true).await;
        let seen = bodies(&shown["rooms"]["join"][room_id.as_str()]["timeline"]["events"]);
        if wanted.iter().all(|body| seen.contains(body)) {
            return shown;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{wanted:?} are not shown");
}

/// State keys of the member events among events.
fn members(events: &Value) -> BTreeSet<String> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    let members = events.iter().filter(|event| event["type"] == "m.room.member");
    members.filter_map(|event| event["state_key"].as_str().map(str::to_owned)).collect()
}

fn bodies(events: &Value) -> Vec<&str> {
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    events.iter().filter_map(|event| event["content"]["body"].as_str()).collect()
}

/// Everybody in the tap's room.
fn everybody(tap: &Tap, alice: &TestUser) -> BTreeSet<String> {
    let theirs = (0..MEMBERS).map(|number| tap.user(&format!("m{number}")).to_string());
    theirs.chain([tap.user("eve").to_string(), alice.id().to_owned()]).collect()
}

#[tokio::test]
async fn a_room_is_used_while_its_members_are_fetched() {
    let settings = Settings { tells: true, ..Settings::default() };
    let (tap, server) = (Tap::start().await, TestServer::federating_with(settings).await.with_user("alice").await);
    let (room, alice) = (crowded(&tap), server.user("alice"));
    let room_id = room.room_id();
    let (eager, lazy) = (next(&sync(&alice, "", false).await), next(&sync(&alice, "", true).await));
    hide_state(&tap);
    join(&alice, &room, &tap).await;
    assert!(!is_whole(&server).await);

    // Who loads members lazily sees the room; who wants all members does not see it yet.
    let shown = sync(&alice, &lazy, true).await;
    let lazy = next(&shown);
    let shown = &shown["rooms"]["join"][room_id.as_str()];
    assert!(shown["summary"]["m.joined_member_count"].as_u64() >= Some(2), "{shown}");
    let state = shown["state"]["events"].as_array().unwrap();
    assert!(state.iter().any(|event| event["type"] == "m.room.encryption"), "{shown}");
    assert!(sync(&alice, &eager, false).await["rooms"]["join"].get(room_id.as_str()).is_none());
    let sliding = json!({ "lists": { "all": { "ranges": [[0, 9]], "timeline_limit": 5, "required_state": [["m.room.member", "$LAZY"]] } } });
    let path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync?timeout=0";
    let answer = alice.post(path, &sliding).await.ok();
    assert!(answer["rooms"].get(room_id.as_str()).is_some(), "{answer}");
    let sliding = json!({ "conn_id": "b", "lists": { "all": { "ranges": [[0, 9]], "timeline_limit": 5, "required_state": [["m.room.member", "*"]] } } });
    let answer = alice.post(path, &sliding).await.ok();
    assert!(answer["rooms"].get(room_id.as_str()).is_none(), "{answer}");

    // We speak, and those who are said to be in the room hear it.
    let path = format!("{V3}/rooms/{room_id}/send/m.room.message/t1");
    alice.put(&path, &json!({ "msgtype": "m.text", "body": "from here" })).await.ok();
    let heard = async || {
        for _ in 0..1_500 {
            if tap
                .heard()
                .iter()
                .any(|heard| heard.path.contains("/send/") && heard.body.to_string().contains("from here"))
            {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    };
    assert!(heard().await, "the server of the room is told");

    // Somebody of whom nothing is known speaks: after our join, and beside it.
    let before_join = room.answers().0["pdu_ids"].clone();
    assert!(before_join.as_array().unwrap().len() > MEMBERS);
    let after = room.message("m5", "after the join");
    let named = room.before_ends_of(alice.id());
    let beside = room.placed("m6", "beside the join", |place| place.prev_events = named);
    let chain = room.auth_answer(&["m5", "m6"]);
    tap.script("/_matrix/federation/v1/event_auth/", move |_| Answer::Json(chain.clone()));
    let answer = tap.send(&server, "t1", &[after, beside], &[]).await.ok();
    assert!(answer["pdus"].as_object().unwrap().values().all(|answer| answer == &json!({})), "{answer}");
    let shown = wait_for(&alice, &lazy, &room_id, &["after the join", "beside the join"]).await;
    let (lazy, shown) = (next(&shown), &shown["rooms"]["join"][room_id.as_str()]);
    let speakers: BTreeSet<String> = ["m5", "m6"].iter().map(|name| tap.user(name).to_string()).collect();
    assert!(members(&shown["state"]["events"]).is_superset(&speakers), "those who speak are shown: {shown}");

    // Members are told when all of them are known, not before.
    let asking = alice.clone();
    let path = format!("{V3}/rooms/{room_id}/members");
    let asked = tokio::spawn(async move { asking.get(&path).await.ok() });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!asked.is_finished());
    tap.tell_the_truth();
    again(&server).await;
    let told = asked.await.unwrap();
    assert_eq!(members(&told["chunk"]), everybody(&tap, &alice));
    let joined = alice.get(&format!("{V3}/rooms/{room_id}/joined_members")).await.ok();
    assert_eq!(joined["joined"].as_object().unwrap().len(), MEMBERS + 2);

    // Whoever encrypts for the room looks at everybody's devices again.
    let shown = sync(&alice, &lazy, true).await;
    let changed: BTreeSet<String> = serde_json::from_value(shown["device_lists"]["changed"].clone()).unwrap();
    assert_eq!(changed, everybody(&tap, &alice));
    let summary = &shown["rooms"]["join"][room_id.as_str()]["summary"];
    assert_eq!(summary["m.joined_member_count"], json!(MEMBERS + 2));
    let again = sync(&alice, &next(&shown), true).await;
    assert_eq!((&again["device_lists"], &again["rooms"]), (&Value::Null, &Value::Null), "once: {again}");
    let shown = sync(&alice, &eager, false).await;
    let room = &shown["rooms"]["join"][room_id.as_str()];
    let mut seen = members(&room["state"]["events"]);
    seen.extend(members(&room["timeline"]["events"]));
    assert_eq!(seen, everybody(&tap, &alice), "who wants all members is shown the room with them");
    let timeline = bodies(&room["timeline"]["events"]);
    assert_eq!(timeline.len(), 3, "{timeline:?}");
}

#[tokio::test]
async fn what_came_meanwhile_is_judged_again() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let (room, alice) = (crowded(&tap), server.user("alice"));
    let room_id = room.room_id();
    let came = room.id_of(&room.member("mallory", "join"));
    let chain = room.auth_answer(&["mallory", "m1"]);
    let mallory = tap.user("mallory");
    let ban = room.state("eve", "m.room.member", mallory.as_str(), &json!({ "membership": "ban" }));
    let ban = room.id_of(&ban);
    hide_state(&tap);
    join(&alice, &room, &tap).await;
    // She was banned before we came, which we do not know. What allowed her once is still signed.
    tap.script("/_matrix/federation/v1/event_auth/", move |_| Answer::Json(chain.clone()));
    let as_before = |place: &mut Place| {
        place.auth_events.retain(|id| *id != ban);
        place.auth_events.push(came.clone());
    };
    let forged = room.placed("mallory", "still here", as_before);
    let forged_id = room.id_of(&forged);
    let right = room.message("m1", "rightly here");
    tap.send(&server, "t1", &[forged], &[]).await.ok();
    tap.send(&server, "t2", std::slice::from_ref(&right), &[]).await.ok();
    wait_for(&alice, "", &room_id, &["still here", "rightly here"]).await;

    tap.tell_the_truth();
    again(&server).await;
    wait_until_whole(&server).await;
    let shown = sync(&alice, "", true).await;
    let timeline = &shown["rooms"]["join"][room_id.as_str()]["timeline"]["events"];
    assert_eq!(bodies(timeline), ["rightly here"]);
    alice.get(&format!("{V3}/rooms/{room_id}/event/{forged_id}")).await.fails(404, "M_NOT_FOUND");
    let ban = alice.get(&format!("{V3}/rooms/{room_id}/state/m.room.member/{mallory}")).await.ok();
    assert_eq!(ban["membership"], "ban");
    let late = room.placed("mallory", "once more", as_before);
    let answer = tap.send(&server, "t3", &[late], &[]).await.ok();
    assert!(answer["pdus"].as_object().unwrap().values().all(|answer| answer["error"].is_string()), "{answer}");
}

#[tokio::test]
async fn a_state_that_does_not_hold_is_refused_and_others_are_asked() {
    for lie in ["no create", "twice", "not for us", "not given"] {
        let (tap, other) = (Tap::start().await, Tap::with_seed(7).await);
        let server = TestServer::start_federating().await.with_user("alice").await;
        let (room, alice) = (crowded(&tap), server.user("alice"));
        room.also_in(other.name());
        let (ids, whole) = room.answers();
        let mut wrong = ids.clone();
        let listed = wrong["pdu_ids"].as_array_mut().unwrap();
        match lie {
            "no create" => {
                let create = room.state_id("m.room.create", "");
                listed.retain(|id| id.as_str() != Some(create.as_str()));
            }
            "not given" => listed.push("$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".into()),
            "twice" => {
                let name = room.state("eve", "m.room.name", "", &json!({ "name": "another" }));
                listed.push(room.id_of(&name).as_str().into());
            }
            _ => {
                let open = room.first_of("m.room.join_rules");
                let closed = room.state("eve", "m.room.join_rules", "", &json!({ "join_rule": "invite" }));
                room.state("eve", "m.room.join_rules", "", &json!({ "join_rule": "public" }));
                listed.retain(|id| id.as_str() != Some(open.as_str()));
                listed.push(room.id_of(&closed).as_str().into());
            }
        }
        tap.script(STATE[0], move |_| Answer::Json(wrong.clone()));
        other.script(STATE[0], move |_| Answer::Json(ids.clone()));
        other.script(STATE[1], move |_| Answer::Json(whole.clone()));
        join(&alice, &room, &tap).await;
        wait_until_whole(&server).await;
        let asked = |tap: &Tap| tap.heard().iter().filter(|heard| heard.path.starts_with(STATE[0])).count();
        assert_eq!((asked(&tap), asked(&other)), (1, 1), "{lie}");
        let joined = alice.get(&format!("{V3}/rooms/{}/joined_members", room.room_id())).await.ok();
        assert_eq!(joined["joined"].as_object().unwrap().len(), MEMBERS + 2, "{lie}");
        let rule = alice.get(&format!("{V3}/rooms/{}/state/m.room.join_rules", room.room_id())).await.ok();
        assert_eq!(rule["join_rule"], "public", "{lie}");
    }
}

#[tokio::test]
async fn fetching_goes_on_after_restarts() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let (room, alice) = (crowded(&tap), server.user("alice"));
    let room_id = room.room_id();
    // More is missing than is asked for one by one, and the answer breaks off in the middle.
    for number in 0..80 {
        room.member(&format!("n{number}"), "join");
    }
    let whole = room.answers().1.to_string().into_bytes();
    let half = whole[..whole.len() / 2].to_vec();
    tap.script(STATE[1], move |_| Answer::Bytes(half.clone()));
    join(&alice, &room, &tap).await;
    let (user_id, device_id, token) = (alice.id().to_owned(), alice.device_id.clone(), alice.token.clone());
    let mut server = server;
    for _ in 0..2 {
        let row = server.completion.rooms().await.unwrap().remove(0).1;
        assert!(row.attempts >= 1 && row.last_error.is_some(), "{row:?}");
        server.clock.advance(3_600_000);
        server = server.restart().await;
        for _ in 0..1_500 {
            if server.completion.rooms().await.unwrap()[0].1.attempts > row.attempts {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(!is_whole(&server).await);
    }
    tap.tell_the_truth();
    server.clock.advance(3_600_000);
    let server = server.restart().await;
    wait_until_whole(&server).await;
    let alice =
        server.with_token(&json!({ "user_id": user_id, "device_id": device_id, "access_token": token.unwrap() }));
    let joined = alice.get(&format!("{V3}/rooms/{room_id}/joined_members")).await.ok();
    assert_eq!(joined["joined"].as_object().unwrap().len(), MEMBERS + 82);
    let state = alice.get(&format!("{V3}/rooms/{room_id}/state")).await.ok();
    let ids: BTreeSet<&str> = state.as_array().unwrap().iter().filter_map(|event| event["event_id"].as_str()).collect();
    let theirs = room.state_ids();
    assert_eq!(ids, theirs.iter().map(|id| id.as_str()).collect(), "both have the same state");
}

#[tokio::test]
async fn who_leaves_meanwhile_is_out() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let (room, alice) = (crowded(&tap), server.user("alice"));
    let room_id = room.room_id();
    hide_state(&tap);
    join(&alice, &room, &tap).await;
    alice.post(&format!("{V3}/rooms/{room_id}/leave"), &json!({})).await.ok();
    assert!(sync(&alice, "", true).await["rooms"]["join"].get(room_id.as_str()).is_none());
    tap.tell_the_truth();
    again(&server).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let asked = tap.heard().iter().filter(|heard| heard.path.starts_with(STATE[0])).count();
    assert_eq!(asked, 1, "nobody here needs the members any more");
    join(&alice, &room, &tap).await;
    wait_until_whole(&server).await;
    let joined = alice.get(&format!("{V3}/rooms/{room_id}/joined_members")).await.ok();
    assert_eq!(joined["joined"].as_object().unwrap().len(), MEMBERS + 2);
}

#[tokio::test]
async fn who_comes_back_is_told_nothing_of_what_was_known_before() {
    let (tap, server) = (Tap::start().await, TestServer::start_federating().await.with_user("alice").await);
    let (room, alice) = (crowded(&tap), server.user("alice"));
    let room_id = room.room_id();
    join(&alice, &room, &tap).await;
    wait_until_whole(&server).await;
    alice.post(&format!("{V3}/rooms/{room_id}/leave"), &json!({})).await.ok();
    // Nobody here hears of this.
    room.member("m3", "leave");
    hide_state(&tap);
    join(&alice, &room, &tap).await;
    let shown = sync(&alice, "", true).await;
    let summary = &shown["rooms"]["join"][room_id.as_str()]["summary"];
    assert!(summary["m.joined_member_count"].as_u64() < Some(5), "{summary}");
    assert!(!summary.to_string().contains("@m"), "nobody is named who may have left: {summary}");
    // What is known when the server stops in between does not count either.
    let server = server.restart().await;
    let alice = server.user("alice");
    tap.tell_the_truth();
    again(&server).await;
    wait_until_whole(&server).await;
    let joined = alice.get(&format!("{V3}/rooms/{room_id}/joined_members")).await.ok();
    let joined = joined["joined"].as_object().unwrap();
    assert!(!joined.contains_key(tap.user("m3").as_str()));
    assert_eq!(joined.len(), MEMBERS + 1);
}
