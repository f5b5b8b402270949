//! Encryption across cells: devices, one-time keys, messages to devices.

use domicile_testkit::identity;
use serde_json::json;

use crate::{V3, shared, two, until};

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
