//! When and from where devices were last used: shown to their owner by the day, and not for long.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

use std::net::IpAddr;

use axum::{
    body::Body,
    http::{Request, header},
};
use domicile_core::clock::DAY_MS;
use domicile_http::extract::Client;
use domicile_testkit::server::{START_MS, TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

/// Uses a session from an address.
async fn used_from(by: &TestUser, address: [u8; 4]) {
    let token = by.token.as_deref().unwrap_or_default();
    let request = Request::get(format!("{V3}/account/whoami"))
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .extension(Client { address: Some(IpAddr::from(address)) });
    by.request(request.body(Body::empty()).unwrap()).await.ok();
}

async fn shown(by: &TestUser, device_id: &str) -> (Value, Value) {
    let devices = by.get(&format!("{V3}/devices")).await.ok();
    let devices = devices["devices"].as_array().unwrap();
    let device = devices.iter().find(|device| device["device_id"] == device_id).unwrap();
    let one = by.get(&format!("{V3}/devices/{device_id}")).await.ok();
    assert_eq!(&one, device);
    (device["last_seen_ts"].clone(), device["last_seen_ip"].clone())
}

/// How often the sealed part of a device was written.
async fn sealed(server: &TestServer) -> Vec<String> {
    let rows = server.store.read(|snapshot| async move {
        snapshot.query("SELECT device_num, sealed FROM devices ORDER BY device_num", &[]).await
    });
    rows.await.unwrap().iter().map(|row| format!("{row:?}")).collect()
}

#[tokio::test]
async fn a_device_was_seen_on_a_day_and_for_a_week_at_an_address() {
    let server = TestServer::start().await.with_user("alice").await;
    server.jobs.begin().await.unwrap();
    let alice = server.user("alice");
    let other = server.login("alice").await;
    let today = START_MS.div_euclid(DAY_MS) * DAY_MS;
    assert_eq!(
        shown(&alice, &other.device_id).await,
        (Value::Null, Value::Null),
        "it logged in, and did nothing since"
    );
    used_from(&other, [198, 51, 100, 7]).await;
    assert_eq!(shown(&alice, &other.device_id).await, (json!(today), json!("198.51.100.7")));

    // The same day and address is written once, however often it is used.
    let before = sealed(&server).await;
    for _ in 0..20 {
        used_from(&other, [198, 51, 100, 7]).await;
        alice.get(&format!("{V3}/account/whoami")).await.ok();
    }
    server.services.devices.write_uses(None).await.unwrap();
    assert_eq!(sealed(&server).await, before);
    // Another address is a new use; of many, the last is written.
    for last in 1..=50 {
        used_from(&other, [203, 0, 113, last]).await;
    }
    assert_eq!(server.services.devices.write_uses(None).await.unwrap(), 1);
    assert_eq!(shown(&alice, &other.device_id).await.1, "203.0.113.50");
    // Its name survives.
    alice.put(&format!("{V3}/devices/{}", other.device_id), &json!({ "display_name": "Telephone" })).await.ok();
    server.clock.advance(DAY_MS);
    used_from(&other, [203, 0, 113, 1]).await;
    assert_eq!(shown(&alice, &other.device_id).await, (json!(today + DAY_MS), json!("203.0.113.1")));
    let device = alice.get(&format!("{V3}/devices/{}", other.device_id)).await.ok();
    assert_eq!(device["display_name"], "Telephone");

    // A week later the address is neither shown nor stored; the day is.
    server.clock.advance(6 * DAY_MS);
    server.jobs.run_due().await.unwrap();
    assert_eq!(shown(&alice, &other.device_id).await.1, "203.0.113.1");
    server.clock.advance(DAY_MS);
    assert_eq!(shown(&alice, &other.device_id).await, (json!(today + DAY_MS), Value::Null));
    let before = sealed(&server).await;
    assert_eq!(server.jobs.run_due().await.unwrap(), 5, "all that is done once a day");
    assert_ne!(sealed(&server).await, before, "the address is gone from the database");
    assert_eq!(server.services.devices.forget_addresses().await.unwrap(), 0, "nothing is left to forget");
    assert_eq!(shown(&alice, &other.device_id).await, (json!(today + DAY_MS), Value::Null));
    assert_eq!(server.jobs.run_due().await.unwrap(), 0, "it is done once a day");
}
