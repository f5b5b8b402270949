//! What the tap makes is right where it should be, and wrong where it lies.

use std::time::Duration;

use domicile_room::event::receive::{self, KeyMap, PublicKey, Received, Refused};
use ruma::{MilliSecondsSinceUnixEpoch, UInt, owned_server_name, user_id};

use super::*;

fn keys(tap: &Tap) -> KeyMap {
    let valid_until = MilliSecondsSinceUnixEpoch(UInt::MAX);
    let key = PublicKey::from_base64(&tap.signer().public_key(), valid_until).unwrap();
    KeyMap::from([(tap.name(), BTreeMap::from([(tap.signer().key_id().to_owned(), key)]))])
}

fn received(tap: &Tap, room: &TapRoom, event: &str) -> Result<Received, Refused> {
    receive::read(event.as_bytes(), &room.version().rules().unwrap())?.verify(&keys(tap))
}

fn answered(room: &TapRoom, path: &str, method: Method, body: Value) -> Value {
    let heard = Heard { method, path: path.to_owned(), body, signed: true };
    match room.truth(&heard) {
        Answer::Json(answer) => answer,
        other => panic!("{path}: {other:?}"),
    }
}

#[tokio::test]
async fn its_events_hold_and_its_lies_do_not() {
    let tap = Tap::start().await;
    for version in ["3", "5", "6", "8", "10", "11", "12"] {
        let room = tap.room(version);
        room.member("mallory", "join");
        let right = room.message("eve", "hello");
        let all: Vec<Value> = {
            let graph = room.graph.lock();
            graph.told(&graph.order)
        };
        assert_eq!(all.len(), 6, "{version}");
        for event in &all {
            let received = received(&tap, &room, &event.to_string()).unwrap();
            assert!(!received.redacted, "{version}: {event}");
        }
        for lie in [
            lies::wrong_signature(&right),
            lies::unsigned(&right),
            lies::forged_sender(&right, "@alice:elsewhere.example"),
            lies::oversized(&right),
        ] {
            assert!(received(&tap, &room, &lie.to_string()).is_err(), "{version}: {lie:.200}");
        }
        assert!(received(&tap, &room, &lies::nested(&right, 100_000)).is_err(), "{version}");
        assert!(received(&tap, &room, &lies::wrong_hash(&right).to_string()).unwrap().redacted, "{version}");
        let mallory = ServerSigner::from_seed(tap.name(), &[1; 32], "tap").unwrap();
        let forged = room.aside(&mallory, &tap.user("eve"), "m.room.name", Some(""), &json!({ "name": "mine" }));
        assert!(received(&tap, &room, &forged.to_string()).is_err(), "{version}");
        let lost = room.placed("eve", "lost", |place| place.prev_events = lies::unknown_events(20));
        assert!(received(&tap, &room, &lost.to_string()).is_ok(), "{version}: it is signed, and names what nobody has");
    }
}

#[tokio::test]
async fn what_it_serves_of_a_room_fits_together() {
    let tap = Tap::start().await;
    let room = tap.room("11");
    let (first, second) = (room.message("eve", "one"), room.message("eve", "two"));
    let (room_id, second_id) = (room.room_id(), room.id_of(&second));
    let path = |rest: &str| format!("/_matrix/federation/v1/{rest}");
    let joiner = user_id!("@alice:elsewhere.example");
    let template = answered(&room, &path(&format!("make_join/{room_id}/{joiner}?ver=11")), Method::GET, Value::Null);
    assert_eq!((&template["room_version"], &template["event"]["sender"]), (&json!("11"), &json!(joiner)));
    let elsewhere = ServerSigner::from_seed(owned_server_name!("elsewhere.example"), &[3; 32], "1").unwrap();
    let content = json!({ "membership": "join" });
    let join = room.aside(&elsewhere, joiner, "m.room.member", Some(joiner.as_str()), &content);
    let answer = answered(&room, &path(&format!("send_join/{room_id}/$x")), Method::PUT, join.clone());
    assert_eq!(answer["state"].as_array().map(Vec::len), Some(4), "create, eve, power levels, join rules: {answer}");
    assert_eq!(answer["auth_chain"].as_array().map(Vec::len), Some(4), "the join rules allow the join: {answer}");
    let few = answered(&room, &path(&format!("send_join/{room_id}/$x?omit_members=true")), Method::PUT, join.clone());
    assert_eq!((&few["members_omitted"], few["state"].as_array().map(Vec::len)), (&json!(true), Some(3)), "{few}");
    let state = answered(&room, &path(&format!("state_ids/{room_id}?event_id={second_id}")), Method::GET, Value::Null);
    assert_eq!(state["pdu_ids"].as_array().map(Vec::len), Some(4), "{state}");
    let back = answered(&room, &path(&format!("backfill/{room_id}?v={second_id}&limit=2")), Method::GET, Value::Null);
    assert_eq!(back["pdus"], json!([second, first]));
    let asked = json!({ "latest_events": [room.id_of(&join)], "earliest_events": [room.id_of(&first)], "limit": 5 });
    let missing = answered(&room, &path(&format!("get_missing_events/{room_id}")), Method::POST, asked);
    assert_eq!(missing["events"], json!([second]));
    let event = answered(&room, &path(&format!("event/{second_id}")), Method::GET, Value::Null);
    assert_eq!(event["pdus"], json!([second]));
}

#[tokio::test]
async fn a_trickle_takes_its_time() {
    let body = Answer::Trickle(b"abc".to_vec(), Duration::from_millis(1)).into_response().into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes().as_ref(), b"abc");
}
