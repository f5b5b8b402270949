//! Cells whose direct line is blocked, and a third one that both reach.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::http::Method;
use domicile_core::{clock::DAY_MS, locality::CellName};
use domicile_testkit::{
    cluster::{Cluster, Request},
    proxy::{Kind, TestProxy},
    server::{START_MS, Settings},
};

use crate::{read, say, shared, until};

const CELLS: [(&str, &str); 3] = [("eu1", "eu"), ("ru1", "ru"), ("ch1", "ch")];

/// Three cells, of which the first and the second reach others by a proxy each. `document` may change the document, `own` a cell's settings.
pub(crate) async fn behind_proxies(
    document: impl FnOnce(&str) -> String,
    own: impl Fn(&str, &mut Settings) + Send + Sync + 'static,
) -> (Cluster, Arc<[TestProxy; 2]>) {
    let proxies = Arc::new([TestProxy::start(Kind::Http, None).await, TestProxy::start(Kind::Socks5, None).await]);
    let of_cells = Arc::clone(&proxies);
    let own = move |cell: &str, mut settings: Settings| {
        match cell {
            "eu1" => settings.config.deployment.proxy = of_cells[0].url(),
            "ru1" => settings.config.deployment.proxy = of_cells[1].url(),
            _ => {}
        }
        own(cell, &mut settings);
        settings
    };
    let cluster = Cluster::with_own(&CELLS, "encrypted_only", document, own).await;
    (cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await, proxies)
}

/// Blocks the line between the first and the second cell, both ways.
pub(crate) fn block(cluster: &Cluster, proxies: &[TestProxy; 2]) {
    proxies[0].block(&[address(cluster, "ru1")]);
    proxies[1].block(&[address(cluster, "eu1")]);
}

fn relay_to(cluster: &Cluster, from: &str, to: &str) -> Option<String> {
    cluster.cell(from).link.as_ref().unwrap().relay_to(&CellName::parse(to).unwrap())
}

/// The number of the document.
pub(crate) fn serial(cluster: &Cluster) -> u32 {
    let rest = cluster.document().split("serial = ").nth(1).unwrap();
    rest.lines().next().unwrap().trim().parse().unwrap()
}

/// A cell's inner address.
fn address(cluster: &Cluster, cell: &str) -> SocketAddr {
    let own = cluster.document().split(&format!("name = \"{cell}\"")).nth(1).unwrap();
    let url = own.split("inner_url = \"https://").nth(1).unwrap();
    url.split(['"', '/']).next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_cell_is_the_way_until_the_direct_line_is_open_again() {
    let (cluster, proxies) = behind_proxies(str::to_owned, |_, _| {}).await;
    block(&cluster, &proxies);
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    let (first, second) = (say(&alice, &room, "first").await, say(&bob, &room, "second").await);
    let has_both = |read: Vec<String>| read.contains(&first) && read.contains(&second);
    until("alice reads both", || async { has_both(read(&alice, &room).await) }).await;
    until("bob reads both", || async { has_both(read(&bob, &room).await) }).await;
    assert_eq!(relay_to(&cluster, "eu1", "ru1").as_deref(), Some("ch1"));
    assert_eq!(relay_to(&cluster, "ru1", "eu1").as_deref(), Some("ch1"));
    assert_eq!(relay_to(&cluster, "eu1", "ch1"), None);
    let documents = &cluster.cell("eu1").services.users.localities().cells().unwrap().documents;
    let status = documents.status().await.unwrap();
    let way = |cell: &str| status.cells.iter().find(|of| of.cell == cell).unwrap().by_way_of.clone();
    assert_eq!((way("ru1").as_deref(), way("ch1")), (Some("ch1"), None), "the operator can see it");

    // While it is blocked, it is not found to be open.
    cluster.cell("eu1").link.as_ref().unwrap().try_direct().await;
    assert_eq!(relay_to(&cluster, "eu1", "ru1").as_deref(), Some("ch1"));
    proxies[0].block(&[]);
    cluster.cell("eu1").link.as_ref().unwrap().try_direct().await;
    assert_eq!(relay_to(&cluster, "eu1", "ru1"), None);
    let before = proxies[0].asked().len();
    let third = say(&alice, &room, "third").await;
    until("bob reads that", || async { read(&bob, &room).await.contains(&third) }).await;
    let ru1 = address(&cluster, "ru1").to_string();
    assert!(proxies[0].asked()[before..].contains(&ru1), "over the direct line");
    assert_eq!(relay_to(&cluster, "eu1", "ru1"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passes_through_a_region_is_in_its_ledger_and_in_that_of_whoever_sends_it() {
    let (cluster, proxies) = behind_proxies(str::to_owned, |_, _| {}).await;
    block(&cluster, &proxies);
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    let said = say(&alice, &room, "counted").await;
    until("it comes", || async { read(&bob, &room).await.contains(&said) }).await;
    let crossed = async |cell: &str, to: &str, flow: &str| {
        let ledger = &cluster.cell(cell).services.ledger;
        ledger.write().await.unwrap();
        let day = START_MS / DAY_MS;
        let rows = ledger.between(day, day + 1).await.unwrap();
        let of = rows.iter().filter(|row| row.destination == to && row.flow == flow);
        of.fold((0, 0), |(items, bytes), row| (items + row.items, bytes + row.bytes))
    };
    for (cell, to) in [("eu1", "ch"), ("ru1", "ch"), ("ch1", "ru"), ("ch1", "eu")] {
        let (lines, bytes) = crossed(cell, to, "relayed").await;
        assert!(lines > 0 && bytes > 1_000, "{cell} to {to}: {lines} lines, {bytes} bytes");
    }
    // What is in it counts as ever, by where it goes; with the note of how far the other cell has been told, a moment later.
    until("the event is counted", || async { crossed("eu1", "ru", "events").await.0 > 0 }).await;
    assert_eq!(crossed("ch1", "ru", "events").await, (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_region_is_the_way_for_what_is_forbidden_there() {
    // Between the third region and the second one nothing is allowed.
    let forbidden = |document: &str| {
        let flow = "from = \"ch\"\nto = \"ru\"\nrule = ";
        let changed = document.replace(&format!("{flow}\"encrypted_only\""), &format!("{flow}\"forbid\""));
        assert_ne!(changed, document);
        changed
    };
    let (cluster, proxies) = behind_proxies(forbidden, |_, _| {}).await;
    stays_blocked(&cluster, &proxies).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_cell_is_the_way_against_its_operators_will() {
    let own = |cell: &str, settings: &mut Settings| settings.config.deployment.relay = cell != "ch1";
    let (cluster, proxies) = behind_proxies(str::to_owned, own).await;
    stays_blocked(&cluster, &proxies).await;
}

async fn stays_blocked(cluster: &Cluster, proxies: &[TestProxy; 2]) {
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    block(cluster, proxies);
    let said = say(&alice, &room, "waits").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.pass(60_000);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!read(&bob, &room).await.contains(&said));
    assert_eq!(relay_to(cluster, "eu1", "ru1"), None);
    let forger = cluster.forger(Some("eu1"), "ch1");
    let path = "/_domicile/inner/v1/relay/ru1";
    let request =
        Request { origin: "eu1", serial: serial(cluster), number: None, method: Method::POST, path, body: None };
    let (status, told) = forger.ask(request).await.unwrap();
    assert_eq!(status, 403, "{told}");
    for proxy in proxies {
        proxy.block(&[]);
    }
    cluster.pass(600_000);
    until("it comes directly", || async { read(&bob, &room).await.contains(&said) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_cells_are_led_and_only_to_cells() {
    let mut cluster = Cluster::of(&["eu", "ru", "ch"]).await;
    let forger = cluster.forger(Some("ru1"), "eu1");
    let now = serial(&cluster);
    let ask = async |to: &str| {
        let path = format!("/_domicile/inner/v1/relay/{to}");
        let request =
            Request { origin: "ru1", serial: now, number: None, method: Method::POST, path: &path, body: None };
        forger.ask(request).await.map(|(status, _)| status)
    };
    assert_eq!(ask("ch1").await, Ok(400), "over HTTP/2 a connection becomes no line");
    for nobody in ["xx1", "eu1", "ru1", "NO"] {
        assert!(matches!(ask(nobody).await, Ok(403 | 404)), "{nobody}: {:?}", ask(nobody).await);
    }
    Box::pin(cluster.revoke("ru1")).await;
    let forger = cluster.forger(Some("ru1"), "eu1");
    let path = "/_domicile/inner/v1/relay/ch1";
    let request =
        Request { origin: "ru1", serial: serial(&cluster), number: None, method: Method::POST, path, body: None };
    assert!(forger.ask(request).await.is_err());
}
