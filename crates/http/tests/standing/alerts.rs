//! The operator's webhook: told once, and one that hangs or fails harms nobody.

use std::time::Duration;

use domicile_app::standing::alerts::NewAlert;
use domicile_core::{clock::MINUTE_MS, config::Config};
use domicile_testkit::{
    gateway::{Behaviour, FakeGateway, client_settings},
    server::{Settings, TestServer},
};
use tokio::time::Instant;

pub(super) fn listed(what: &str) -> Vec<NewAlert> {
    let (subject, code) = ("listed:RU".to_owned(), Some("RU".to_owned()));
    vec![NewAlert { subject, kind: "listed", code, what: what.to_owned() }]
}

async fn server(hook: &FakeGateway) -> TestServer {
    let mut config = Config::default();
    config.standing.alert_url = hook.url();
    "secret".clone_into(&mut config.standing.alert_token);
    TestServer::with_settings(Settings { config, egress: client_settings(), ..Settings::default() }).await
}

#[tokio::test]
async fn an_alert_is_told_once_and_again_when_it_says_something_else() {
    let hook = FakeGateway::start().await;
    let server = server(&hook).await;
    let alerts = &server.admin.standing.alerts;
    alerts.raise(listed("entry 1")).await.unwrap();
    for _ in 0..3 {
        alerts.tell().await.unwrap();
    }
    assert_eq!(hook.requests(), 1);
    alerts.raise(listed("entry 1")).await.unwrap();
    alerts.tell().await.unwrap();
    assert_eq!(hook.requests(), 1, "it says the same");
    alerts.raise(listed("entry 2")).await.unwrap();
    alerts.tell().await.unwrap();
    assert_eq!(hook.requests(), 2);
    alerts.clear(&["listed:RU".to_owned()]).await.unwrap();
    assert!(alerts.list().await.unwrap().is_empty());
    alerts.raise(listed("entry 2")).await.unwrap();
    alerts.tell().await.unwrap();
    assert_eq!(hook.requests(), 3, "what comes again is told again");
    assert!(alerts.list().await.unwrap()[0].told_ts.is_some());
}

#[tokio::test]
async fn a_webhook_that_fails_is_left_alone_for_longer_and_longer_and_loses_nothing() {
    let hook = FakeGateway::start().await;
    hook.behave(Behaviour::Status(500));
    let server = server(&hook).await;
    let alerts = &server.admin.standing.alerts;
    alerts.raise(listed("entry 1")).await.unwrap();
    alerts.tell().await.unwrap();
    alerts.tell().await.unwrap();
    assert_eq!(hook.requests(), 1, "it rests");
    server.clock.advance(MINUTE_MS + 1);
    alerts.tell().await.unwrap();
    server.clock.advance(MINUTE_MS + 1);
    alerts.tell().await.unwrap();
    assert_eq!(hook.requests(), 2, "the second rest is longer");
    hook.behave(Behaviour::Takes);
    server.clock.advance(MINUTE_MS + 1);
    alerts.tell().await.unwrap();
    assert_eq!(hook.requests(), 3);
    assert!(alerts.list().await.unwrap()[0].told_ts.is_some());
}

#[tokio::test]
async fn a_webhook_that_hangs_is_given_up() {
    let hook = FakeGateway::start().await;
    hook.behave(Behaviour::Silent);
    let server = server(&hook).await;
    let alerts = &server.admin.standing.alerts;
    alerts.raise(listed("entry 1")).await.unwrap();
    let begun = Instant::now();
    alerts.tell().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(alerts.list().await.unwrap()[0].told_ts.is_none());
}
