//! What crosses between regions stands in the ledger of the cell that it leaves, with the basis that the document names.

use std::{collections::BTreeMap, time::Duration};

use domicile_app::moves::{Order, Target};
use domicile_core::clock::DAY_MS;
use domicile_testkit::{cluster::Cluster, server::START_MS};
use serde_json::json;

use crate::{
    V3,
    moves::{finish, order},
    read, say, shared, until,
};

/// Sums of a cell by flow, after it was seen that each is of this border.
async fn sums(cluster: &Cluster, cell: &str, (from, to): (&str, &str)) -> BTreeMap<String, (i64, i64)> {
    let day = START_MS / DAY_MS;
    let crossings = cluster.cell(cell).services.ledger.between(day, day + 1).await.unwrap();
    let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for row in crossings {
        assert_eq!((row.origin.as_str(), row.destination.as_str()), (from, to), "{row:?}");
        assert_eq!(row.basis, format!("{from} to {to}"), "{row:?}");
        let sum = sums.entry(row.flow).or_default();
        *sum = (sum.0 + row.items, sum.1 + row.bytes);
    }
    sums
}

fn with_basis(document: &str) -> String {
    let mut named = document.to_owned();
    for (from, to) in [("eu", "ru"), ("ru", "eu")] {
        let flow = format!("from = \"{from}\"\nto = \"{to}\"\n");
        named = named.replace(&flow, &format!("{flow}basis = \"{from} to {to}\"\n"));
    }
    named
}

#[tokio::test(flavor = "multi_thread")]
async fn what_crosses_between_regions_is_counted_where_it_leaves() {
    let cells = [("eu1", "eu"), ("eu2", "eu"), ("ru1", "ru")];
    let cluster = Cluster::with_own(&cells, "encrypted_only", with_basis, |_, settings| settings).await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("eu2", "anna").await.with_user("ru1", "bob").await;
    let (alice, anna, bob) = (cluster.user("eu1", "alice"), cluster.user("eu2", "anna"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    let mut said = Vec::new();
    for text in ["one", "two", "three"] {
        said.push(say(&bob, &room, text).await);
    }
    until("alice reads it", || async { read(&alice, &room).await == said }).await;
    let events =
        async |cell: &'static str, way| sums(&cluster, cell, way).await.get("events").copied().unwrap_or_default();
    until("it is counted", || async { events("ru1", ("ru", "eu")).await.0 >= 3 }).await;
    let from_ru = sums(&cluster, "ru1", ("ru", "eu")).await;
    assert!(from_ru["events"].1 > 3 * 300, "{from_ru:?}");
    let from_eu = sums(&cluster, "eu1", ("eu", "ru")).await;
    assert!(from_eu["membership"].0 >= 2, "the invite, and what bob's join took: {from_eu:?}");
    alice.get(&format!("{V3}/profile/{}", bob.id())).await.ok();
    let asked = sums(&cluster, "ru1", ("ru", "eu")).await["profiles"].0;
    assert!(asked >= 1);
    // So are the people whom the other cell finds for a search.
    alice.post(&format!("{V3}/user_directory/search"), &json!({ "search_term": "bob" })).await.ok();
    assert_eq!(sums(&cluster, "ru1", ("ru", "eu")).await["profiles"].0, asked + 1);

    // What stays in a region crosses no border. What crossed before is counted a moment later.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let before = sums(&cluster, "eu1", ("eu", "ru")).await;
    let among_them = shared(&alice, &anna).await;
    let told = say(&alice, &among_them, "here").await;
    until("anna reads it", || async { read(&anna, &among_them).await == [told.clone()] }).await;
    cluster.cell("eu2").services.ledger.write().await.unwrap();
    let count = |sums: &BTreeMap<String, (i64, i64)>| (sums.get("events").copied(), sums.get("membership").copied());
    assert_eq!(count(&sums(&cluster, "eu1", ("eu", "ru")).await), count(&before));

    // A move takes a vault, rooms and files across.
    let picture = bob.send(axum::http::Method::POST, "/_matrix/media/v3/upload", b"a picture".to_vec()).await.ok();
    assert!(picture["content_uri"].is_string());
    let to = Target::Cell("eu1".to_owned());
    cluster.cell("ru1").moves.order(Order { to, ..order(&bob, "") }).await.unwrap();
    finish(&cluster, "ru1", &bob).await;
    let moved = sums(&cluster, "ru1", ("ru", "eu")).await;
    assert_eq!(moved["vaults"].0, 1, "{moved:?}");
    assert!(moved["vaults"].1 > 1_000 && moved["moved_files"].0 == 1, "{moved:?}");
    // The old address passes requests on: what is asked is counted where it leaves, what is answered there.
    bob.put(&format!("{V3}/user/{}/account_data/org.example.x", bob.id()), &json!({ "x": 1 })).await.ok();
    assert!(sums(&cluster, "ru1", ("ru", "eu")).await["passed"].0 >= 1);
    assert!(sums(&cluster, "eu1", ("eu", "ru")).await["passed"].0 >= 1);
}
