//! Before the first copy of a room goes to another region, people who are in the room are told: those of the cell that lets it go, and those of others.

use std::time::Duration;

use domicile_app::{
    moves::State,
    residency::{Announced, NEW_REGION},
};
use domicile_core::{config::NewRegions, locality::CellName};
use domicile_testkit::{
    cluster::Cluster,
    server::{Settings, TestUser},
};
use serde_json::{Value, json};

use crate::{
    V3,
    moves::{finish, order},
    told::notices,
    until,
};

const CELLS: [(&str, &str); 3] = [("eu1", "eu"), ("eu2", "eu"), ("ru1", "ru")];

/// Cells whose people are told, but for those of `quiet`: alice of eu1, erin of eu2, bob and carol of ru1.
async fn telling(quiet: &'static [&'static str]) -> Cluster {
    let own = |cell: &str, mut settings: Settings| {
        let is_quiet = quiet.contains(&cell);
        settings.config.deployment.new_regions = if is_quiet { NewRegions::Quiet } else { NewRegions::Tell };
        settings
    };
    let cluster = Cluster::with_own(&CELLS, "encrypted_only", str::to_owned, own).await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("eu2", "erin").await;
    cluster.with_user("ru1", "bob").await.with_user("ru1", "carol").await
}

/// Tells people of a cell what they are to be told. Gives how many were.
async fn look(cluster: &Cluster, cell: &str) -> usize {
    cluster.cell(cell).admin.standing.region_notices.look().await.unwrap()
}

/// A room of alice's and erin's that is called Tea, to which others are invited.
async fn tea(cluster: &Cluster, invited: &[&TestUser]) -> String {
    let (alice, erin) = (cluster.user("eu1", "alice"), cluster.user("eu2", "erin"));
    let mut ids: Vec<&str> = invited.iter().map(|user| user.id()).collect();
    ids.push(erin.id());
    let body = json!({ "preset": "private_chat", "name": "Tea", "invite": ids });
    let room = alice.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    join(&erin, &room).await;
    until("alice's cell knows of erin", || async {
        let members = alice.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
        members["joined"].get(erin.id()).is_some()
    })
    .await;
    room
}

async fn join(by: &TestUser, room: &str) -> Value {
    by.post(&format!("{V3}/join/{room}"), &json!({})).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_waits_until_people_are_told_and_they_are_told_once() {
    let cluster = telling(&[]).await;
    let (bob, carol) = (cluster.user("ru1", "bob"), cluster.user("ru1", "carol"));
    let room = tea(&cluster, &[&bob, &carol]).await;
    assert_eq!((look(&cluster, "eu1").await, look(&cluster, "eu2").await), (0, 0), "nobody is told of an invite");
    let telling = async {
        // Bob's join waits at eu1, which waits for eu2.
        until("eu1 tells alice", || async { look(&cluster, "eu1").await == 1 }).await;
        assert!(!cluster.cell("ru1").has_copy(&room).await, "the copy waits for erin");
        until("eu2 tells erin", || async { look(&cluster, "eu2").await == 1 }).await;
    };
    let joining = tokio::time::timeout(Duration::from_secs(4), join(&bob, &room));
    let (joined, ()) = tokio::join!(joining, telling);
    joined.expect("nobody waits longer than until people are told");
    assert!(cluster.cell("ru1").has_copy(&room).await);
    for (cell, name) in [("eu1", "alice"), ("eu2", "erin")] {
        let read = notices(&cluster.user(cell, name)).await;
        assert!(read.len() == 1 && read[0].contains("\"Tea\"") && read[0].contains("region ru"), "{name}: {read:?}");
        assert!(!read[0].contains("bob"), "nobody is told whose home is there: {read:?}");
    }
    join(&carol, &room).await;
    for by in [&bob, &carol] {
        by.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    }
    let invite = json!({ "user_id": bob.id() });
    let alice = cluster.user("eu1", "alice");
    until("alice's cell knows that bob has left", || async {
        alice.post(&format!("{V3}/rooms/{room}/invite"), &invite).await.status == 200
    })
    .await;
    join(&bob, &room).await;
    assert_eq!((look(&cluster, "eu1").await, look(&cluster, "eu2").await), (0, 0), "once for each room and region");
    assert_eq!(look(&cluster, "ru1").await, 0, "in a room of theirs other regions were before them");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_cut_off_is_told_when_they_hear_of_it_and_nobody_where_the_operator_wants_it_quiet() {
    let cluster = telling(&["eu1"]).await;
    let bob = cluster.user("ru1", "bob");
    let room = tea(&cluster, &[&bob]).await;
    cluster.cut_off("eu2");
    join(&bob, &room).await;
    assert_eq!((look(&cluster, "eu1").await, look(&cluster, "eu2").await), (0, 0));
    cluster.heal();
    until("erin is told", || async {
        cluster.pass(60_000);
        look(&cluster, "eu2").await == 1
    })
    .await;
    assert_eq!(look(&cluster, "eu1").await, 0);
    assert!(notices(&cluster.user("eu2", "erin")).await[0].contains("region ru"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shares_a_room_is_told_before_somebody_takes_it_along_to_another_region() {
    let cluster = telling(&[]).await.with_user("eu1", "ann").await;
    let (alice, ann) = (cluster.user("eu1", "alice"), cluster.user("eu1", "ann"));
    let body = json!({ "preset": "private_chat", "invite": [ann.id()] });
    let room = alice.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    join(&ann, &room).await;
    cluster.cell("eu1").moves.order(order(&alice, "ru")).await.unwrap();
    let telling = async {
        until("ann is told", || async { look(&cluster, "eu1").await == 2 }).await;
        assert!(!cluster.cell("ru1").has_copy(&room).await, "she is told before");
    };
    let (done, ()) = tokio::join!(finish(&cluster, "eu1", &alice), telling);
    assert_eq!(done.state, State::Done.word(), "{done:#?}");
    let read = notices(&ann).await;
    assert!(read.len() == 1 && read[0].contains("region ru"), "{read:?}");
    assert!(read[0].contains(&format!("with {}", alice.id())), "a room without a name is its members: {read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_speaks_only_of_rooms_in_which_it_has_people() {
    let cluster = telling(&[]).await;
    let bob = cluster.user("ru1", "bob");
    let room = tea(&cluster, &[&bob]).await;
    let ask = async |region: &str, rooms: Vec<&str>| {
        let eu1 = CellName::parse("eu1").unwrap();
        let body = json!({ "region": region, "rooms": rooms });
        cluster.cell("ru1").link.as_ref().unwrap().ask_json::<Announced>(&eu1, NEW_REGION, &body).await
    };
    ask("ru", vec![&room, "!nothing:example.org"]).await.unwrap();
    assert_eq!(look(&cluster, "eu1").await, 0, "it has nobody there");
    assert!(ask("nowhere", vec![&room]).await.is_err(), "no region of the document");
    assert!(ask("ru", vec![&room; 1_001]).await.is_err(), "too many");
}
