//! Documents that cells take while they run: from their files and from each other, newer ones only, and what follows at once.

use std::{fs, sync::Arc, time::Duration};

use axum::http::Method;
use domicile_app::residency::{DeploymentError, Documents};
use domicile_core::{clock::HOUR_MS, locality::CellName};
use domicile_testkit::{
    cluster::{Cluster, Request},
    server::START_MS,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{V3, read, say, secret, shared, two, until};

fn documents(cluster: &Cluster, cell: &str) -> Arc<Documents> {
    Arc::clone(&cluster.cell(cell).services.users.localities().cells().unwrap().documents)
}

async fn serial(cluster: &Cluster, cell: &str) -> u32 {
    documents(cluster, cell).status().await.unwrap().serial
}

fn forbid(document: &str) -> String {
    document.replace("rule = \"encrypted_only\"", "rule = \"forbid\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_document_holds_at_once_and_reaches_the_other_cells() {
    let mut cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    let first = say(&bob, &room, "first").await;
    until("alice reads it", || async { read(&alice, &room).await == [first.clone()] }).await;

    let before = cluster.signed();
    cluster.next(forbid);
    cluster.hand_to("eu1");
    let taken = documents(&cluster, "eu1").reload().await.unwrap();
    assert_eq!((taken.before, taken.serial), (Some(2), 3));
    assert_eq!(serial(&cluster, "ru1").await, 2, "nobody has told it yet");
    // The stricter rule holds where the document is, whatever the other cell has.
    let path = format!("{V3}/rooms/{room}/send/m.room.encrypted/second");
    let refused = alice.put(&path, &secret("second")).await;
    assert_eq!(refused.status, 403, "{}", refused.json());
    let second = say(&bob, &room, "second").await;
    documents(&cluster, "eu1").exchange_all().await;
    assert_eq!(serial(&cluster, "ru1").await, 3);
    assert_eq!(bob.put(&path.replace("second", "third"), &secret("third")).await.status, 403);
    assert!(!read(&alice, &room).await.contains(&second), "it may not cross any more");

    let status = documents(&cluster, "ru1").status().await.unwrap();
    assert_eq!(status.from.as_deref(), Some("the cell eu1"));
    assert_eq!((status.cells[0].cell.as_str(), status.cells[0].serial), ("eu1", Some(3)));
    let status = documents(&cluster, "eu1").status().await.unwrap();
    assert_eq!(status.from.as_deref(), Some("the file"));
    assert_eq!((status.cells[0].cell.as_str(), status.cells[0].serial), ("ru1", Some(3)));

    // Its file is still the one before. It says so, and goes on by the newest, which is on its disk.
    assert_eq!(fs::read_to_string(cluster.file("ru1")).unwrap(), before);
    Box::pin(cluster.restart("ru1")).await;
    assert_eq!(serial(&cluster, "ru1").await, 3);
    let refused = documents(&cluster, "ru1").reload().await.unwrap_err();
    assert!(refused.to_string().contains("has taken serial 3 already"), "{refused}");
    let bob = cluster.user("ru1", "bob");
    assert_eq!(bob.put(&path.replace("second", "fourth"), &secret("fourth")).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_not_taken_and_told_once() {
    let mut cluster = two().await;
    let documents = documents(&cluster, "eu1");
    let good = cluster.signed();
    cluster.next(forbid);
    let newer = cluster.signed();
    let wrong = [
        (newer.replace("serial = 3", "serial = 4"), "changed after it was signed"),
        (cluster.document().to_owned(), "signed"),
        ("serial = ".to_owned(), "signed"),
        (String::new(), "signed"),
    ];
    for (text, why) in wrong {
        fs::write(cluster.file("eu1"), &text).unwrap();
        let refused = documents.reload().await.unwrap_err().to_string();
        assert!(refused.contains(why), "{why}: {refused}");
        let status = documents.status().await.unwrap();
        assert_eq!(status.serial, 2);
        assert!(status.refused.unwrap().contains(&refused), "the operator can read why");
    }
    fs::remove_file(cluster.file("eu1")).unwrap();
    assert!(matches!(documents.reload().await, Err(DeploymentError::File { .. })));
    // The one that holds is as good as none; the newer one is taken, and what was wrong is forgotten.
    fs::write(cluster.file("eu1"), &good).unwrap();
    assert_eq!(documents.reload().await.unwrap().before, None);
    fs::write(cluster.file("eu1"), &newer).unwrap();
    assert_eq!(documents.reload().await.unwrap().before, Some(2));
    assert_eq!(documents.status().await.unwrap().refused, None);
    // Another one of the same number is none.
    let other = cluster.sign(&cluster.document().replace("rule = \"forbid\"", "rule = \"allow\""));
    fs::write(cluster.file("eu1"), other).unwrap();
    let refused = documents.reload().await.unwrap_err().to_string();
    assert!(refused.contains("raise `serial`"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_cell_loses_its_connections_at_once() {
    let mut cluster = two().await;
    let forger = cluster.forger(Some("ru1"), "eu1");
    let body = json!({ "serial": 2 });
    let ask = async || {
        let path = "/_domicile/inner/v1/deployment";
        let request = Request { origin: "ru1", serial: 2, number: None, method: Method::POST, path, body: Some(&body) };
        forger.ask(request).await
    };
    assert_eq!(ask().await.unwrap().0, 200);
    let ru1 = CellName::parse("ru1").unwrap();
    cluster.next(|document| Cluster::without(document, "ru1"));
    cluster.hand_to("eu1");
    let (seen, before) = (cluster.crossings("eu1"), ask().await);
    assert_eq!((before.unwrap().0, cluster.crossings("eu1")), (200, seen), "it asks over the connection that it has");
    documents(&cluster, "eu1").reload().await.unwrap();
    // Over a connection that stayed it would be answered with 401.
    until("it gets no connection", || async { ask().await.is_err() }).await;
    let link = cluster.cell("eu1").link.as_ref().unwrap();
    let asked = link.ask_json::<serde_json::Value>(&ru1, "/_domicile/inner/v1/deployment", &body).await;
    assert!(asked.is_err(), "nor is it asked: {asked:?}");
    // It is told nothing, and its own document goes on to hold there.
    documents(&cluster, "eu1").exchange_all().await;
    assert_eq!(serial(&cluster, "ru1").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_missed_several_gets_the_newest() {
    let mut cluster = two().await;
    cluster.cut();
    for time in 0..3 {
        cluster.next(|document| format!("{document}\n# {time}\n"));
        cluster.hand_to("eu1");
        documents(&cluster, "eu1").reload().await.unwrap();
    }
    documents(&cluster, "eu1").exchange_all().await;
    let status = documents(&cluster, "eu1").status().await.unwrap();
    assert!(status.cells[0].trouble.is_some(), "{status:?}");
    cluster.heal();
    // By three apart they talk of nothing else.
    let link = cluster.cell("ru1").link.as_ref().unwrap();
    let eu1 = CellName::parse("eu1").unwrap();
    let other = link.ask_json::<serde_json::Value>(&eu1, "/_domicile/inner/v1/names/look_up", &json!({})).await;
    assert!(other.unwrap_err().to_string().contains("differ by one at most"));
    documents(&cluster, "ru1").exchange_all().await;
    assert_eq!(serial(&cluster, "ru1").await, 5);
    let status = documents(&cluster, "eu1").status().await.unwrap();
    assert_eq!(status.cells[0].serial, Some(2), "it said so when it asked");
    documents(&cluster, "eu1").exchange_all().await;
    let status = documents(&cluster, "eu1").status().await.unwrap();
    assert_eq!((status.cells[0].serial, status.cells[0].trouble.as_deref()), (Some(5), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_and_another_region_are_for_a_start() {
    let mut cluster = two().await;
    let region =
        |document: &str| document.replacen("name = \"ru1\"\nregion = \"ru\"", "name = \"ru1\"\nregion = \"eu\"", 1);
    let elsewhere = cluster.sign(&Cluster::raised(&region(cluster.document())));
    fs::write(cluster.file("ru1"), elsewhere).unwrap();
    let refused = documents(&cluster, "ru1").reload().await.unwrap_err();
    assert!(matches!(refused, DeploymentError::OtherRegion { .. }), "{refused}");

    cluster.rotate("ru1");
    cluster.hand_to("ru1");
    let refused = documents(&cluster, "ru1").reload().await.unwrap_err();
    assert!(refused.to_string().contains("start it again"), "{refused}");
    assert_eq!(serial(&cluster, "ru1").await, 2);
    // It goes on as it was.
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    let said = say(&bob, &room, "first").await;
    until("alice reads it", || async { read(&alice, &room).await == [said.clone()] }).await;
    // The other takes it, and the cell when it starts with its key.
    cluster.hand_to("eu1");
    documents(&cluster, "eu1").reload().await.unwrap();
    Box::pin(cluster.renew("ru1")).await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let again = say(&bob, &room, "again").await;
    until("alice reads that", || async { read(&alice, &room).await == [said.clone(), again.clone()] }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_by_itself() {
    let mut cluster = two().await;
    let stopping = CancellationToken::new();
    let running: Vec<_> =
        ["eu1", "ru1"].map(|cell| tokio::spawn(documents(&cluster, cell).run(stopping.clone()))).into();
    cluster.next(forbid);
    cluster.hand_to("ru1");
    until("both have it", || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        serial(&cluster, "eu1").await == 3 && serial(&cluster, "ru1").await == 3
    })
    .await;
    stopping.cancel();
    for task in running {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_turns_to_the_key_that_the_document_names() {
    let mut cluster = Cluster::with_gateway(&["eu", "ru"], "allow", "allow").await;
    let keys = Arc::clone(&cluster.cell("eu1").services.own_keys);
    let rotation = keys.rotate().await.unwrap();
    assert!(rotation.waits && !keys.turn().await.unwrap(), "the document does not name it");
    let end_ms = START_MS + HOUR_MS;
    cluster.next(|document| Cluster::with_outer_key(document, &rotation, end_ms));
    cluster.hand_to("eu1");
    let documents = documents(&cluster, "eu1");
    documents.reload().await.unwrap();
    assert!(keys.is_known(), "the old one signs until it ends, or the new one does");
    assert!(keys.turn().await.unwrap());
    assert_eq!(keys.outer().key_id(), rotation.new);
    assert!(keys.is_known() && !keys.turn().await.unwrap());
    // The other cell, which is no gateway, learns of both keys by the document.
    documents.exchange_all().await;
    let list = cluster.cell("ru1").services.own_keys.list().unwrap();
    assert!(list.json().get().contains(&rotation.new) && list.json().get().contains(&rotation.old), "{list:?}");
}
