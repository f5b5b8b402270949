//! Pushers over HTTP: setting, listing, and their end.

use domicile_testkit::server::{PASSWORD, Settings, TestServer, TestUser};
use serde_json::{Value, json};

const V3: &str = "/_matrix/client/v3";

fn pusher(pushkey: &str) -> Value {
    json!({
        "pushkey": pushkey, "kind": "http", "app_id": "org.example.app", "app_display_name": "App",
        "device_display_name": "Phone", "profile_tag": "tag", "lang": "en",
        "data": { "url": "https://push.example.org/_matrix/push/v1/notify", "format": "event_id_only", "extra": 1 },
    })
}

async fn set(by: &TestUser, body: &Value) -> domicile_testkit::server::Answered {
    by.post(&format!("{V3}/pushers/set"), body).await
}

async fn list(by: &TestUser) -> Vec<Value> {
    by.get(&format!("{V3}/pushers")).await.ok()["pushers"].as_array().cloned().unwrap_or_default()
}

fn with(mut pusher: Value, key: &str, value: Value) -> Value {
    pusher[key] = value;
    pusher
}

#[tokio::test]
async fn a_pusher_is_set_replaced_and_removed() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    assert!(list(&alice).await.is_empty());
    set(&alice, &pusher("key")).await.ok();
    assert_eq!(list(&alice).await, [pusher("key")], "it comes back as it was set");
    let renamed = with(pusher("key"), "device_display_name", "Tablet".into());
    set(&alice, &renamed).await.ok();
    assert_eq!(list(&alice).await, [renamed]);
    set(&alice, &pusher("other")).await.ok();
    assert_eq!(list(&alice).await.len(), 2);
    let none = json!({ "kind": null, "app_id": "org.example.app", "pushkey": "key" });
    set(&alice, &none).await.ok();
    set(&alice, &none).await.ok();
    assert_eq!(list(&alice).await, [pusher("other")]);
    for engine_table in ["org.example", "Phone", "push.example.org"] {
        let wanted = engine_table.to_owned();
        let found = server
            .store
            .read(move |snapshot| async move {
                let rows = snapshot.query("SELECT sealed, key_hash FROM pushers", &[]).await?;
                let mut all = Vec::new();
                for row in rows {
                    all.extend_from_slice(&row.blob(0)?);
                    all.extend_from_slice(&row.blob(1)?);
                }
                Ok::<_, domicile_app::Error>(all.windows(wanted.len()).any(|window| window == wanted.as_bytes()))
            })
            .await
            .expect("the rows");
        assert!(!found, "{engine_table} stands in the clear");
    }
}

#[tokio::test]
async fn an_audit_names_the_gateways_and_whether_they_are_listed() {
    let mut settings = Settings::default();
    settings.config.evidence.processors = vec!["push; Push.example.org; DE; activity".to_owned()];
    let server = TestServer::with_settings(settings).await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let elsewhere = json!({ "url": "https://gateway.invalid:8443/_matrix/push/v1/notify", "format": "event_id_only" });
    set(&alice, &pusher("one")).await.ok();
    set(&bob, &pusher("two")).await.ok();
    set(&bob, &with(pusher("three"), "data", elsewhere)).await.ok();
    let audit = server.admin.evidence.audits.run().await.expect("an audit");
    let found = &audit.document["body"]["push_gateways"]["is"];
    let expected = json!([
        { "host": "gateway.invalid", "pushers": 1, "listed": false },
        { "host": "push.example.org", "pushers": 2, "listed": true },
    ]);
    assert_eq!((&found["all"], &found["unreadable"]), (&expected, &json!(0)));
}

#[tokio::test]
async fn what_cannot_be_a_pusher_is_refused() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    for url in ["http://push.example.org/_matrix/push/v1/notify", "https://push.example.org/", "nonsense", ""] {
        set(&alice, &with(pusher("key"), "data", json!({ "url": url }))).await.fails(400, "M_INVALID_PARAM");
    }
    set(&alice, &with(pusher("key"), "data", json!({}))).await.fails(400, "M_BAD_JSON");
    set(&alice, &with(pusher(&"k".repeat(513)), "x", 1.into())).await.fails(400, "M_INVALID_PARAM");
    set(&alice, &pusher("")).await.fails(400, "M_INVALID_PARAM");
    set(&alice, &with(pusher("key"), "app_id", "a".repeat(65).into())).await.fails(400, "M_INVALID_PARAM");
    let mail = json!({
        "pushkey": "alice@example.org", "kind": "email", "app_id": "m.email", "app_display_name": "Mail",
        "device_display_name": "Mail", "lang": "en", "data": {},
    });
    let refused = set(&alice, &mail).await.fails(400, "M_INVALID_PARAM");
    assert!(refused["error"].as_str().is_some_and(|text| text.contains("push gateways only")), "{refused}");
    set(&alice, &with(mail, "kind", "carrier_pigeon".into())).await.fails(400, "M_INVALID_PARAM");
    let large = json!({ "url": "https://push.example.org/_matrix/push/v1/notify", "x": "y".repeat(20_000) });
    set(&alice, &with(pusher("key"), "data", large)).await.fails(413, "M_TOO_LARGE");
    set(&alice, &json!({})).await.fails(400, "M_BAD_JSON");
    set(&server.anonymous(), &pusher("key")).await.fails(401, "M_MISSING_TOKEN");
    server.anonymous().get(&format!("{V3}/pushers")).await.fails(401, "M_MISSING_TOKEN");
    assert!(list(&alice).await.is_empty());
}

#[tokio::test]
async fn a_push_key_belongs_to_its_last_user_unless_it_is_appended() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    set(&alice, &pusher("key")).await.ok();
    set(&bob, &with(pusher("key"), "append", true.into())).await.ok();
    assert_eq!((list(&alice).await.len(), list(&bob).await.len()), (1, 1));
    let none = json!({ "kind": null, "app_id": "org.example.app", "pushkey": "key" });
    set(&bob, &none).await.ok();
    assert_eq!((list(&alice).await.len(), list(&bob).await.len()), (1, 0), "nobody removes another's");
    set(&bob, &pusher("key")).await.ok();
    assert_eq!((list(&alice).await.len(), list(&bob).await.len()), (0, 1));
}

#[tokio::test]
async fn pushers_end_with_their_device_and_their_account() {
    let server = TestServer::start().await.with_user("alice").await;
    let alice = server.user("alice");
    let (phone, tablet) = (server.login("alice").await, server.login("alice").await);
    set(&alice, &pusher("desk")).await.ok();
    set(&phone, &pusher("phone")).await.ok();
    set(&tablet, &pusher("tablet")).await.ok();
    phone.post(&format!("{V3}/logout"), &json!({})).await.ok();
    let keys = async || list(&alice).await.iter().map(|pusher| pusher["pushkey"].clone()).collect::<Vec<_>>();
    assert_eq!(keys().await, ["desk", "tablet"]);
    let auth = json!({ "type": "m.login.password", "identifier": { "type": "m.id.user", "user": "alice" }, "password": PASSWORD });
    let change = json!({ "new_password": "another battery staple", "logout_devices": true });
    let session = alice.post(&format!("{V3}/account/password"), &change).await.json()["session"].clone();
    let change = with(change, "auth", with(auth, "session", session));
    alice.post(&format!("{V3}/account/password"), &change).await.ok();
    assert_eq!(keys().await, ["desk"], "those of devices that were logged out are gone");
}
