//! Bad luck of a deployment: clocks that are an hour apart, and a directory that is away for an hour.

use domicile_app::accounts::lifecycle::NewAccount;
use domicile_core::clock::HOUR_MS;
use domicile_testkit::cluster::Cluster;
use serde_json::json;

use crate::{
    V3,
    moves::{at, finish, foreign, has_moved, order, ready, rows},
    read, say, shared, state, two, until,
};

fn account(localpart: &str) -> NewAccount {
    NewAccount { localpart: localpart.to_owned(), password: None, registration_token: None, session: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_an_hour_apart_keep_nobody_from_talking() {
    for late in ["eu1", "ru1"] {
        let cluster = two().await;
        cluster.cell(if late == "eu1" { "ru1" } else { "eu1" }).clock.advance(HOUR_MS);
        let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
        let room = shared(&alice, &bob).await;
        let mut said = Vec::new();
        for round in 0..3 {
            for (by, name) in [(&alice, "alice"), (&bob, "bob")] {
                said.push(say(by, &room, &format!("{name}-{round}")).await);
                for reader in [&alice, &bob] {
                    until(&format!("both read it, {late} late"), || async { read(reader, &room).await == said }).await;
                }
            }
        }
        assert_eq!(state(&alice, &room).await, state(&bob, &room).await);
        for (by, to, cell) in [(&alice, &bob, "ru1"), (&bob, &alice, "eu1")] {
            let letter = json!({ "messages": { to.id(): { "*": { "from": cell } } } });
            by.put(&format!("{V3}/sendToDevice/org.example.key/{cell}"), &letter).await.ok();
            until(&format!("a message to a device comes, {late} late"), || async {
                let sync = to.get(&format!("{V3}/sync")).await.ok();
                sync["to_device"]["events"].as_array().is_some_and(|events| events.len() == 1)
            })
            .await;
        }
        // Who is new has a name, and is found from the other side.
        let there = &cluster.cell("ru1").services.accounts;
        there.create_user(account("newcomer")).await.unwrap();
        let body = json!({ "user_id": "@newcomer:example.org" });
        alice.post(&format!("{V3}/rooms/{room}/invite"), &body).await.ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_an_hour_apart_keep_nobody_from_moving() {
    for late in ["eu1", "ch1"] {
        let (cluster, alice, _, room, said) = ready().await;
        cluster.cell(if late == "eu1" { "ch1" } else { "eu1" }).clock.advance(HOUR_MS);
        cluster.cell("eu1").moves.order(order(&alice, "ch")).await.unwrap();
        let done = finish(&cluster, "eu1", &alice).await;
        assert_eq!(done.state, "done", "{late} late: {done:#?}");
        has_moved(&cluster, &alice, &room, &said).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_directory_is_away_for_an_hour_nobody_has_two_homes_or_none() {
    let cluster = Cluster::of(&["eu", "ch", "us"]).await;
    let cluster = cluster.with_user("eu1", "eve").await.with_user("ch1", "alice").await.with_user("us1", "bob").await;
    let (alice, bob) = (cluster.user("ch1", "alice"), cluster.user("us1", "bob"));
    let user_id = alice.user_id.clone().unwrap();
    let room = shared(&alice, &bob).await;
    let mut said = vec![say(&alice, &room, "before").await];
    until("bob reads it", || async { read(&bob, &room).await == said }).await;
    // Only the cell that decides whose a name is cannot be reached, for an hour.
    cluster.cut_off("eu1");
    let moves = &cluster.cell("ch1").moves;
    moves.order(order(&alice, "us")).await.unwrap();
    for minutes in [1, 20, 39] {
        cluster.pass(minutes * 60_000);
        moves.run_due().await.unwrap();
        let shown = moves.of_user(&user_id).await.unwrap().unwrap();
        assert_eq!(shown.state, "handed_over", "she is let go, and nobody can say so: {shown:#?}");
        assert!(shown.error.is_some(), "the operator is told why it waits: {shown:#?}");
        // Her requests wait and are told so, at either address; nobody calls them unknown, which would end her session.
        let told = alice.get(&format!("{V3}/account/whoami")).await;
        assert_eq!(told.status, 503, "{:?}", told.json());
        let told = at(&cluster, "us1", &alice).get(&format!("{V3}/account/whoami")).await;
        assert_ne!(told.status, 200, "no second home: {:?}", told.json());
    }
    // Others who have met go on, and nobody gets a name that may be taken.
    said.push(say(&bob, &room, "meanwhile").await);
    assert!(cluster.cell("us1").services.accounts.create_user(account("newcomer")).await.is_err());
    cluster.heal();
    let done = finish(&cluster, "ch1", &alice).await;
    assert_eq!(done.state, "done", "{done:#?}");
    let there = at(&cluster, "us1", &alice);
    until("she reads all of it at her new home, once", || async { read(&there, &room).await == said }).await;
    said.push(say(&there, &room, "after").await);
    until("bob reads her", || async { read(&bob, &room).await == said }).await;
    for cell in ["eu1", "ch1", "us1"] {
        let audit = foreign(&cluster, cell).await;
        assert_eq!(rows(&audit), 0, "{cell}: {audit:#}");
    }
    cluster.cell("us1").services.accounts.create_user(account("newcomer")).await.unwrap();
}
