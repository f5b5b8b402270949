//! Rooms as other servers read them.

use axum::http::Method;
use domicile_testkit::server::{START_MS, TestServer};
use serde_json::{Value, json};

use crate::together::{V1, V3, ask, get, let_in, png, room, say, upload};

fn texts(list: &Value) -> Vec<String> {
    let text = |event: &Value| event["content"]["body"].as_str().unwrap_or("-").to_owned();
    list.as_array().unwrap().iter().map(text).collect()
}

/// `there` with alice, `here`, and a room that anybody may join.
async fn two(visibility: &str) -> (TestServer, TestServer, String) {
    let there = TestServer::start_federating().await.with_user("alice").await;
    let here = TestServer::start_federating().await;
    let request = json!({ "preset": "public_chat", "name": "A room", "initial_state": [
        { "type": "m.room.history_visibility", "state_key": "", "content": { "history_visibility": visibility } },
    ] });
    let room = room(&there.user("alice"), request).await;
    (here, there, room)
}

async fn bob_comes(here: &TestServer, there: &TestServer, room: &str) {
    let_in(there, room, &format!("@bob:{}", here.name())).await;
}

#[tokio::test]
async fn an_event_its_state_and_what_allows_it() {
    let (here, there, room) = two("shared").await;
    bob_comes(&here, &there, &room).await;
    let event = say(&there.user("alice"), &room, "hello").await;
    let answer = get(&here, &there, &format!("{V1}/event/{event}")).await.ok();
    assert_eq!(answer["origin"], there.name().as_str());
    assert_eq!(answer["origin_server_ts"], START_MS);
    let pdu = &answer["pdus"][0];
    assert_eq!(pdu["content"]["body"], "hello");
    assert!(pdu["signatures"][there.name().as_str()].is_object() && pdu["unsigned"].is_null(), "{pdu}");

    let state = get(&here, &there, &format!("{V1}/state/{room}?event_id={event}")).await;
    assert_eq!(state.headers["content-type"], "application/json");
    let state = state.ok();
    let ids = get(&here, &there, &format!("{V1}/state_ids/{room}?event_id={event}")).await.ok();
    let kinds: Vec<&str> = state["pdus"].as_array().unwrap().iter().map(|pdu| pdu["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "m.room.member").count(), 2, "{kinds:?}");
    assert!(kinds.contains(&"m.room.create") && kinds.contains(&"m.room.name"));
    for (list, list_of_ids) in [("pdus", "pdu_ids"), ("auth_chain", "auth_chain_ids")] {
        let (events, ids) = (state[list].as_array().unwrap(), ids[list_of_ids].as_array().unwrap());
        assert_eq!(events.len(), ids.len(), "{list}");
        // The same, in the same order.
        for (event, id) in events.iter().zip(ids) {
            let told = get(&here, &there, &format!("{V1}/event/{}", id.as_str().unwrap())).await.ok();
            assert_eq!(told["pdus"][0], *event);
        }
    }
    let chain = get(&here, &there, &format!("{V1}/event_auth/{room}/{event}")).await.ok();
    let chain: Vec<&str> =
        chain["auth_chain"].as_array().unwrap().iter().map(|pdu| pdu["type"].as_str().unwrap()).collect();
    assert!(chain.contains(&"m.room.create") && chain.contains(&"m.room.power_levels"), "{chain:?}");
    assert!(!chain.contains(&"m.room.name"), "{chain:?}");
    get(&here, &there, &format!("{V1}/state/{room}?event_id=$unknown")).await.fails(404, "M_NOT_FOUND");
    get(&here, &there, &format!("{V1}/event/$unknown")).await.fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn the_past_of_a_room_and_what_a_server_misses() {
    let (here, there, room) = two("shared").await;
    bob_comes(&here, &there, &room).await;
    let alice = there.user("alice");
    let mut ids = Vec::new();
    for text in ["one", "two", "three", "four"] {
        ids.push(say(&alice, &room, text).await);
    }
    let path = format!("{V1}/backfill/{room}?v={}&limit=3", ids[3]);
    assert_eq!(texts(&get(&here, &there, &path).await.ok()["pdus"]), ["four", "three", "two"]);
    let path = format!("{V1}/backfill/{room}?v={}&v=$unknown&limit=1000", ids[0]);
    let all = get(&here, &there, &path).await.ok();
    let all = all["pdus"].as_array().unwrap();
    assert_eq!(all.first().unwrap()["content"]["body"], "one");
    assert_eq!(all.last().unwrap()["type"], "m.room.create");
    let missing = async |body: Value| {
        let path = format!("{V1}/get_missing_events/{room}");
        texts(&ask(&here, &there, Method::POST, &path, Some(&body)).await.ok()["events"])
    };
    let gap = json!({ "earliest_events": [ids[0]], "latest_events": [ids[3]] });
    assert_eq!(missing(gap).await, ["two", "three"]);
    let gap = json!({ "earliest_events": [], "latest_events": [ids[3]], "limit": 1 });
    assert_eq!(missing(gap).await, ["three"]);
    let gap = json!({ "earliest_events": [], "latest_events": ["$unknown"], "limit": 1_000_000 });
    assert!(missing(gap).await.is_empty());
    let path = format!("{V1}/timestamp_to_event/{room}?ts={START_MS}&dir=f");
    assert!(get(&here, &there, &path).await.ok()["event_id"].is_string());
    get(&here, &there, &path.replace("dir=f", "dir=b").replace(&START_MS.to_string(), "5"))
        .await
        .fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn what_nobody_of_a_server_may_see_goes_redacted() {
    let (here, there, room) = two("joined").await;
    let alice = there.user("alice");
    say(&alice, &room, "before").await;
    bob_comes(&here, &there, &room).await;
    let last = say(&alice, &room, "after").await;
    let pdus = get(&here, &there, &format!("{V1}/backfill/{room}?v={last}&limit=3")).await.ok();
    assert_eq!(texts(&pdus["pdus"]), ["after", "-", "-"]);
    let (bob, before) = (&pdus["pdus"][1], &pdus["pdus"][2]);
    assert_eq!(bob["content"]["membership"], "join");
    assert_eq!((&before["type"], &before["content"]), (&json!("m.room.message"), &json!({})));
    assert!(before["hashes"].is_object() && before["signatures"].is_object());
    // The room's present state is whole.
    let all = get(&here, &there, &format!("{V1}/backfill/{room}?v={last}&limit=100")).await.ok();
    let name = all["pdus"].as_array().unwrap().iter().find(|pdu| pdu["type"] == "m.room.name").unwrap();
    assert_eq!(name["content"]["name"], "A room");

    let (here, there, room) = two("shared").await;
    say(&there.user("alice"), &room, "before").await;
    bob_comes(&here, &there, &room).await;
    let last = say(&there.user("alice"), &room, "after").await;
    let pdus = get(&here, &there, &format!("{V1}/backfill/{room}?v={last}&limit=3")).await.ok();
    assert_eq!(texts(&pdus["pdus"]), ["after", "-", "before"]);
}

#[tokio::test]
async fn a_server_that_left_or_is_shut_out_reads_nothing() {
    let (here, there, room) = two("shared").await;
    let alice = there.user("alice");
    let event = say(&alice, &room, "hello").await;
    let path = format!("{V1}/backfill/{room}?v={event}&limit=3");
    get(&here, &there, &path).await.fails(403, "M_FORBIDDEN");
    bob_comes(&here, &there, &room).await;
    get(&here, &there, &path).await.ok();
    let acl = format!("{V3}/rooms/{room}/state/m.room.server_acl");
    alice.put(&acl, &json!({ "allow": ["*"], "allow_ip_literals": false })).await.ok();
    get(&here, &there, &path).await.fails(403, "M_FORBIDDEN");
    alice.put(&acl, &json!({ "allow": ["*"] })).await.ok();
    get(&here, &there, &path).await.ok();
    let kick = json!({ "user_id": format!("@bob:{}", here.name()) });
    alice.post(&format!("{V3}/rooms/{room}/kick"), &kick).await.ok();
    get(&here, &there, &path).await.fails(403, "M_FORBIDDEN");
}

#[tokio::test]
async fn users_aliases_and_the_directory() {
    let there = TestServer::start_federating().await.with_user("alice").await;
    let here = TestServer::start_federating().await;
    let alice = there.user("alice");
    let profile = format!("{V3}/profile/{}", alice.id());
    alice.put(&format!("{profile}/displayname"), &json!({ "displayname": "Alice" })).await.ok();
    let path = format!("{V1}/query/profile?user_id={}", alice.id());
    assert_eq!(get(&here, &there, &path).await.ok(), json!({ "displayname": "Alice" }));
    assert_eq!(get(&here, &there, &format!("{path}&field=avatar_url")).await.ok(), json!({}));
    for nobody in [format!("@nobody:{}", there.name()), format!("@bob:{}", here.name())] {
        get(&here, &there, &format!("{V1}/query/profile?user_id={nobody}")).await.fails(404, "M_NOT_FOUND");
    }
    let public = json!({ "preset": "public_chat", "visibility": "public", "room_alias_name": "open", "name": "Open" });
    let room = room(&alice, public).await;
    let path = format!("{V1}/query/directory?room_alias=%23open:{}", there.name());
    let named = get(&here, &there, &path).await.ok();
    assert_eq!(named, json!({ "room_id": room, "servers": [there.name()] }));
    get(&here, &there, &path.replace("open", "shut")).await.fails(404, "M_NOT_FOUND");
    let page = get(&here, &there, &format!("{V1}/publicRooms?limit=5")).await.ok();
    assert_eq!(page["chunk"][0]["room_id"], room.as_str());
    let filtered = async |term: &str| {
        let filter = json!({ "filter": { "generic_search_term": term } });
        let path = format!("{V1}/publicRooms");
        ask(&here, &there, Method::POST, &path, Some(&filter)).await.ok()["chunk"].as_array().unwrap().len()
    };
    assert_eq!((filtered("open").await, filtered("shut").await), (1, 0));
}

#[tokio::test]
async fn a_space_tells_what_can_be_joined() {
    let there = TestServer::start_federating().await.with_user("alice").await;
    let here = TestServer::start_federating().await;
    let alice = there.user("alice");
    let open = room(&alice, json!({ "preset": "public_chat", "name": "Open" })).await;
    let shut = room(&alice, json!({ "preset": "private_chat" })).await;
    let space = json!({ "preset": "public_chat", "creation_content": { "type": "m.space" } });
    let space = room(&alice, space).await;
    for child in [&open, &shut, &"!elsewhere:example.org".to_owned()] {
        let path = format!("{V3}/rooms/{space}/state/m.space.child/{child}");
        alice.put(&path, &json!({ "via": [there.name()] })).await.ok();
    }
    let told = get(&here, &there, &format!("{V1}/hierarchy/{space}")).await.ok();
    assert_eq!(told["room"]["room_id"], space.as_str());
    assert_eq!(told["room"]["children_state"].as_array().unwrap().len(), 3);
    let children = told["children"].as_array().unwrap();
    assert_eq!((children.len(), &children[0]["room_id"]), (1, &json!(open)));
    assert_eq!(told["inaccessible_children"], json!([shut]));
    get(&here, &there, &format!("{V1}/hierarchy/{shut}")).await.fails(404, "M_NOT_FOUND");
}

#[tokio::test]
async fn files_come_in_two_parts() {
    let there = TestServer::start_federating().await.with_user("alice").await;
    let here = TestServer::start_federating().await;
    let file = upload(&there.user("alice"), b"some text\r\n--x".to_vec(), "text/plain").await;
    let answer = get(&here, &there, &format!("{V1}/media/download/{file}")).await;
    let kind = answer.headers["content-type"].to_str().unwrap();
    let boundary = kind.strip_prefix("multipart/mixed; boundary=").unwrap();
    let body = String::from_utf8(answer.bytes.to_vec()).unwrap();
    assert_eq!(answer.headers["content-length"].to_str().unwrap(), body.len().to_string());
    let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    assert_eq!((parts.len(), parts[0], parts[3]), (4, "", "--\r\n"));
    assert_eq!(parts[1], "\r\nContent-Type: application/json\r\n\r\n{}\r\n");
    assert!(parts[2].contains("\r\nContent-Type: text/plain\r\n") && parts[2].contains("filename=\"the file\""));
    assert!(parts[2].ends_with("\r\n\r\nsome text\r\n--x\r\n"), "{body}");
    get(&here, &there, &format!("{V1}/media/download/nothing")).await.fails(404, "M_NOT_FOUND");
    let picture = upload(&there.user("alice"), png(900), "image/png").await;
    let small = get(&here, &there, &format!("{V1}/media/thumbnail/{picture}?width=32&height=32&method=crop")).await;
    assert_eq!(small.status.as_u16(), 200);
    get(&here, &there, &format!("{V1}/media/thumbnail/{file}?width=32&height=32")).await.fails(400, "M_UNKNOWN");
}

#[tokio::test]
async fn tokens_that_prove_who_somebody_is() {
    let there = TestServer::start_federating().await.with_user("alice").await;
    let alice = there.user("alice");
    let token = alice.post(&format!("{V3}/user/{}/openid/request_token", alice.id()), &json!({})).await.ok();
    let path = format!("{V1}/openid/userinfo?access_token={}", token["access_token"].as_str().unwrap());
    assert_eq!(there.anonymous().get(&path).await.ok(), json!({ "sub": alice.id() }));
    let unknown = there.anonymous().get(&format!("{V1}/openid/userinfo?access_token=x")).await;
    unknown.fails(401, "M_UNKNOWN_TOKEN");
    let bound = json!({ "medium": "email", "address": "a@example.org", "mxid": alice.id(), "invites": [] });
    there.anonymous().put(&format!("{V1}/3pid/onbind"), &bound).await.fails(403, "M_THREEPID_DENIED");
}
