//! The directory in two cells: what counts, who answers while the decider is away, and what becomes of a log that was lost, handed over or forked.

use std::sync::Arc;

use axum::http::Method;
use domicile_app::{
    accounts::lifecycle::NewAccount,
    residency::{BEGIN, DirectoryStatus, ENTRIES, FOLLOW, Names},
};
use domicile_core::clock::MINUTE_MS;
use domicile_testkit::{
    cluster::{Cluster, Request},
    server::TestServer,
};
use serde_json::{Value, json};

use crate::V3;

/// The document with one cell more that holds the directory.
fn followed_by(document: &str, cell: &str) -> String {
    let at = document.find(&format!("name = \"{cell}\"")).unwrap();
    let (before, after) = document.split_at(at);
    format!("{before}{}", after.replacen("directory = false", "directory = true", 1))
}

/// `eu1` decides, `eu2` follows, `ru1` does neither.
pub(crate) async fn followed() -> Cluster {
    let cells = [("eu1", "eu"), ("eu2", "eu"), ("ru1", "ru")];
    let document = |document: &str| followed_by(document, "eu2");
    Cluster::with_own(&cells, "encrypted_only", document, |_, settings| settings).await
}

pub(crate) fn names(server: &TestServer) -> &Arc<Names> {
    &server.services.users.localities().cells().unwrap().names
}

pub(crate) async fn status(cluster: &Cluster, cell: &str) -> DirectoryStatus {
    names(cluster.cell(cell)).status().await.unwrap()
}

/// Somebody wants a name at a cell. Gives how it was refused, if it was.
pub(crate) async fn take(cluster: &Cluster, cell: &str, localpart: &str) -> Result<(), String> {
    let localpart = localpart.to_owned();
    let account = NewAccount { localpart, password: None, registration_token: None, session: None };
    let made = cluster.cell(cell).services.accounts.create_user(account).await;
    made.map(drop).map_err(|error| error.to_string())
}

pub(crate) async fn look_after(cluster: &Cluster, cell: &str) -> Result<(), String> {
    names(cluster.cell(cell)).followers().look_after().await.map_err(|error| error.to_string())
}

/// Alerts about the directory at a cell.
pub(crate) async fn alerts(cluster: &Cluster, cell: &str) -> Vec<String> {
    let alerts = &cluster.cell(cell).admin.standing.alerts;
    alerts.look().await.unwrap();
    let list = alerts.list().await.unwrap().into_iter();
    list.filter(|alert| alert.kind == "directory").map(|alert| alert.subject).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_counts_when_a_second_cell_has_it() {
    let cluster = followed().await;
    take(&cluster, "ru1", "bob").await.unwrap();
    take(&cluster, "eu1", "alice").await.unwrap();
    let (decider, follower) = (status(&cluster, "eu1").await, status(&cluster, "eu2").await);
    assert_eq!((decider.log_index, decider.names), (Some(2), Some(2)));
    assert_eq!((follower.log_index, follower.log_hash), (decider.log_index, decider.log_hash));
    assert_eq!((decider.followers.len(), decider.followers[0].behind), (1, Some(0)));
    assert_eq!((follower.holds, follower.decides_here, follower.behind), (true, false, Some(0)));
    assert_eq!(names(cluster.cell("eu2")).check_log().await.unwrap(), 2);
    assert!(!status(&cluster, "ru1").await.holds);

    // Alone, it notes one name at most, and answers nobody that it is taken.
    cluster.cut_off("eu2");
    let refused = take(&cluster, "ru1", "carol").await.unwrap_err();
    assert!(refused.contains("try again later"), "{refused}");
    assert!(take(&cluster, "eu1", "dora").await.is_err());
    assert!(take(&cluster, "eu1", "emil").await.is_err());
    let decider = status(&cluster, "eu1").await;
    assert_eq!((decider.log_index, decider.followers[0].behind), (Some(3), Some(1)));
    assert!(decider.followers[0].wrong.is_some());
    let seen = names(cluster.cell("ru1")).look_up("@carol:example.org".try_into().unwrap()).await.unwrap();
    assert!(seen.is_empty(), "what is in one cell alone is told to nobody");

    // The operator is told when it lasts, and that it is over.
    cluster.pass(6 * MINUTE_MS);
    look_after(&cluster, "eu1").await.unwrap();
    assert_eq!(alerts(&cluster, "eu1").await, ["directory:away:eu2"]);
    cluster.heal();
    look_after(&cluster, "eu1").await.unwrap();
    assert!(alerts(&cluster, "eu1").await.is_empty());
    assert!(take(&cluster, "eu1", "carol").await.is_err(), "it was noted for the cell that asked first");
    take(&cluster, "ru1", "carol").await.unwrap();
    assert_eq!(status(&cluster, "eu2").await.log_index, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_follows_answers_while_the_decider_is_away() {
    let cluster = followed().await.with_user("eu2", "erin").await.with_user("ru1", "bob").await;
    cluster.cut_off("eu1");
    let bob = cluster.user("ru1", "bob");
    let room =
        bob.post(&format!("{V3}/createRoom"), &json!({ "preset": "private_chat" })).await.ok()["room_id"].clone();
    let invite = format!("{V3}/rooms/{}/invite", room.as_str().unwrap());
    bob.post(&invite, &json!({ "user_id": "@erin:example.org" })).await.ok();
    let nobody = bob.post(&invite, &json!({ "user_id": "@nobody:example.org" })).await;
    assert_eq!(nobody.status, 404, "{:?}", nobody.json());
    assert!(take(&cluster, "ru1", "newcomer").await.is_err(), "it answers, and decides nothing");
    // What it says is believed for good, also after a start without it.
    let mut cluster = cluster;
    cluster.restart("ru1").await;
    cluster.cut();
    let room = format!("{V3}/rooms/{}/members", room.as_str().unwrap());
    cluster.user("ru1", "bob").get(&room).await.ok();
    assert_eq!(status(&cluster, "ru1").await.tickets, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decider_that_lost_its_log_asks_before_it_decides() {
    let mut cluster = followed().await;
    for name in ["alice", "carol"] {
        take(&cluster, "eu1", name).await.unwrap();
    }
    take(&cluster, "ru1", "bob").await.unwrap();
    let before = status(&cluster, "eu1").await;
    for lost in [0, 2] {
        // As after a restore of a backup that was made then.
        cluster.lose_log("eu1", lost).await;
        cluster.restart("eu1").await;
        cluster.cut_off("eu2");
        assert!(take(&cluster, "eu1", "dora").await.is_err());
        let waiting = status(&cluster, "eu1").await;
        assert!(!waiting.is_deciding && waiting.waits.as_ref().unwrap().contains("eu2"), "{waiting:?}");
        assert!(waiting.log_index < before.log_index, "it has written nothing");
        cluster.heal();
        assert!(take(&cluster, "eu1", "bob").await.is_err(), "another cell has the name");
        let after = status(&cluster, "eu1").await;
        assert_eq!((after.log_index, &after.log_hash, after.names), (before.log_index, &before.log_hash, before.names));
        assert!(after.is_deciding && after.waits.is_none());
    }
    // Also one that finds it out while it works.
    cluster.lose_log("eu1", 2).await;
    let _ = look_after(&cluster, "eu1").await;
    look_after(&cluster, "eu1").await.unwrap();
    assert!(take(&cluster, "eu1", "bob").await.is_err());
    take(&cluster, "eu1", "dora").await.unwrap();
    assert_eq!(names(cluster.cell("eu2")).check_log().await.unwrap(), 4);
}

/// The document in which another cell decides.
pub(crate) fn handed_over(document: &str) -> String {
    let term = "decider = \"eu1\"\nterm = 1\n";
    assert!(document.contains(term), "{document}");
    Cluster::raised(&document.replace(term, "decider = \"eu2\"\nterm = 2\nbefore = [{ term = 1, cell = \"eu1\" }]\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_decision_is_handed_over_by_a_new_document() {
    let mut cluster = followed().await;
    take(&cluster, "eu1", "alice").await.unwrap();
    take(&cluster, "ru1", "bob").await.unwrap();
    cluster.next(handed_over);
    cluster.renew("eu2").await;
    look_after(&cluster, "eu2").await.unwrap();
    assert!(status(&cluster, "eu2").await.is_deciding);
    // The one before still has the old document, and knows by now that it does not hold. It does not follow by it either: names wait.
    let refused = take(&cluster, "eu1", "dora").await.unwrap_err();
    assert!(refused.contains("try again later"), "{refused}");
    assert!(take(&cluster, "eu2", "carol").await.is_err());
    for cell in ["eu1", "eu2"] {
        assert_eq!(status(&cluster, cell).await.log_index, Some(2));
    }
    cluster.renew("eu1").await;
    cluster.renew("ru1").await;
    take(&cluster, "eu2", "carol").await.unwrap();
    assert!(take(&cluster, "eu1", "carol").await.is_err());
    take(&cluster, "eu1", "dora").await.unwrap();
    take(&cluster, "ru1", "emil").await.unwrap();
    for cell in ["eu1", "eu2"] {
        assert_eq!(names(cluster.cell(cell)).check_log().await.unwrap(), 5);
    }
    assert_eq!((status(&cluster, "eu1").await.decides_here, status(&cluster, "eu2").await.term), (false, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_is_handed_over_while_all_cells_run_loses_no_name_and_gives_none_twice() {
    let mut cluster = followed().await;
    take(&cluster, "eu1", "alice").await.unwrap();
    cluster.next(handed_over);
    cluster.hand_to("eu2");
    let documents = |cell: &str| Arc::clone(&cluster.cell(cell).services.users.localities().cells().unwrap().documents);
    // Names are taken at all three cells while the document goes round.
    let race = async {
        let mut taken = Vec::new();
        for index in 0..12 {
            let name = format!("race{index}");
            let (one, two, three) =
                tokio::join!(take(&cluster, "eu1", &name), take(&cluster, "eu2", &name), take(&cluster, "ru1", &name));
            let winners = [one, two, three].into_iter().flatten().count();
            assert!(winners <= 1, "{name} was given {winners} times");
            taken.push((name, winners == 1));
        }
        taken
    };
    let round = async {
        documents("eu2").reload().await.unwrap();
        documents("eu2").exchange_all().await;
        look_after(&cluster, "eu2").await
    };
    let (taken, _) = tokio::join!(race, round);
    for cell in ["eu1", "eu2", "ru1"] {
        assert_eq!(status(&cluster, cell).await.term, 2, "{cell}");
    }
    look_after(&cluster, "eu2").await.unwrap();
    take(&cluster, "ru1", "last").await.unwrap();
    for (name, _) in taken.iter().filter(|(_, is_taken)| *is_taken) {
        let mut refused = 0;
        for cell in ["eu1", "eu2", "ru1"] {
            refused += usize::from(take(&cluster, cell, name).await.is_err());
        }
        assert_eq!(refused, 3, "{name} is somebody's already");
    }
    let (one, two) = (status(&cluster, "eu1").await, status(&cluster, "eu2").await);
    assert_eq!((one.log_index, one.log_hash, one.decides_here), (two.log_index, two.log_hash, false));
    assert!(two.is_deciding);
    names(cluster.cell("eu1")).check_log().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fork_is_refused_and_told() {
    let mut cluster = followed().await;
    take(&cluster, "eu1", "alice").await.unwrap();
    take(&cluster, "eu1", "carol").await.unwrap();
    // The second entry is another one now, signed by the decider, as by somebody who restored it and has written since.
    cluster.lose_log("eu1", 1).await;
    cluster.write_names("eu1", 1).await;
    cluster.restart("eu1").await;
    assert!(look_after(&cluster, "eu1").await.is_err());
    assert!(take(&cluster, "eu1", "dora").await.is_err(), "nothing is decided");
    assert_eq!(alerts(&cluster, "eu1").await, ["directory:fork:eu2"]);
    let forked = status(&cluster, "eu1").await;
    assert!(forked.troubles[0].contains("follow-anew") && forked.waits.is_some(), "{forked:?}");
    assert!(names(cluster.cell("eu1")).followers().follow_anew().await.is_err(), "the others go by its log");
    names(cluster.cell("eu2")).followers().follow_anew().await.unwrap();
    look_after(&cluster, "eu1").await.unwrap();
    take(&cluster, "eu1", "dora").await.unwrap();
    assert!(alerts(&cluster, "eu1").await.is_empty());
    let (one, other) = (status(&cluster, "eu1").await, status(&cluster, "eu2").await);
    assert_eq!((one.log_index, one.log_hash), (other.log_index, other.log_hash));
    assert_eq!(names(cluster.cell("eu2")).check_log().await.unwrap(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_decider_is_followed_and_only_holders_are_given_the_log() {
    let cluster = followed().await;
    take(&cluster, "eu1", "alice").await.unwrap();
    let push = cluster.forged_push("ru1", &status(&cluster, "eu1").await.log_hash.unwrap());
    let root = cluster.signed();
    let handed = handed_over(cluster.document()).replace("\"eu2\"\nterm", "\"ru1\"\nterm");
    let own = cluster.signed_by("ru1", &handed);
    for to in ["eu1", "eu2"] {
        let forger = cluster.forger(Some("ru1"), to);
        for (path, body) in [
            (FOLLOW, push.clone()),
            (BEGIN, json!({ "document": root })),
            (BEGIN, json!({ "document": own })),
            (ENTRIES, json!({ "after": 0 })),
        ] {
            let serial = status(&cluster, to).await.serial;
            let request =
                Request { origin: "ru1", serial, number: None, method: Method::POST, path, body: Some(&body) };
            let (status, answer): (u16, Value) = forger.ask(request).await.unwrap();
            assert_eq!(status, 403, "{to} {path} {answer}");
        }
        assert_eq!(status(&cluster, to).await.log_index, Some(1));
    }
    take(&cluster, "eu1", "carol").await.unwrap();
}

/// How long a follower takes to catch up: `FOLLOWER_CHANGES=1000000 cargo test … a_follower_catches_up -- --nocapture`.
#[tokio::test(flavor = "multi_thread")]
async fn a_follower_catches_up() {
    let changes: usize =
        std::env::var("FOLLOWER_CHANGES").ok().and_then(|changes| changes.parse().ok()).unwrap_or(5_000);
    let cluster = followed().await;
    cluster.write_names("eu1", changes).await;
    // The decider packs what is older, whoever follows.
    cluster.cut_off("eu2");
    let _ = look_after(&cluster, "eu1").await;
    cluster.heal();
    let begin = tokio::time::Instant::now();
    look_after(&cluster, "eu1").await.unwrap();
    let took = begin.elapsed();
    let follower = status(&cluster, "eu2").await;
    assert_eq!(follower.log_index, Some(changes as u64));
    assert_eq!(follower.names, i64::try_from(changes).ok());
    let bytes = cluster.directory_bytes("eu2").await / i64::try_from(changes).unwrap();
    let some = || (0..changes).step_by((changes / 1_000).max(1));
    let (found, told) = (cluster.find_names("eu2", some()).await, cluster.look_names_up("eu1", some()).await);
    eprintln!(
        "{changes} changes were followed in {:.1} s; {bytes} bytes a name at the follower, {} at the decider; a name is found in {} µs, \
         and told with a signed ticket in {} µs",
        took.as_secs_f64(),
        cluster.directory_bytes("eu1").await / i64::try_from(changes).unwrap(),
        found.as_micros(),
        told.as_micros()
    );
    // What is packed is checked, goes on, and is given to one that has lost it.
    assert!(bytes < 331, "{bytes} bytes a name");
    assert_eq!(names(cluster.cell("eu2")).check_log().await.unwrap(), changes as u64);
    take(&cluster, "eu1", "alice").await.unwrap();
    cluster.lose_log("eu2", 0).await;
    look_after(&cluster, "eu1").await.unwrap();
    let (one, other) = (status(&cluster, "eu1").await, status(&cluster, "eu2").await);
    assert_eq!((one.log_index, one.log_hash), (other.log_index, other.log_hash));
    take(&cluster, "ru1", "bob").await.unwrap();
    assert_eq!(names(cluster.cell("eu2")).check_log().await.unwrap(), changes as u64 + 2);
}
