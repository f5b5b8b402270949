//! The cell that decides was restored from a backup and asks the others for what it had decided; and somebody who has the key of one of them.

use axum::http::Method;
use domicile_testkit::cluster::{Cluster, Forger, Request};
use serde_json::{Value, json};

use super::{Came, FORGED, INNER, Row, forged_tickets, tickets_of};
use crate::relay::serial;

/// Whoever has the key of `ru1` brings the fenced `eu1` tickets that it did not sign.
pub(super) async fn attempt() -> Row {
    let cluster = Cluster::of(&["eu", "ru"]).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let folder = tempfile::tempdir().unwrap();
    let backup = cluster.cell("eu1").back_up(folder.path()).await;
    let mut cluster = cluster.with_user("ru1", "zoe").await;
    let [alice, bob, zoe] = [("eu1", "alice"), ("ru1", "bob"), ("ru1", "zoe")];
    let [alice, bob, zoe] = [alice, bob, zoe].map(|(cell, name)| cluster.user(cell, name).user_id.unwrap());
    let lost = tickets_of(&cluster, "ru1", &zoe);
    let thief = cluster.forger(Some("ru1"), "eu1");
    let mut forged = Vec::new();
    for (of, to) in [(("eu1", &*alice), "ru1"), (("ru1", &*bob), "eu1"), (("ru1", &*zoe), "eu1")] {
        forged.extend(forged_tickets((&cluster, &thief), of, to));
    }
    // And one of a name that nobody has.
    let mut of_nobody = lost.clone();
    of_nobody[0]["user_id"] = format!("@{FORGED}:example.org").into();
    forged.push(of_nobody);
    cluster.restore("eu1", &backup).await;
    assert!(!cluster.cell("eu1").admin.restorer.attempt().await.unwrap(), "it waits for the tickets of the other cell");
    let known = decided(&cluster).await;
    let mut before = Came::Nothing;
    for tickets in &forged {
        present(&cluster, &thief, tickets).await.unwrap();
        if decided(&cluster).await != known {
            before = Came::Succeeds;
        }
    }
    assert_eq!(before, Came::Nothing, "the directory has what it did not decide");
    // What it signed counts, whoever brings it.
    present(&cluster, &thief, &lost).await.unwrap();
    assert_eq!(decided(&cluster).await, known + 1, "zoe's name");
    Box::pin(cluster.revoke("ru1")).await;
    assert!(cluster.cell("eu1").services.fence.is_up());
    let thief = cluster.forger(Some("ru1"), "eu1");
    let mut after = Came::NoConnection;
    for tickets in &forged {
        if present(&cluster, &thief, tickets).await.is_ok() {
            after = Came::Succeeds;
        }
    }
    ("bring a directory that was restored homes that it did not give", before, after)
}

/// How many entries the directory has.
async fn decided(cluster: &Cluster) -> u64 {
    cluster.cell("eu1").services.users.localities().cells().unwrap().names.check_log().await.unwrap()
}

async fn present(cluster: &Cluster, thief: &Forger, tickets: &[Value]) -> Result<(), String> {
    let (path, body) = (format!("{INNER}/restore/present"), json!({ "tickets": tickets, "last": false }));
    let (serial, body) = (serial(cluster), Some(&body));
    let request = Request { origin: "ru1", serial, number: None, method: Method::POST, path: &path, body };
    let (status, told) = thief.ask(request).await?;
    assert_eq!(status, 200, "{told}");
    Ok(())
}
