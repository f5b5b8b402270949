//! The cell that decided whose a name is was revoked: its tickets count no more, and people at home elsewhere go on.

use domicile_testkit::cluster::Cluster;
use serde_json::json;

use crate::{
    V3,
    followers::{followed, handed_over, names, take},
    read, say, shared, until,
};

/// The document in which `eu2` decides and `eu1` is believed no more.
fn without_decider(document: &str) -> String {
    Cluster::without(&handed_over(document), "eu1")
}

async fn reload(cluster: &Cluster, cell: &str) {
    cluster.hand_to(cell);
    let cells = cluster.cell(cell).services.users.localities().cells().unwrap();
    cells.documents.reload().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn people_stay_at_home_and_names_are_taken_soon() {
    let mut cluster = followed().await.with_user("eu2", "erin").await.with_user("ru1", "bob").await;
    let (erin, bob) = (cluster.user("eu2", "erin"), cluster.user("ru1", "bob"));
    let room = shared(&erin, &bob).await;
    let mut said = vec![say(&bob, &room, "one").await];
    until("erin reads it", || async { read(&erin, &room).await == said }).await;

    // Nobody can be asked for new tickets when the document comes.
    cluster.cut();
    cluster.next(without_decider);
    reload(&cluster, "ru1").await;
    let (users, directory) = (&cluster.cell("ru1").services.users, names(cluster.cell("ru1")));
    assert!(users.is_local(bob.user_id.as_ref().unwrap()), "his account is here, whoever decides");
    assert!(directory.owes_own(), "it is tried again");
    said.push(say(&bob, &room, "two").await);
    let plain = json!({ "msgtype": "m.text", "body": "plain" });
    let refused = bob.put(&format!("{V3}/rooms/{room}/send/m.room.message/plain"), &plain).await;
    assert_eq!(refused.status, 403, "the rules hold for him: {}", refused.json());
    // Nor does a start without the directory make a stranger of him.
    Box::pin(cluster.restart("ru1")).await;
    assert!(cluster.cell("ru1").services.users.is_local(bob.user_id.as_ref().unwrap()));
    let bob = cluster.user("ru1", "bob");
    said.push(say(&bob, &room, "three").await);

    reload(&cluster, "eu2").await;
    cluster.heal();
    let erin = cluster.user("eu2", "erin");
    until("erin reads all", || async { read(&erin, &room).await == said }).await;
    for (id, text) in said.iter().zip(["one", "two", "three"]) {
        let event = erin.get(&format!("{V3}/rooms/{room}/event/{id}")).await.ok();
        assert_eq!(event["content"]["ciphertext"], text, "it came whole: {event}");
    }
    // As the server does every ten seconds while it is owed.
    names(cluster.cell("ru1")).claim_all().await.unwrap();
    assert!(!names(cluster.cell("ru1")).owes_own() && !names(cluster.cell("eu2")).owes_own());
    take(&cluster, "ru1", "newcomer").await.unwrap();
    take(&cluster, "eu2", "another").await.unwrap();
    assert!(take(&cluster, "ru1", "erin").await.is_err(), "the names that were taken are taken");
    assert!(take(&cluster, "eu2", "bob").await.is_err());
}
