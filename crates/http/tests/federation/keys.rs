//! Keys: ours, those of others, and telling the ones to the others.

use std::collections::BTreeSet;

use domicile_app::federation::{KeyUse, PeerError, peers::ORDINARY};
use domicile_core::clock::{DAY_MS, MINUTE_MS};
use domicile_testkit::server::TestServer;
use ruma::api::federation::discovery::get_server_version::v1 as version;
use serde_json::json;

fn ids(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test]
async fn two_servers_reach_each_other() {
    let (here, there) = (TestServer::start_federating().await, TestServer::start_federating().await);
    let answer = here.services.peers.ask_unsigned(&there.name(), version::Request::new(), ORDINARY).await.unwrap();
    assert_eq!(answer.server.unwrap().name.as_deref(), Some("Domicile"));
    let itself = here.services.peers.ask_unsigned(&here.name(), version::Request::new(), ORDINARY).await;
    assert!(matches!(itself, Err(PeerError::Ourselves)), "{itself:?}");
}

#[tokio::test]
async fn a_servers_keys_are_fetched_once_and_kept() {
    let (here, there) = (TestServer::start_federating().await, TestServer::start_federating().await);
    let key_id = there.services.own_keys.current().key_id().to_owned();
    let wanted = ids(&[&key_id]);
    let keys = here.services.server_keys.get(&there.name(), &wanted, KeyUse::Request).await.unwrap();
    assert_eq!(keys[&key_id].encode(), there.services.own_keys.current().public_key());
    for _ in 0..3 {
        assert_eq!(here.services.server_keys.get(&there.name(), &wanted, KeyUse::Request).await.unwrap(), keys);
    }
    assert_eq!(here.services.peers.counts()["answered"], 1);
    // On disk, too: nobody is asked after a start.
    let here = here.restart().await;
    assert_eq!(here.services.server_keys.get(&there.name(), &wanted, KeyUse::Request).await.unwrap(), keys);
    assert!(here.services.peers.counts().is_empty());
    // When the list is no longer good, a request's key is asked for again; an event's, of that time, is not.
    here.clock.advance(2 * DAY_MS);
    let sent_ts = domicile_testkit::server::START_MS;
    let event = KeyUse::Event { sent_ts };
    assert_eq!(here.services.server_keys.get(&there.name(), &wanted, event).await.unwrap(), keys);
    assert!(here.services.peers.counts().is_empty());
    assert!(here.services.server_keys.get(&there.name(), &wanted, KeyUse::Request).await.unwrap().is_empty());
    assert_eq!(here.services.peers.counts()["answered"], 1);
}

#[tokio::test]
async fn what_a_server_does_not_have_is_not_asked_for_again_and_again() {
    let (here, there) = (TestServer::start_federating().await, TestServer::start_federating().await);
    let get = |id: &'static str| {
        let (keys, name) = (here.services.server_keys.clone(), there.name());
        async move { keys.get(&name, &ids(&[id]), KeyUse::Request).await.unwrap() }
    };
    for id in ["ed25519:no", "ed25519:neither", "ed25519:no"] {
        assert!(get(id).await.is_empty());
    }
    assert_eq!(here.services.peers.counts()["answered"], 1);
    here.clock.advance(MINUTE_MS);
    assert!(get("ed25519:no").await.is_empty());
    assert_eq!(here.services.peers.counts()["answered"], 2);
    // Nobody listens there.
    let dead = "127.0.0.1:1".try_into().unwrap();
    let keys = &here.services.server_keys;
    for _ in 0..5 {
        assert!(keys.get(dead, &ids(&["ed25519:x"]), KeyUse::Request).await.unwrap().is_empty());
    }
    assert_eq!(here.services.peers.counts()["unreachable"], 1);
}

#[tokio::test]
async fn our_list_is_signed_and_tells_a_retired_key() {
    let server = TestServer::start().await;
    let old = server.services.own_keys.current();
    let list = server.anonymous().get("/_matrix/key/v2/server").await.ok();
    assert_eq!(list["server_name"], "localhost");
    assert_eq!(list["verify_keys"], json!({ old.key_id(): { "key": old.public_key() } }));
    assert_eq!(list["valid_until_ts"], domicile_testkit::server::START_MS + DAY_MS);
    let rotation = server.services.own_keys.rotate().await.unwrap();
    assert_eq!(rotation.old, old.key_id());
    for server in [server.restart().await] {
        let new = server.services.own_keys.current();
        assert_eq!(rotation.new, new.key_id());
        let list = server.anonymous().get("/_matrix/key/v2/server").await.ok();
        assert_eq!(list["verify_keys"], json!({ new.key_id(): { "key": new.public_key() } }));
        let retired = json!({ "key": old.public_key(), "expired_ts": domicile_testkit::server::START_MS });
        assert_eq!(list["old_verify_keys"], json!({ old.key_id(): retired }));
        let checked = domicile_app::federation::server_keys::KeyList::read(
            &list.to_string(),
            "localhost".try_into().unwrap(),
            domicile_testkit::server::START_MS,
        );
        assert_eq!(checked.unwrap().keys.len(), 2);
    }
}
