//! Another key for the hashes of names: the log is hashed anew at all cells that hold it, and says the same as before.

use std::time::Duration;

use domicile_testkit::cluster::Cluster;

use crate::followers::{alerts, followed, handed_over, look_after, names, status, take};

/// Names that take several packs.
const MANY: usize = 9_000;

/// Waits until a cell has another key.
async fn wait(cluster: &Cluster, cell: &str) {
    for _ in 0..2_000 {
        if status(cluster, cell).await.rotation.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{cell} does not come to the end");
}

/// Both cells have the same whole log of so many entries, under keys that are the same.
async fn assert_alike(cluster: &Cluster, entries: u64) {
    let (one, other) = (status(cluster, "eu1").await, status(cluster, "eu2").await);
    assert_eq!((one.log_index, &one.log_hash), (other.log_index, &other.log_hash));
    assert_eq!(cluster.hashes("eu1").await, cluster.hashes("eu2").await);
    for cell in ["eu1", "eu2"] {
        assert_eq!(names(cluster.cell(cell)).check_log().await.unwrap(), entries, "{cell}");
        assert_eq!(alerts(cluster, cell).await, Vec::<String>::new(), "{cell}: {:?}", status(cluster, cell).await);
    }
}

/// Where people of some names are at home, as `ru1` is told.
async fn homes<const N: usize>(cluster: &Cluster, localparts: [&str; N]) -> Vec<Option<String>> {
    let mut homes = Vec::new();
    for localpart in localparts {
        let user_id = format!("@{localpart}:example.org");
        let tickets = names(cluster.cell("ru1")).look_up(user_id.as_str().try_into().unwrap()).await.unwrap();
        homes.push(tickets.last().map(|ticket| ticket.home.clone()));
    }
    homes
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_is_changed_in_all_cells_and_nothing_else() {
    let mut cluster = followed().await;
    take(&cluster, "eu1", "alice").await.unwrap();
    take(&cluster, "ru1", "bob").await.unwrap();
    take(&cluster, "eu2", "carol").await.unwrap();
    let everybody = ["alice", "bob", "carol", "nobody"];
    let known = homes(&cluster, everybody).await;
    for round in 1..=2 {
        let (hashes, hash) = (cluster.hashes("eu1").await, status(&cluster, "eu1").await.log_hash);
        let entries = names(cluster.cell("eu1")).rotate_key().await.unwrap();
        assert_eq!(entries, 2 + round);
        wait(&cluster, "eu1").await;
        look_after(&cluster, "eu1").await.unwrap();
        assert_alike(&cluster, entries).await;
        assert_ne!(status(&cluster, "eu1").await.log_hash, hash);
        let after = cluster.hashes("eu1").await;
        assert_eq!(after.len(), hashes.len());
        assert!(hashes.iter().all(|hash| !after.contains(hash)), "no name has the hash that it had");
        // Everybody is where they were, and no name is given twice.
        assert_eq!(homes(&cluster, everybody).await, known);
        for (cell, name) in [("ru1", "alice"), ("eu1", "bob"), ("ru1", "carol")] {
            assert!(take(&cluster, cell, name).await.is_err(), "{name}");
        }
        take(&cluster, "ru1", &format!("new{round}")).await.unwrap();
        assert_alike(&cluster, entries + 1).await;
        for cell in ["eu1", "eu2"] {
            cluster.restart(cell).await;
        }
    }
    // Who has lost its log gets the keys with it.
    cluster.lose_log("eu2", 0).await;
    look_after(&cluster, "eu1").await.unwrap();
    assert_alike(&cluster, 5).await;
    assert!(names(cluster.cell("eu2")).rotate_key().await.is_err(), "it does not decide");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_names_are_hashed_anew_although_both_cells_are_stopped_in_between() {
    let mut cluster = followed().await;
    cluster.write_names("eu1", MANY).await;
    look_after(&cluster, "eu1").await.unwrap();
    take(&cluster, "ru1", "bob").await.unwrap();
    names(cluster.cell("eu1")).rotate_key().await.unwrap();
    let busy = status(&cluster, "eu1").await;
    assert!(busy.rotation.is_some_and(|rotation| rotation.done < rotation.of), "it is not done at once");
    let refused = take(&cluster, "ru1", "carol").await.unwrap_err();
    assert!(refused.contains("try again in a moment"), "{refused}");
    assert_eq!(homes(&cluster, ["bob"]).await, [Some("ru1".to_owned())], "it is found under either key");
    cluster.restart("eu1").await;
    while status(&cluster, "eu2").await.rotation.is_none() {
        // A first look may only find that the other one hashes its own log.
        let _ = tokio::time::timeout(Duration::from_millis(50), look_after(&cluster, "eu1")).await;
    }
    cluster.restart("eu2").await;
    look_after(&cluster, "eu1").await.unwrap();
    for cell in ["eu1", "eu2"] {
        wait(&cluster, cell).await;
    }
    look_after(&cluster, "eu1").await.unwrap();
    let entries = MANY as u64 + 1;
    assert_alike(&cluster, entries).await;
    assert!(take(&cluster, "eu1", "bob").await.is_err());
    take(&cluster, "ru1", "carol").await.unwrap();
    assert_alike(&cluster, entries + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_that_was_away_changes_its_key_when_it_comes_back_also_to_decide() {
    let mut cluster = followed().await;
    take(&cluster, "eu1", "alice").await.unwrap();
    take(&cluster, "ru1", "bob").await.unwrap();
    for decides in [false, true] {
        let entries = status(&cluster, "eu1").await.log_index.unwrap();
        cluster.cut_off("eu2");
        names(cluster.cell("eu1")).rotate_key().await.unwrap();
        wait(&cluster, "eu1").await;
        // What was written before anybody noticed that the other cell is away is not answered, but it is this person's when that one comes back.
        let alone = format!("alone{decides}");
        assert!(take(&cluster, "eu1", &alone).await.is_err(), "what is in one cell alone would be lost with it");
        cluster.heal();
        if decides {
            cluster.next(handed_over);
            cluster.renew("eu2").await;
            look_after(&cluster, "eu2").await.unwrap();
            cluster.renew("eu1").await;
            cluster.renew("ru1").await;
            look_after(&cluster, "eu2").await.unwrap();
        } else {
            look_after(&cluster, "eu1").await.unwrap();
        }
        let entries = status(&cluster, "eu1").await.log_index.unwrap().max(entries);
        assert_alike(&cluster, entries).await;
        let name = format!("new{decides}");
        take(&cluster, "ru1", &name).await.unwrap();
        assert!(take(&cluster, "eu1", &name).await.is_err());
        assert!(take(&cluster, "eu1", "bob").await.is_err());
    }
    assert!(status(&cluster, "eu2").await.is_deciding);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_key_that_changes_homes_is_a_fork() {
    let mut cluster = followed().await;
    take(&cluster, "eu1", "alice").await.unwrap();
    take(&cluster, "ru1", "bob").await.unwrap();
    let before = cluster.hashes("eu2").await;
    cluster.forge_rotation("eu1").await;
    cluster.restart("eu1").await;
    let _ = look_after(&cluster, "eu1").await;
    assert_eq!(cluster.hashes("eu2").await, before, "nothing of it is taken over");
    assert_eq!(alerts(&cluster, "eu2").await, ["directory:fork:eu1"]);
    assert!(take(&cluster, "eu1", "carol").await.is_err());
}
