//! Key backups, devices and inboxes of others are not to be seen, whatever they are called.

use domicile_testkit::{
    operations,
    server::{PASSWORD, TestServer, TestUser},
};
use serde_json::{Value, json};

use super::{V3, call, outcome};

const ROOM: &str = "!room:localhost";

/// Makes a backup of the version 1 with one key.
async fn back_up(by: &TestUser, secret: &str) {
    let algorithm = json!({
        "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": secret, "signatures": {} },
    });
    assert_eq!(by.post(&format!("{V3}/room_keys/version"), &algorithm).await.ok()["version"], "1");
    let key = json!({
        "first_message_index": 0, "forwarded_count": 0, "is_verified": false,
        "session_data": { "ephemeral": secret, "ciphertext": secret, "mac": secret },
    });
    by.put(&format!("{V3}/room_keys/keys/{ROOM}/session?version=1"), &key).await.ok();
}

#[tokio::test]
async fn a_backup_is_its_owners() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    back_up(&bob, "bobssecret").await;
    let values = operations::values(alice.id(), &alice.device_id, ROOM, "$event");
    let before = server.contents().await;
    let mut tested = 0;
    for operation in operations::served() {
        if !operation.path.contains("/room_keys/") || operation.name == "postRoomKeysVersion" {
            continue;
        }
        let told = outcome(&call(&alice, &operation, &values).await);
        assert_eq!(told, (404, "M_NOT_FOUND".to_owned()), "{} without a backup of one's own", operation.name);
        tested += 1;
    }
    assert_eq!(tested, 13);
    assert_eq!(before.difference(&server.contents().await), "");

    // The same with a backup of the same name.
    back_up(&alice, "alicessecret").await;
    let theirs = bob.get(&format!("{V3}/room_keys/keys?version=1")).await.ok();
    for operation in operations::served().into_iter().filter(|operation| operation.path.contains("/room_keys/")) {
        let told = call(&alice, &operation, &values).await;
        assert!(!String::from_utf8_lossy(&told.bytes).contains("bobssecret"), "{}", operation.name);
    }
    assert_eq!(bob.get(&format!("{V3}/room_keys/keys?version=1")).await.ok(), theirs);
    let version = bob.get(&format!("{V3}/room_keys/version")).await.ok();
    assert_eq!((&version["auth_data"]["public_key"], &version["count"]), (&json!("bobssecret"), &json!(1)));
}

#[tokio::test]
async fn a_device_is_its_owners() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await;
    let (alice, bob) = (server.user("alice"), server.user("bob"));
    let auth = json!({
        "type": "m.login.password", "password": PASSWORD, "identifier": { "type": "m.id.user", "user": "alice" },
    });
    let device = format!("{V3}/devices/{}", bob.device_id);
    alice.get(&device).await.fails(404, "M_NOT_FOUND");
    alice.put(&device, &json!({ "display_name": "mine now" })).await.fails(404, "M_NOT_FOUND");
    for answer in [
        alice.delete(&device, &json!({ "auth": auth })).await,
        alice.post(&format!("{V3}/delete_devices"), &json!({ "devices": [bob.device_id], "auth": auth })).await,
    ] {
        assert!(answer.status.is_success() || answer.status == 404, "{}", answer.status);
    }
    assert_eq!(bob.get(&device).await.ok()["display_name"], "bob's first device");
    let listed = alice.get(&format!("{V3}/devices")).await.ok();
    assert!(!listed.to_string().contains(&bob.device_id), "{listed}");

    // Whoever's password confirms it must be the one whose device it is.
    let other = server.login("alice").await;
    let as_bob = json!({
        "type": "m.login.password", "password": PASSWORD, "identifier": { "type": "m.id.user", "user": "bob" },
    });
    let path = format!("{V3}/devices/{}", other.device_id);
    alice.delete(&path, &json!({ "auth": as_bob })).await.fails(401, "M_FORBIDDEN");
    other.get(&format!("{V3}/account/whoami")).await.ok();
}

#[tokio::test]
async fn an_inbox_is_its_devices() {
    let server = TestServer::start().await.with_user("alice").await.with_user("bob").await.with_user("carol").await;
    let (alice, bob, carol) = (server.user("alice"), server.user("bob"), server.user("carol"));
    let other = server.login("bob").await;
    let messages = json!({ "messages": { bob.id(): { bob.device_id.as_str(): { "secret": "forbobsfirst" } } } });
    alice.put(&format!("{V3}/sendToDevice/org.example.note/1"), &messages).await.ok();
    // To a device of bob's name under another's account goes nothing.
    let astray = json!({ "messages": { carol.id(): { bob.device_id.as_str(): { "secret": "astray" } } } });
    alice.put(&format!("{V3}/sendToDevice/org.example.note/2"), &astray).await.ok();
    for nobody in [&alice, &carol, &other] {
        let synced = nobody.get(&format!("{V3}/sync")).await.ok();
        assert!(synced["to_device"]["events"].as_array().is_none_or(Vec::is_empty), "{synced}");
    }
    let synced = bob.get(&format!("{V3}/sync")).await.ok();
    let secrets: Vec<&Value> =
        synced["to_device"]["events"].as_array().unwrap().iter().map(|event| &event["content"]["secret"]).collect();
    assert_eq!(secrets, ["forbobsfirst"]);

    // A dehydrated device's inbox too.
    let path = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device";
    let asleep =
        operations::served().into_iter().find(|operation| operation.path == path && operation.has_body()).unwrap();
    let values = operations::values(bob.id(), &bob.device_id, ROOM, "$event");
    bob.put(path, &asleep.body(&values)).await.ok();
    alice
        .put(
            &format!("{V3}/sendToDevice/org.example.note/3"),
            &json!({ "messages": { bob.id(): { "DEHYDRATED": { "secret": "asleep" } } } }),
        )
        .await
        .ok();
    for nobody in [&alice, &carol] {
        let told = nobody.post(&format!("{path}/DEHYDRATED/events"), &json!({})).await;
        assert!(matches!(told.status.as_u16(), 403 | 404), "{:?}", told.json());
        nobody.get(path).await.fails(404, "M_NOT_FOUND");
        nobody.delete(path, &json!({})).await.fails(404, "M_NOT_FOUND");
    }
    let woken = bob.post(&format!("{path}/DEHYDRATED/events"), &json!({})).await.ok();
    assert_eq!(woken["events"][0]["content"]["secret"], "asleep");
}
