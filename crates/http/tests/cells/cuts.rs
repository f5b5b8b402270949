//! What people and operators are told of a cut: once, since when and what it means, and when it is over what had not arrived. A hiccup is told to nobody.

use domicile_app::residency::cuts::{CutStatus, Waited};
use domicile_core::clock::MINUTE_MS;
use domicile_testkit::{cluster::Cluster, identity, server::TestUser};
use serde_json::json;

use crate::{V3, read, say, shared, told::notices, until};

const CELLS: [&str; 2] = ["eu1", "ru1"];

/// Alice and carol in the first cell, bob in the second, all in one room; dave in the first cell, who shares it with nobody.
async fn met() -> (Cluster, String) {
    let cluster = crate::two().await.with_user("eu1", "carol").await.with_user("eu1", "dave").await;
    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
    let room = shared(&alice, &cluster.user("ru1", "bob")).await;
    alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carol.id() })).await.ok();
    carol.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    let bob = cluster.user("ru1", "bob");
    until("bob sees her", || async {
        let members = bob.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
        members["joined"].get(carol.id()).is_some()
    })
    .await;
    // What is acknowledged after the cut counts as what waited.
    until("the first cell knows that all is there", || cluster.cell("eu1").is_told(&room)).await;
    look(&cluster).await;
    assert_eq!(tell(&cluster).await, [0, 0]);
    (cluster, room)
}

/// Each cell asks the other for its document, as it does once a minute, and looks.
async fn look(cluster: &Cluster) {
    for cell in CELLS {
        cluster.cell(cell).services.users.localities().cells().unwrap().documents.exchange_all().await;
    }
    for cell in CELLS {
        cluster.cell(cell).admin.standing.cuts.look().await.unwrap();
    }
}

/// The same again and again while time passes.
async fn pass(cluster: &Cluster, minutes: i64) {
    for _ in 0..minutes {
        cluster.pass(MINUTE_MS);
        look(cluster).await;
    }
}

/// How many people each cell tells something.
async fn tell(cluster: &Cluster) -> [usize; 2] {
    let mut told = [0; 2];
    for (cell, told) in CELLS.into_iter().zip(&mut told) {
        *told = cluster.cell(cell).admin.standing.cut_notices.look().await.unwrap();
    }
    told
}

async fn status(cluster: &Cluster, cell: &str) -> CutStatus {
    cluster.cell(cell).admin.standing.cuts.status().await.unwrap()
}

/// Another device of somebody, with keys.
async fn another_device(cluster: &Cluster, cell: &str, name: &str) -> TestUser {
    let device = cluster.cell(cell).login(name).await;
    let keys = json!({ "device_keys": identity::device(device.id(), &device.device_id) });
    device.post(&format!("{V3}/keys/upload"), &keys).await.ok();
    device
}

/// What somebody reads of the server's, without what others said in the clear.
async fn told_to(cluster: &Cluster, cell: &str, name: &str) -> Vec<String> {
    notices(&cluster.user(cell, name)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_once_and_when_it_is_over_what_had_not_arrived() {
    let (mut cluster, room) = met().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let old = another_device(&cluster, "eu1", "alice").await;
    until("bob's cell knows the device", || async {
        let keys = bob.post(&format!("{V3}/keys/query"), &json!({ "device_keys": { alice.id(): [] } })).await.ok();
        keys["device_keys"][alice.id()][&old.device_id].is_object()
    })
    .await;
    cluster.cut();
    pass(&cluster, 9).await;
    let seen = status(&cluster, "eu1").await;
    assert_eq!((seen.now.len(), seen.now[0].declared_ts), (1, None), "{seen:#?}");
    assert_eq!(tell(&cluster).await, [0, 0], "it may be a hiccup");

    pass(&cluster, 3).await;
    assert_eq!(tell(&cluster).await, [2, 1], "those who share the room, and nobody else");
    assert_eq!(tell(&cluster).await, [0, 0], "once");
    for (cell, name) in [("eu1", "alice"), ("eu1", "carol"), ("ru1", "bob")] {
        let said = told_to(&cluster, cell, name).await;
        assert_eq!(said.len(), 1, "{name}: {said:?}");
        assert!(
            said[0].contains("has not been reached") && said[0].contains("removals from rooms and sign-outs"),
            "{said:?}"
        );
        // What was under way when the border closed may have been answered after it.
        let is_since_then = (11..=13).any(|minutes| said[0].contains(&format!("({minutes} min before this message)")));
        assert!(is_since_then, "{said:?}");
        assert!(CELLS.iter().all(|cell| !said[0].contains(cell)), "nobody learns who is where: {said:?}");
    }
    assert_eq!(told_to(&cluster, "eu1", "dave").await, Vec::<String>::new());

    // What a restart forgets is not what was told.
    cluster.restart("eu1").await;
    pass(&cluster, 5).await;
    assert_eq!(tell(&cluster).await, [0, 0]);

    let (alice, carol) = (cluster.user("eu1", "alice"), cluster.user("eu1", "carol"));
    let mut said = vec![say(&alice, &room, "one").await, say(&alice, &room, "two").await];
    alice.post(&format!("{V3}/rooms/{room}/kick"), &json!({ "user_id": carol.id() })).await.ok();
    let session =
        json!({ "user_id": old.id(), "device_id": old.device_id, "access_token": old.token.clone().unwrap() });
    cluster.cell("eu1").with_token(&session).post(&format!("{V3}/logout"), &json!({})).await.ok();
    let new = another_device(&cluster, "ru1", "bob").await;
    pass(&cluster, 1).await;
    let operator = status(&cluster, "eu1").await;
    let expected = Waited { removals: 1, bans: 0, sign_outs: 1, messages: 2 };
    assert_eq!((operator.now[0].here, operator.now[0].told), (expected, 2), "{operator:#?}");
    assert_eq!(cluster.cell("eu1").admin.standing.cuts.gauge().waiting, expected);
    let alerts = &cluster.cell("eu1").admin.standing.alerts;
    alerts.look().await.unwrap();
    assert!(alerts.list().await.unwrap().iter().any(|alert| alert.subject == "cut:ru1"));
    let page = page_of(&cluster, "eu1").await;
    assert!(page.contains("Parts of the service do not reach each other"), "{page}");
    assert!(CELLS.iter().all(|cell| !page.contains(cell)), "{page}");

    cluster.heal();
    look(&cluster).await;
    said.push(say(&alice, &room, "three").await);
    let bob = cluster.user("ru1", "bob");
    until("what waited comes", || async { read(&bob, &room).await == said }).await;
    assert_eq!(tell(&cluster).await, [0, 0], "it may be cut again");
    until("both have ended it", || async {
        pass(&cluster, 1).await;
        status(&cluster, "eu1").await.now.is_empty() && status(&cluster, "ru1").await.now.is_empty()
    })
    .await;
    assert_eq!(tell(&cluster).await, [2, 1], "the same people");
    assert_eq!(tell(&cluster).await, [0, 0], "once");
    for (cell, name, own) in [("eu1", "alice", true), ("eu1", "carol", true), ("ru1", "bob", false)] {
        let told = told_to(&cluster, cell, name).await;
        assert_eq!(told.len(), 2, "{name}: {told:?}");
        let waited = "removals from rooms: 1; bans: 0; devices signed out: 1; messages and other events: 2.";
        let nothing = "removals from rooms: 0; bans: 0; devices signed out: 0; messages and other events: 0.";
        let (here, there) = if own { (waited, nothing) } else { (nothing, waited) };
        assert!(
            told[1].contains(&format!("there until then:\n{here}\nWhat had not arrived here until then:\n{there}")),
            "{told:?}"
        );
    }
    assert!(told_to(&cluster, "eu1", "alice").await[1].contains(&format!("\n{} {}", bob.id(), new.device_id)));
    assert!(
        !told_to(&cluster, "eu1", "carol").await[1].contains(&new.device_id),
        "she shares no room with him any more"
    );
    let past = status(&cluster, "eu1").await.past;
    assert_eq!((past.len(), past[0].here, past[0].there), (1, expected, Some(Waited::default())), "{past:#?}");
    assert_eq!((past[0].told, past[0].told_of_end), (2, 2));
    let page = page_of(&cluster, "eu1").await;
    assert!(page.contains("Everything works") && page.contains("The connection is back"), "{page}");
}

async fn page_of(cluster: &Cluster, cell: &str) -> String {
    let status = &cluster.cell(cell).admin.standing.status;
    status.refresh().await.unwrap();
    String::from_utf8(status.page(domicile_app::standing::Language::En).body.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hiccup_is_told_to_nobody() {
    let (cluster, _) = met().await;
    cluster.cut();
    pass(&cluster, 8).await;
    assert_eq!(status(&cluster, "eu1").await.now.len(), 1);
    cluster.heal();
    until("it is forgotten", || async {
        pass(&cluster, 1).await;
        status(&cluster, "eu1").await == CutStatus::default() && status(&cluster, "ru1").await == CutStatus::default()
    })
    .await;
    assert_eq!(tell(&cluster).await, [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_comes_and_goes_is_told_once() {
    let (cluster, room) = met().await;
    cluster.cut();
    pass(&cluster, 13).await;
    assert_eq!(tell(&cluster).await, [2, 1]);
    let alice = cluster.user("eu1", "alice");
    let mut said = Vec::new();
    for text in ["one", "two", "three"] {
        said.push(say(&alice, &room, text).await);
        cluster.heal();
        look(&cluster).await;
        assert!(status(&cluster, "eu1").await.now[0].whole_ts.is_some());
        until("it comes", || async { read(&cluster.user("ru1", "bob"), &room).await == said }).await;
        cluster.cut();
        pass(&cluster, 4).await;
        assert_eq!(status(&cluster, "eu1").await.now[0].whole_ts, None);
        assert_eq!(tell(&cluster).await, [0, 0], "it is the same cut");
    }
    cluster.heal();
    until("both have ended it", || async {
        pass(&cluster, 1).await;
        status(&cluster, "eu1").await.now.is_empty() && status(&cluster, "ru1").await.now.is_empty()
    })
    .await;
    assert_eq!(tell(&cluster).await, [2, 1]);
    let past = status(&cluster, "eu1").await.past;
    assert_eq!((past.len(), past[0].here.messages), (1, 3), "{past:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_reaches_others_and_is_not_reached_is_cut_off_on_both_sides() {
    let (cluster, _) = met().await;
    cluster.cut_off("ru1");
    pass(&cluster, 16).await;
    for cell in CELLS {
        let seen = status(&cluster, cell).await;
        assert!(seen.now.len() == 1 && seen.now[0].declared_ts.is_some(), "{cell}: {seen:#?}");
    }
    assert_eq!(tell(&cluster).await, [2, 1]);
}
