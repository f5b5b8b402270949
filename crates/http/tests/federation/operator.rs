//! What the operator asks about other servers, and does with our key.

use domicile_app::federation::KeyUse;
use domicile_testkit::server::{START_MS, Settings, TestServer};
use serde_json::Value;

/// The outcomes by step.
async fn checked(server: &TestServer, name: &str) -> (bool, Vec<(String, String, String)>) {
    let report = server.admin.check.check(name.try_into().unwrap()).await.json();
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let steps = report["steps"].as_array().unwrap().iter();
    let steps = steps.map(|step| (text(step, "step"), text(step, "outcome"), text(step, "text")));
    (report["works"].as_bool().unwrap(), steps.collect())
}

fn outcome<'a>(steps: &'a [(String, String, String)], step: &str) -> Option<&'a str> {
    steps.iter().find(|(name, ..)| name == step).map(|(_, outcome, _)| outcome.as_str())
}

#[tokio::test]
async fn a_server_that_works_is_told_as_one_that_works() {
    let (here, there) = (TestServer::start_federating().await, TestServer::start_federating().await);
    for name in [there.name(), here.name()] {
        let (works, steps) = checked(&here, name.as_str()).await;
        assert!(works, "{steps:?}");
        for step in ["name", "place", "addresses", "connection", "version", "keys"] {
            assert_eq!(outcome(&steps, step), Some("good"), "{step}: {steps:?}");
        }
        assert!(steps.iter().any(|(step, _, text)| step == "version" && text.starts_with("Domicile ")), "{steps:?}");
    }
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_with_what_to_do() {
    let (here, there) = (TestServer::start_federating().await, TestServer::start_federating().await);
    let mut settings = Settings::default();
    settings.config.federation.deny_servers = vec!["127.*".to_owned()];
    // This one has no range of private addresses in its configuration.
    let strict = TestServer::with_settings(settings).await;
    let (works, steps) = checked(&strict, there.name().as_str()).await;
    assert!(!works);
    assert_eq!((outcome(&steps, "lists"), outcome(&steps, "connection")), (Some("bad"), Some("bad")), "{steps:?}");
    let (works, steps) = checked(&here, "127.0.0.1:1").await;
    assert_eq!(
        (works, outcome(&steps, "connection"), outcome(&steps, "version")),
        (false, Some("bad"), None),
        "{steps:?}"
    );
    // Another server answers at our name: it shows a list of keys that is not ours.
    let router = axum::Router::new();
    there.show(router);
    let (works, steps) = checked(&here, there.name().as_str()).await;
    assert_eq!(
        (works, outcome(&steps, "version"), outcome(&steps, "keys")),
        (false, Some("bad"), Some("bad")),
        "{steps:?}"
    );
    let other = TestServer::start_federating().await;
    let list = other.services.own_keys.list().unwrap();
    let text = list.json().get().to_owned();
    there.show(axum::Router::new().fallback(async move || text));
    let (works, steps) = checked(&here, there.name().as_str()).await;
    assert_eq!((works, outcome(&steps, "keys")), (false, Some("bad")), "{steps:?}");
}

#[tokio::test]
async fn a_new_key_signs_at_once_and_others_take_it() {
    let (here, there) = (TestServer::start_federating().await, TestServer::start_federating().await);
    let old = there.services.own_keys.current().key_id().to_owned();
    here.services.server_keys.get(&there.name(), &[old.clone()].into(), KeyUse::Request).await.unwrap();
    let rotation = there.services.own_keys.rotate().await.unwrap();
    assert_eq!((rotation.old, there.services.own_keys.current().key_id()), (old.clone(), rotation.new.as_str()));
    here.clock.advance(60_000);
    let wanted = [rotation.new.clone()].into();
    let keys = &here.services.server_keys;
    let found = keys.get(&there.name(), &wanted, KeyUse::Request).await.unwrap();
    assert_eq!(found[&rotation.new].encode(), there.services.own_keys.current().public_key());
    // The old one signs no requests any more, but events of its time.
    let wanted = [old.clone()].into();
    let request = KeyUse::Request;
    assert!(keys.get(&there.name(), &wanted, request).await.unwrap().is_empty());
    let event = KeyUse::Event { sent_ts: START_MS };
    assert_eq!(keys.get(&there.name(), &wanted, event).await.unwrap().len(), 1);
    let later = KeyUse::Event { sent_ts: START_MS + 1 };
    assert!(keys.get(&there.name(), &wanted, later).await.unwrap().is_empty());
}
