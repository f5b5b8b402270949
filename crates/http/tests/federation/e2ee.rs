//! Keys over federation: asked for, claimed, kept for as long as people share a room, and followed when they change.

use std::{sync::Arc, time::Duration};

use axum::http::Method;
use domicile_http::router::{self, Apis};
use domicile_testkit::{identity, server::TestServer};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::pair::{Pair, V3, begin, cross_sign, next, sync, upload};

#[tokio::test]
async fn keys_are_asked_for_across_servers_and_private_facts_stay() {
    let pair = Pair::new().await;
    let bob = &pair.bob;
    upload(bob).await;
    let keys = cross_sign(bob, 10).await;
    let found = pair.query().await;
    let device = &found["device_keys"][bob.id()][&bob.device_id];
    assert_eq!(device["keys"][format!("curve25519:{}", bob.device_id)], "one", "{found}");
    assert!(!found.to_string().contains("first device"), "names of devices are the owner's own: {found}");
    assert_eq!(found["master_keys"][bob.id()]["keys"], keys.master["keys"]);
    assert_eq!(found["self_signing_keys"][bob.id()]["keys"], keys.self_signing["keys"]);
    assert_eq!(found["user_signing_keys"][bob.id()], Value::Null, "whom bob verified is his own affair");
    assert_eq!(found["failures"], Value::Null);
    // Only what was asked for, only who is there, and servers that do not answer by their names.
    let nobody = format!("@nobody:{}", pair.far());
    let wanted =
        json!({ "device_keys": { bob.id(): ["OTHER"], &nobody: [], "@eve:127.0.0.1:1": [] }, "timeout": 5_000 });
    let found = pair.alice.post(&format!("{V3}/keys/query"), &wanted).await.ok();
    assert_eq!(found["device_keys"], json!({ bob.id(): {} }));
    assert!(found["failures"]["127.0.0.1:1"]["error"].is_string(), "{found}");
    assert_eq!(found["failures"].as_object().map(serde_json::Map::len), Some(1), "{found}");
}

#[tokio::test]
async fn a_key_is_claimed_once_across_servers() {
    let pair = Pair::new().await;
    let bob = &pair.bob;
    upload(bob).await;
    let wanted = json!({ "one_time_keys": {
        bob.id(): { bob.device_id.as_str(): "signed_curve25519", "OTHER": "signed_curve25519" },
        "@eve:127.0.0.1:1": { "X": "signed_curve25519" },
    } });
    let claim = async || pair.alice.post(&format!("{V3}/keys/claim"), &wanted).await.ok();
    let first = claim().await;
    let expected = json!({ "signed_curve25519:AAAA": { "key": "once", "signatures": {} } });
    assert_eq!(first["one_time_keys"], json!({ bob.id(): { bob.device_id.as_str(): expected } }));
    assert!(first["failures"]["127.0.0.1:1"]["errcode"].is_string(), "{first}");
    assert_eq!(claim().await["one_time_keys"], json!({}), "there is none left");
    // Asked for by name of a server that has not our user.
    let path = "/_matrix/federation/v1/user/keys/claim";
    let foreign =
        json!({ "one_time_keys": { pair.alice.id(): { pair.alice.device_id.as_str(): "signed_curve25519" } } });
    let request = pair.here.sign(&pair.there.name(), Method::POST, path, Some(&foreign));
    assert_eq!(pair.there.anonymous().request(request).await.ok()["one_time_keys"], json!({}));
}

#[tokio::test]
async fn the_endpoints_ask_for_a_signature_and_a_user_of_ours() {
    let pair = Pair::new().await;
    upload(&pair.bob).await;
    let devices = format!("/_matrix/federation/v1/user/devices/{}", pair.bob.id());
    pair.there.anonymous().get(&devices).await.fails(401, "M_UNAUTHORIZED");
    pair.bob.get(&devices).await.fails(401, "M_UNAUTHORIZED");
    for path in ["/_matrix/federation/v1/user/keys/query", "/_matrix/federation/v1/user/keys/claim"] {
        pair.there.anonymous().post(path, &json!({})).await.fails(401, "M_UNAUTHORIZED");
        let request = pair.here.sign(&pair.there.name(), Method::POST, path, Some(&json!({ "one_time_keys": 5 })));
        pair.there.anonymous().request(request).await.fails(400, "M_BAD_JSON");
    }
    let ask = async |user_id: &str| {
        let path = format!("/_matrix/federation/v1/user/devices/{user_id}");
        let request = pair.here.sign(&pair.there.name(), Method::GET, &path, None);
        pair.there.anonymous().request(request).await
    };
    ask(pair.alice.id()).await.fails(404, "M_NOT_FOUND");
    ask(&format!("@nobody:{}", pair.far())).await.fails(404, "M_NOT_FOUND");
    let list = ask(pair.bob.id()).await.ok();
    assert_eq!(list["user_id"], pair.bob.id());
    assert_eq!(list["devices"][0]["device_id"], pair.bob.device_id.as_str());
    assert_eq!(list["devices"][0]["device_display_name"], Value::Null);
    // The version grows with each change.
    let before = pair.version().await;
    let path = format!("{V3}/devices/{}", pair.bob.device_id);
    pair.bob.put(&path, &json!({ "display_name": "another" })).await.ok();
    assert!(pair.version().await > before);
}

#[tokio::test]
async fn a_copy_is_kept_and_follows_what_its_server_tells() {
    let pair = Pair::new().await;
    upload(&pair.bob).await;
    let first = pair.bob.device_id.clone();
    assert_eq!(pair.devices().await, Some(vec![first.clone()]));
    pair.hide();
    assert_eq!(pair.devices().await, Some(vec![first.clone()]), "nobody is asked again");
    // What the query told had no version: the first update has the list fetched, the next ones are applied as they come.
    pair.show();
    let since = begin(&pair.alice).await;
    pair.bob.post(&format!("{V3}/logout"), &json!({})).await.ok();
    pair.here.hear(&pair.far(), [pair.update("AAA", 1_000, &[999])]).await;
    let since = pair.wait_for_change(&since).await;
    let version = pair.version().await;
    pair.hide();
    assert_eq!(pair.devices().await, Some(vec![]));
    let mut keys = pair.update("AAA", version + 1, &[version]);
    keys.1["device_display_name"] = "Telephone".into();
    pair.here.hear(&pair.far(), [keys.clone(), pair.update("BBB", version + 2, &[version + 1])]).await;
    let since = pair.wait_for_change(&since).await;
    let found = pair.query().await;
    assert_eq!(found["device_keys"][pair.bob.id()]["AAA"]["unsigned"]["device_display_name"], "Telephone", "{found}");
    assert_eq!(pair.devices().await, Some(vec!["AAA".to_owned(), "BBB".to_owned()]));
    // Told again, nothing is new.
    pair.here.hear(&pair.far(), [pair.update("BBB", version + 2, &[version + 1])]).await;
    assert_eq!(sync(&pair.alice, &since).await["device_lists"], Value::Null);
    assert_eq!(pair.devices().await, Some(vec!["AAA".to_owned(), "BBB".to_owned()]));
    let mut gone = pair.update("AAA", version + 3, &[version + 2]);
    (gone.1["deleted"], gone.1["keys"]) = (true.into(), Value::Null);
    pair.here.hear(&pair.far(), [gone]).await;
    pair.wait_for_change(&since).await;
    assert_eq!(pair.devices().await, Some(vec!["BBB".to_owned()]));
    // A word is missing: the copy is used no more.
    pair.here.hear(&pair.far(), [pair.update("CCC", version + 9, &[version + 8])]).await;
    assert_eq!(pair.devices().await, None);
}

#[tokio::test]
async fn a_stale_copy_is_fetched_by_itself() {
    let pair = Pair::new().await;
    upload(&pair.bob).await;
    assert_eq!(pair.devices().await, Some(vec![pair.bob.device_id.clone()]));
    let since = begin(&pair.alice).await;
    let second = pair.there.login("bob").await;
    upload(&second).await;
    pair.here.hear(&pair.far(), [pair.update("whatever", 5, &[])]).await;
    pair.wait_for_change(&since).await;
    pair.hide();
    let mut both = vec![pair.bob.device_id.clone(), second.device_id.clone()];
    both.sort();
    assert_eq!(pair.devices().await, Some(both));
}

#[tokio::test]
async fn a_copy_that_becomes_stale_while_it_is_fetched_is_fetched_again_at_once() {
    let pair = Pair::new().await;
    upload(&pair.bob).await;
    pair.devices().await;
    let since = begin(&pair.alice).await;
    let (asked, answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    pair.there.show(router::api(pair.there.services.clone(), Apis::ALL).layer(axum::middleware::from_fn({
        let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
        move |request: axum::extract::Request, next: axum::middleware::Next| {
            let (asked, answer) = (Arc::clone(&asked), Arc::clone(&answer));
            async move {
                if request.uri().path().contains("/user/devices/") {
                    asked.add_permits(1);
                    answer.acquire().await.unwrap().forget();
                }
                next.run(request).await
            }
        }
    })));
    pair.here.hear(&pair.far(), [pair.update("whatever", 50, &[])]).await;
    asked.acquire().await.unwrap().forget();
    let second = pair.there.login("bob").await;
    upload(&second).await;
    pair.here.hear(&pair.far(), [pair.update("whatever", 60, &[])]).await;
    // Long enough for the word to be looked at while the first answer is still owed.
    tokio::time::sleep(Duration::from_millis(100)).await;
    answer.add_permits(2);
    pair.wait_for_change(&since).await;
    pair.hide();
    let mut both = vec![pair.bob.device_id.clone(), second.device_id.clone()];
    both.sort();
    assert_eq!(pair.devices().await, Some(both));
}

#[tokio::test]
async fn devices_and_messages_reach_the_other_server_by_themselves() {
    let pair = Pair::with(true).await;
    upload(&pair.bob).await;
    pair.devices().await;
    let since = begin(&pair.alice).await;
    let second = pair.there.login("bob").await;
    upload(&second).await;
    pair.wait_for_change(&since).await;
    let mut both = vec![pair.bob.device_id.clone(), second.device_id.clone()];
    both.sort();
    for round in 0.. {
        if pair.devices().await.as_ref() == Some(&both) {
            break;
        }
        assert!(round < 200, "alice does not see bob's second device");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let since = begin(&second).await;
    let body = json!({ "messages": { pair.bob.id(): { second.device_id.as_str(): { "key": 1 } } } });
    for _ in 0..2 {
        pair.alice.put(&format!("{V3}/sendToDevice/org.example.key/t1"), &body).await.ok();
    }
    let answer = second.get(&format!("{V3}/sync?timeout=10000&since={since}")).await.ok();
    let expected = json!({ "type": "org.example.key", "sender": pair.alice.id(), "content": { "key": 1 } });
    assert_eq!(answer["to_device"]["events"], json!([expected]), "{answer}");
    assert_eq!(sync(&second, &next(&answer)).await["to_device"], Value::Null);
}

#[tokio::test]
async fn nobody_speaks_of_others_devices_and_what_cannot_be_read_is_passed_over() {
    let pair = Pair::new().await;
    upload(&pair.bob).await;
    let known = pair.devices().await;
    let since = begin(&pair.alice).await;
    let before = pair.here.contents().await;
    pair.here.hear("evil.example", [pair.update("EVIL", 1, &[])]).await;
    let mut of_alice = pair.update("EVIL", 1, &[]);
    of_alice.1["user_id"] = pair.alice.id().into();
    let mut of_nobody = pair.update("EVIL", 1, &[]);
    of_nobody.1["user_id"] = format!("@nobody:{}", pair.far()).into();
    let mut torn = pair.update("EVIL", 1, &[]);
    torn.1["stream_id"] = "one".into();
    pair.here.hear(&pair.far(), [of_alice, of_nobody, torn]).await;
    pair.here.hear(&pair.far(), [("m.unknown", json!({})), ("m.device_list_update", json!(5))]).await;
    let keys = identity::cross_signing(pair.bob.id(), 40);
    let content = json!({ "user_id": pair.bob.id(), "master_key": keys.master, "self_signing_key": keys.self_signing });
    pair.here.hear("evil.example", [("m.signing_key_update", content)]).await;
    assert_eq!(before.difference(&pair.here.contents().await), "");
    assert_eq!(sync(&pair.alice, &since).await["device_lists"], Value::Null);
    pair.hide();
    assert_eq!(pair.devices().await, known);
}

#[tokio::test]
async fn signing_keys_follow_and_are_checked() {
    let pair = Pair::new().await;
    upload(&pair.bob).await;
    cross_sign(&pair.bob, 10).await;
    pair.devices().await;
    pair.hide();
    let since = begin(&pair.alice).await;
    let new = identity::cross_signing(pair.bob.id(), 40);
    let update = |master: &Value, self_signing: &Value| {
        let content = json!({ "user_id": pair.bob.id(), "master_key": master, "self_signing_key": self_signing });
        [("m.signing_key_update", content)]
    };
    pair.here.hear(&pair.far(), update(&new.master, &new.self_signing)).await;
    pair.wait_for_change(&since).await;
    let found = pair.query().await;
    assert_eq!(found["master_keys"][pair.bob.id()]["keys"], new.master["keys"]);
    assert_eq!(found["self_signing_keys"][pair.bob.id()]["keys"], new.self_signing["keys"]);
    // Alice vouches for bob's master key, and sees her signature over the copy.
    cross_sign(&pair.alice, 70).await;
    let vouched = identity::signed_by(pair.alice.id(), 72, new.master.clone());
    let master = new.master["keys"].as_object().unwrap().values().next().unwrap().as_str().unwrap();
    let body = json!({ pair.bob.id(): { master: vouched } });
    let answer = pair.alice.post(&format!("{V3}/keys/signatures/upload"), &body).await.ok();
    assert_eq!(answer["failures"].as_object().map_or(0, serde_json::Map::len), 0, "{answer}");
    let found = pair.query().await;
    assert!(found["master_keys"][pair.bob.id()]["signatures"][pair.alice.id()].is_object(), "{found}");
    // A self-signing key that another master key signed is not believed, and what is known is used no more.
    let other = identity::cross_signing(pair.bob.id(), 90);
    pair.here.hear(&pair.far(), update(&new.master, &other.self_signing)).await;
    assert_eq!(pair.devices().await, None);
    pair.show();
    let found = pair.query().await;
    let right = identity::cross_signing(pair.bob.id(), 10);
    assert_eq!(found["master_keys"][pair.bob.id()]["keys"], right.master["keys"], "his server knows best");
}

#[tokio::test]
async fn a_copy_is_dropped_when_nobody_shares_a_room() {
    let pair = Pair::new().await;
    upload(&pair.bob).await;
    pair.devices().await;
    let since = begin(&pair.alice).await;
    pair.here.strangers(&pair.room, &[pair.bob.id()], "leave").await;
    let answer = sync(&pair.alice, &since).await;
    assert_eq!(answer["device_lists"]["left"], json!([pair.bob.id()]), "{answer}");
    let since = next(&answer);
    // What his server tells is nobody's business here.
    pair.here.hear(&pair.far(), [pair.update("AAA", 7, &[6])]).await;
    assert_eq!(sync(&pair.alice, &since).await["device_lists"], Value::Null);
    pair.here.jobs.begin().await.unwrap();
    while pair.here.jobs.run_due().await.unwrap() > 0 {}
    let held = format!("{:?}", pair.here.contents().await);
    assert!(!held.contains(&format!("curve25519:{}", pair.bob.device_id)), "the keys are gone");
    // He comes back: what was known before is not relied upon.
    pair.here.strangers(&pair.room, &[pair.bob.id()], "join").await;
    let answer = sync(&pair.alice, &since).await;
    assert_eq!(answer["device_lists"]["changed"], json!([pair.bob.id()]), "{answer}");
    let changes = pair.alice.get(&format!("{V3}/keys/changes?from={since}&to={}", next(&answer))).await.ok();
    assert_eq!(changes["changed"], json!([pair.bob.id()]));
    pair.hide();
    assert_eq!(pair.devices().await, None);
}

#[tokio::test]
async fn who_went_and_came_back_meanwhile_is_asked_for_anew() {
    let pair = Pair::new().await;
    upload(&pair.bob).await;
    pair.devices().await;
    pair.hide();
    pair.here.strangers(&pair.room, &[pair.bob.id()], "leave").await;
    pair.here.strangers(&pair.room, &[pair.bob.id()], "join").await;
    assert_eq!(pair.devices().await, None, "nobody told of changes in between");
    pair.show();
    pair.here.clock.advance(3_600_000);
    assert_eq!(pair.devices().await, Some(vec![pair.bob.device_id.clone()]));
}

#[tokio::test]
async fn a_server_that_answers_nonsense_is_a_failure_and_leaves_nothing() {
    let pair = Pair::new().await;
    let before = pair.here.contents().await;
    let liar = async |answer: Value| {
        pair.there.show(axum::Router::new().fallback(move || async move { axum::Json(answer) }));
        pair.query().await
    };
    let found = liar(json!({ "device_keys": 5 })).await;
    assert!(found["failures"][pair.far()].is_object(), "{found}");
    // Another's keys, keys of another device, another server's user: none of them is told.
    let (bob, eve) = (pair.bob.id(), "@eve:evil.example");
    let device = identity::device(eve, "AAA");
    let found = liar(json!({ "device_keys": {
        bob: { "AAA": device, "BBB": identity::device(bob, "CCC"), "CTL\u{0}": identity::device(bob, "CTL\u{0}") },
        eve: { "AAA": device }, pair.alice.id(): { "AAA": identity::device(pair.alice.id(), "AAA") },
    }, "master_keys": { bob: identity::cross_signing(eve, 3).master } }))
    .await;
    assert_eq!(found["device_keys"], json!({ bob: {} }), "{found}");
    assert_eq!(found["master_keys"], Value::Null);
    let held = before.difference(&pair.here.contents().await);
    assert!(held.lines().all(|line| line.starts_with("device_list_copies")), "{held}");
}

#[tokio::test]
async fn a_server_without_federation_asks_nobody() {
    let server = TestServer::start().await.with_user("alice").await;
    let wanted = json!({ "device_keys": { "@bob:elsewhere.invalid": [] }, "timeout": 2_000 });
    let found = server.user("alice").post(&format!("{V3}/keys/query"), &wanted).await.ok();
    assert_eq!(found["device_keys"], Value::Null);
    assert!(found["failures"]["elsewhere.invalid"].is_object(), "{found}");
}
