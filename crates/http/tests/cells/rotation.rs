//! A cell gets another key. Cells that do not have the document with it yet and that cell do not hear each other; nothing is lost by it.

use domicile_testkit::cluster::Cluster;
use serde_json::json;

use crate::{V3, read, say, shared, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_with_a_new_key_is_heard_by_those_who_have_its_document() {
    let cluster = Cluster::of(&["eu", "ch", "ru"]).await.with_user("eu1", "alice").await;
    let mut cluster = cluster.with_user("ch1", "carl").await.with_user("ru1", "bob").await;
    let [alice, carl, bob] =
        [("eu1", "alice"), ("ch1", "carl"), ("ru1", "bob")].map(|(cell, name)| cluster.user(cell, name));
    let room = shared(&alice, &bob).await;
    alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carl.id() })).await.ok();
    carl.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    // What a cell says before it has heard of a join names nothing of it, and is told to those whom the cell knows.
    until("bob's cell knows that carl is there", || async {
        let members = bob.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
        members["joined"].as_object().is_some_and(|joined| joined.contains_key(carl.id()))
    })
    .await;
    let first = say(&bob, &room, "first").await;
    for person in [&alice, &carl] {
        until("the first is read", || async { read(person, &room).await.contains(&first) }).await;
    }

    cluster.rotate("ru1");
    cluster.renew("ru1").await;
    let bob = cluster.user("ru1", "bob");
    let from_bob = say(&bob, &room, "with-the-new-key").await;
    let from_alice = say(&alice, &room, "meanwhile").await;
    until("those with the old document hear each other", || async { read(&carl, &room).await.contains(&from_alice) })
        .await;
    cluster.pass(600_000);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(!read(&alice, &room).await.contains(&from_bob), "the old document knows another key");
    assert!(!read(&bob, &room).await.contains(&from_alice), "nobody with the old document reaches it");

    cluster.renew("eu1").await;
    let alice = cluster.user("eu1", "alice");
    cluster.pass(3_600_000);
    until("one that has the document hears it", || async { read(&alice, &room).await.contains(&from_bob) }).await;
    until("and is heard", || async { read(&bob, &room).await.contains(&from_alice) }).await;
    // It names what ch1 cannot check yet.
    let after = say(&alice, &room, "after-both").await;
    cluster.pass(600_000);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let of_carl = read(&carl, &room).await;
    assert!(!of_carl.contains(&from_bob), "a third cell that passes it on changes nothing");
    assert!(!of_carl.contains(&after), "and what names it waits");

    cluster.renew("ch1").await;
    let carl = cluster.user("ch1", "carl");
    cluster.pass(3_600_000);
    let last = say(&bob, &room, "last").await;
    for (name, person) in [("alice", &alice), ("carl", &carl), ("bob", &bob)] {
        until(&format!("{name} reads all"), || async {
            let read = read(person, &room).await;
            [&first, &from_bob, &from_alice, &after, &last].iter().all(|event| read.contains(event))
        })
        .await;
    }
}
