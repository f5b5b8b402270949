//! Encryption across cells: devices, one-time keys, messages to devices.

use domicile_testkit::{cluster::Cluster, identity, server::Settings};
use serde_json::json;

use crate::{V3, read, say, shared, two, until};

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_found_claimed_and_used_across_cells() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    shared(&alice, &bob).await;
    let keys = json!({
        "device_keys": identity::device(bob.id(), &bob.device_id),
        "one_time_keys": { "signed_curve25519:AAAA": { "key": "once", "signatures": {} } },
    });
    bob.post(&format!("{V3}/keys/upload"), &keys).await.ok();
    let found = alice.post(&format!("{V3}/keys/query"), &json!({ "device_keys": { bob.id(): [] } })).await.ok();
    assert!(found["device_keys"][bob.id()][&bob.device_id]["keys"].is_object(), "{found}");
    assert!(found["failures"].is_null(), "{found}");
    let claim = json!({ "one_time_keys": { bob.id(): { &bob.device_id: "signed_curve25519" } } });
    let claimed = alice.post(&format!("{V3}/keys/claim"), &claim).await.ok();
    let key = &claimed["one_time_keys"][bob.id()][&bob.device_id]["signed_curve25519:AAAA"];
    assert_eq!(key["key"], "once", "{claimed}");
    let again = alice.post(&format!("{V3}/keys/claim"), &claim).await.ok();
    assert!(again["one_time_keys"][bob.id()][&bob.device_id].is_null(), "a key is handed out once: {again}");

    let message = json!({ "messages": { bob.id(): { &bob.device_id: { "secret": "for bob" } } } });
    alice.put(&format!("{V3}/sendToDevice/m.room.encrypted/t1"), &message).await.ok();
    until("the message is in bob's inbox", || async {
        let sync = bob.get(&format!("{V3}/sync")).await.ok();
        sync["to_device"]["events"].to_string().contains("for bob")
    })
    .await;

    // With the border closed, whom it concerns is told as a failure of the deployment, and of no cell.
    cluster.cut();
    let failed = alice.post(&format!("{V3}/keys/claim?timeout=500"), &claim).await.ok();
    assert!(failed["failures"]["example.org"].is_object(), "{failed}");
    assert!(!failed.to_string().contains("ru1"), "{failed}");
    // What waits for the other side comes when the border is open again.
    let message = json!({ "messages": { bob.id(): { &bob.device_id: { "secret": "while it was closed" } } } });
    alice.put(&format!("{V3}/sendToDevice/m.room.encrypted/t2"), &message).await.ok();
    cluster.heal();
    alice.put(&format!("{V3}/sendToDevice/m.room.encrypted/t3"), &message).await.ok();
    until("both messages came", || async {
        // Whoever found the border closed a moment ago is left alone for a while.
        cluster.pass(60_000);
        let sync = bob.get(&format!("{V3}/sync")).await.ok();
        sync["to_device"]["events"].to_string().matches("while it was closed").count() == 2
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_that_their_owner_has_not_signed_are_withheld_where_the_operator_says_so() {
    let own = |cell: &str, mut settings: Settings| {
        if cell == "eu1" {
            settings.config.deployment.unsigned_devices = domicile_core::config::UnsignedDevices::Withhold;
        }
        settings
    };
    let cells = [("eu1", "eu"), ("ru1", "ru")];
    let cluster = Cluster::with_own(&cells, "encrypted_only", str::to_owned, own).await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let cluster = cluster.with_user("eu1", "ann").await;
    let [alice, ann, bob] =
        [("eu1", "alice"), ("eu1", "ann"), ("ru1", "bob")].map(|(cell, name)| cluster.user(cell, name));
    shared(&alice, &bob).await;
    let device = |by: &domicile_testkit::server::TestUser| identity::device(by.id(), &by.device_id);
    let one_time = json!({ "signed_curve25519:AAAA": { "key": "once", "signatures": {} } });
    for by in [&alice, &ann, &bob] {
        let keys = json!({ "device_keys": device(by), "one_time_keys": one_time });
        by.post(&format!("{V3}/keys/upload"), &keys).await.ok();
    }
    let told = async |reader: &domicile_testkit::server::TestUser, of: &domicile_testkit::server::TestUser| {
        let query = json!({ "device_keys": { of.id(): [] } });
        let found = reader.post(&format!("{V3}/keys/query"), &query).await.ok();
        assert!(found["failures"].is_null(), "{found}");
        found["device_keys"][of.id()].get(&of.device_id).is_some()
    };
    let claim = json!({ "one_time_keys": { bob.id(): { &bob.device_id: "signed_curve25519" } } });
    let claimed = async || {
        let claimed = alice.post(&format!("{V3}/keys/claim"), &claim).await.ok();
        claimed["one_time_keys"][bob.id()].get(&bob.device_id).is_some()
    };
    assert!(!told(&alice, &bob).await, "bob has signed nothing");
    assert!(!claimed().await);
    assert!(told(&alice, &ann).await, "it is for people of other cells");
    assert!(told(&bob, &alice).await, "and in the cell that says so");

    // Keys alone sign nothing; nor does a signature of another key.
    let keys = identity::cross_signing(bob.id(), 7);
    let upload = json!({
        "master_key": keys.master, "self_signing_key": keys.self_signing, "user_signing_key": keys.user_signing,
    });
    bob.post(&format!("{V3}/keys/device_signing/upload"), &upload).await.ok();
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert!(!told(&alice, &bob).await);
    let signed = identity::signed_by(bob.id(), 8, device(&bob));
    let body = json!({ bob.id(): { &bob.device_id: signed } });
    let answer = bob.post(&format!("{V3}/keys/signatures/upload"), &body).await.ok();
    assert!(answer["failures"].as_object().is_none_or(serde_json::Map::is_empty), "{answer}");
    until("the signed device is told", || told(&alice, &bob)).await;
    assert!(claimed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_call_their_devices_reaches_no_other_cell() {
    let named = |_: &str, mut settings: Settings| {
        settings.config.federation.device_names = true;
        settings
    };
    let cluster = Cluster::with_own(&[("eu1", "eu"), ("ru1", "ru")], "allow", str::to_owned, named).await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    let keys = json!({ "device_keys": identity::device(bob.id(), &bob.device_id) });
    bob.post(&format!("{V3}/keys/upload"), &keys).await.ok();
    for round in 0..4 {
        let query = json!({ "device_keys": { bob.id(): [] } });
        let found = alice.post(&format!("{V3}/keys/query"), &query).await.ok();
        let device = &found["device_keys"][bob.id()][&bob.device_id];
        assert!(device["keys"].is_object() && !device.to_string().contains("planted"), "{found}");
        let name = json!({ "display_name": format!("planted telephone {round}") });
        bob.put(&format!("{V3}/devices/{}", bob.device_id), &name).await.ok();
        // What was told before a message has come when that has.
        let said = say(&bob, &room, &format!("round-{round}")).await;
        until("alice reads on", || async { read(&alice, &room).await.contains(&said) }).await;
        cluster.pass(60_000);
    }
    assert!(!format!("{:?}", cluster.cell("eu1").contents().await).contains("planted"));
}
