//! Moments of a move: in which somebody is at home elsewhere and their old home does not know it yet, and in which the database says already that somebody's home is another one, and the cell in memory not yet.

use std::time::Duration;

use domicile_app::moves::{
    State,
    messages::{About, Home},
};
use domicile_testkit::cluster::Cluster;
use serde_json::json;

use crate::{
    V3,
    moves::{at, finish, into, order},
    until,
};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_or_asked_while_somebody_leaves_waits_for_them() {
    let cluster = Cluster::of(&["eu", "ru"]).await.with_user("eu1", "alice").await.with_user("eu1", "carol").await;
    let cluster = cluster.with_user("ru1", "bob").await;
    let (alice, bob, carol) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"), cluster.user("eu1", "carol"));
    let keys = json!({ "device_keys": {
        "user_id": alice.id(), "device_id": alice.device_id, "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "keys": { format!("curve25519:{}", alice.device_id): "key" }, "signatures": {},
    } });
    alice.post(&format!("{V3}/keys/upload"), &keys).await.ok();

    cluster.cell("eu1").set_local(&alice, false).await;
    let letter = json!({ "messages": { alice.id(): { "*": { "n": 1 } } } });
    let query = json!({ "device_keys": { alice.id(): [] } });
    let (path, asked) = (format!("{V3}/sendToDevice/org.example.key/t1"), format!("{V3}/keys/query"));
    let send = carol.put(&path, &letter);
    let ask = carol.post(&asked, &query);
    let come_back = async {
        // Bob's is acknowledged at once, and is on its way to a cell that does not know yet where it goes.
        bob.put(&path, &letter).await.ok();
        tokio::time::sleep(Duration::from_millis(200)).await;
        cluster.cell("eu1").set_local(&alice, true).await;
    };
    let (sent, found, ()) = tokio::join!(send, ask, come_back);
    sent.ok();
    let found = found.ok();
    assert!(found["device_keys"][alice.id()].get(&*alice.device_id).is_some(), "{found}");
    until("both letters come", || async {
        let sync = alice.get(&format!("{V3}/sync")).await.ok();
        sync["to_device"]["events"].as_array().is_some_and(|events| events.len() == 2)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_sends_who_has_just_come_is_kept_until_their_old_home_knows() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await.with_user("eu1", "carol").await;
    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
    let user_id = alice.user_id.clone().unwrap();
    let moves = &cluster.cell("eu1").moves;
    let mut moving = moves.order(order(&alice, "ch")).await.unwrap();
    while moving.state != State::Issued.word() {
        moving = moves.step_of(&user_id).await.unwrap();
    }
    // The new home serves her; its answer is lost, and the old one is about to ask again.
    let about = About { move_id: moving.move_id.clone(), user_id };
    let home = Home { about, tickets: moving.progress.tickets.clone() };
    cluster.cell("ch1").moves.arrivals().unwrap().take_home(home).await.unwrap();
    let letter = json!({ "messages": { carol.id(): { "*": { "n": 1 } } } });
    at(&cluster, "ch1", &alice).put(&format!("{V3}/sendToDevice/org.example.key/t1"), &letter).await.ok();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(finish(&cluster, "eu1", &alice).await.state, State::Done.word());
    until("her letter comes", || async {
        cluster.pass(61_000);
        let sync = carol.get(&format!("{V3}/sync")).await.ok();
        sync["to_device"]["events"].as_array().is_some_and(|events| events.len() == 1)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_while_a_request_is_on_its_way_to_where_they_were_is_answered_at_home() {
    let cluster = Cluster::of(&["eu", "ch"]).await.with_user("eu1", "alice").await;
    let alice = cluster.user("eu1", "alice");
    let user_id = alice.user_id.clone().unwrap();
    into(&cluster, "eu1", &alice, "ch").await;
    let moves = &cluster.cell("ch1").moves;
    let mut moving = moves.order(order(&alice, "eu")).await.unwrap();
    while moving.state != State::Issued.word() {
        moving = moves.step_of(&user_id).await.unwrap();
    }
    // At the door of the home to which she comes back, which does not know it yet: it is passed to where she was, and waits there.
    let asked = async { alice.get(&format!("{V3}/account/whoami")).await.ok() };
    let returns = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        finish(&cluster, "ch1", &alice).await
    };
    let (told, done) = tokio::join!(asked, returns);
    assert_eq!((&told["user_id"], &*done.state), (&json!(alice.id()), State::Done.word()));
}
