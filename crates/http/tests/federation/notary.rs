//! Others' keys, told with our signature, and believed with that of a notary.

use std::collections::BTreeSet;

use domicile_app::{
    accounts::rate_limits::{Rate, RateLimitSettings},
    federation::{KeyUse, server_keys::KeyList},
};
use domicile_core::clock::DAY_MS;
use domicile_testkit::server::{START_MS, Settings, TestServer};
use serde_json::{Value, json};

/// The names of the servers whose signatures stand on a list.
fn signers(list: &Value) -> Vec<String> {
    list["signatures"].as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_notary_fetches_signs_and_remembers() {
    let (notary, there) = (TestServer::start_federating().await, TestServer::start_federating().await);
    let anybody = notary.anonymous();
    let path = format!("/_matrix/key/v2/query/{}", there.name());
    let answer = anybody.get(&path).await.ok();
    let list = &answer["server_keys"][0];
    assert_eq!(list["server_name"], there.name().as_str());
    assert_eq!(signers(list).len(), 2);
    KeyList::read(&list.to_string(), &there.name(), START_MS).unwrap();
    // Our own, those whom nobody reaches, and one that was asked for a moment ago.
    let query = json!({ "server_keys": { there.name(): {}, notary.name(): {}, "127.0.0.1:1": {} } });
    let answer = anybody.post("/_matrix/key/v2/query", &query).await.ok();
    assert_eq!(answer["server_keys"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(notary.services.peers.counts()["answered"], 1);
    // For longer than the list is good: it is asked for again, after a pause.
    let later = json!({ "server_keys": { there.name(): { "ed25519:x": { "minimum_valid_until_ts": START_MS + 2 * DAY_MS } } } });
    for (ms, expected) in [(0, 1), (60_000, 2)] {
        notary.clock.advance(ms);
        anybody.post("/_matrix/key/v2/query", &later).await.ok();
        assert_eq!(notary.services.peers.counts()["answered"], expected);
    }
    // A server that is gone is told as it was.
    drop(there);
    notary.clock.advance(DAY_MS);
    assert_eq!(anybody.get(&path).await.ok()["server_keys"].as_array().unwrap().len(), 1);
    assert_eq!(
        anybody.post("/_matrix/key/v2/query", &json!({ "server_keys": {} })).await.ok()["server_keys"],
        json!([])
    );
}

#[tokio::test]
async fn an_address_asks_a_notary_so_often_only() {
    let rate = Rate { per_second: 1.0, burst: 3 };
    let rate_limits = RateLimitSettings { server_keys: Some(rate), ..RateLimitSettings::default() };
    let server = TestServer::with_settings(Settings { rate_limits, ..Settings::default() }).await;
    let (anybody, path) = (server.anonymous(), format!("/_matrix/key/v2/query/{}", server.name()));
    let none = json!({ "server_keys": {} });
    for _ in 0..2 {
        anybody.post("/_matrix/key/v2/query", &none).await.ok();
    }
    anybody.get(&path).await.ok();
    anybody.get(&path).await.fails(429, "M_LIMIT_EXCEEDED");
    anybody.post("/_matrix/key/v2/query", &none).await.fails(429, "M_LIMIT_EXCEEDED");
    server.clock.advance(1_000);
    anybody.get(&path).await.ok();
}

#[tokio::test]
async fn what_a_notary_is_asked_has_a_bound() {
    let server = TestServer::start().await;
    let many: serde_json::Map<String, Value> =
        (0..101).map(|number| (format!("s{number}.example"), json!({}))).collect();
    server
        .anonymous()
        .post("/_matrix/key/v2/query", &json!({ "server_keys": many }))
        .await
        .fails(400, "M_INVALID_PARAM");
    for wrong in [json!({}), json!({ "server_keys": [] }), json!({ "server_keys": { "a b": {} } })] {
        server.anonymous().post("/_matrix/key/v2/query", &wrong).await.fails(400, "M_BAD_JSON");
    }
    server.anonymous().get("/_matrix/key/v2/query/a%20b").await.fails(400, "M_INVALID_PARAM");
}

#[tokio::test]
async fn a_server_that_is_gone_is_believed_by_a_notary_that_the_operator_names() {
    let (notary, gone) = (TestServer::start_federating().await, TestServer::start_federating().await);
    let key_id = gone.services.own_keys.current().key_id().to_owned();
    let public_key = gone.services.own_keys.current().public_key();
    notary.anonymous().get(&format!("/_matrix/key/v2/query/{}", gone.name())).await.ok();
    let name = gone.name();
    drop(gone);
    let mut trusting = Settings::default();
    trusting.config.federation.notaries = vec![notary.name().to_string()];
    for (settings, is_known) in [(trusting, true), (Settings::default(), false)] {
        let here = TestServer::federating_with(settings).await;
        let wanted = BTreeSet::from([key_id.clone()]);
        let event = KeyUse::Event { sent_ts: START_MS };
        let keys = here.services.server_keys.get(&name, &wanted, event).await.unwrap();
        assert_eq!(keys.get(&key_id).map(ruma::serde::Base64::encode), is_known.then(|| public_key.clone()));
        // An event of a later time is none of that key's.
        let later = KeyUse::Event { sent_ts: START_MS + 8 * DAY_MS };
        assert!(here.services.server_keys.get(&name, &wanted, later).await.unwrap().is_empty());
    }
}
