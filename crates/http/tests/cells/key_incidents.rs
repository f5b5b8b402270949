//! Keys across cells: those of other cells' people are pinned, and people are told when they change, and when somebody has a device that they have not
//! signed; and nobody is told anything in the ordinary course of things.

use domicile_app::e2ee::key_incidents::ShownIncident;
use domicile_core::clock::{DAY_MS, MINUTE_MS};
use domicile_testkit::{
    cluster::Cluster,
    identity,
    server::{PASSWORD, TestUser},
};
use serde_json::{Value, json};

use crate::{
    V3,
    moves::{at, foreign, into, rows},
    shared,
    told::notices,
    two, until,
};

/// Uploads the keys of somebody's device.
async fn upload(by: &TestUser) {
    let keys = json!({ "device_keys": identity::device(by.id(), &by.device_id) });
    by.post(&format!("{V3}/keys/upload"), &keys).await.ok();
}

/// Gives somebody cross-signing keys in place of those that they have.
async fn set_keys(by: &TestUser, seed: u8) {
    let keys = identity::cross_signing(by.id(), seed);
    let mut body = json!({
        "master_key": keys.master, "self_signing_key": keys.self_signing, "user_signing_key": keys.user_signing,
    });
    let path = format!("{V3}/keys/device_signing/upload");
    let answer = by.post(&path, &body).await;
    if answer.status.is_success() {
        return;
    }
    let session = answer.json()["session"].clone();
    body["auth"] = json!({
        "type": "m.login.password", "password": PASSWORD, "session": session,
        "identifier": { "type": "m.id.user", "user": by.id() },
    });
    by.post(&path, &body).await.ok();
}

/// Signs a device with the keys of a seed.
async fn sign(by: &TestUser, seed: u8) {
    let signed = identity::signed_by(by.id(), seed + 1, identity::device(by.id(), &by.device_id));
    let body = json!({ by.id(): { &by.device_id: signed } });
    let answer = by.post(&format!("{V3}/keys/signatures/upload"), &body).await.ok();
    assert!(answer["failures"].as_object().is_none_or(serde_json::Map::is_empty), "{answer}");
}

/// Somebody with a device, and keys that have signed it.
async fn equip(by: &TestUser, seed: u8) {
    upload(by).await;
    set_keys(by, seed).await;
    sign(by, seed).await;
}

/// What somebody is told of somebody's keys.
async fn asked(reader: &TestUser, of: &TestUser) -> Value {
    let query = json!({ "device_keys": { of.id(): [] } });
    let found = reader.post(&format!("{V3}/keys/query"), &query).await.ok();
    assert!(found["failures"].is_null(), "{found}");
    found
}

/// Waits until somebody's cell has fetched all that it knows of somebody's devices. Time passes: what could not be fetched is tried again in a minute.
async fn fetched(cluster: &Cluster, reader: (&str, &TestUser), of: &TestUser) -> Value {
    let (cell, reader) = reader;
    until("the copy is whole", || async {
        cluster.pass(1_000);
        asked(reader, of).await;
        cluster.cell(cell).has_whole_copy(of.id()).await
    })
    .await;
    asked(reader, of).await
}

/// Waits until somebody is told of the master key of a seed.
async fn sees_key(cluster: &Cluster, reader: (&str, &TestUser), of: &TestUser, seed: u8) {
    let key = identity::cross_signing(of.id(), seed).master["keys"].clone();
    until("the key is told", || async { fetched(cluster, reader, of).await["master_keys"][of.id()]["keys"] == key })
        .await;
}

/// Waits until somebody is told of a device, with so many signatures.
async fn sees_device(cluster: &Cluster, reader: (&str, &TestUser), of: &TestUser, signatures: usize) {
    until("the device is told", || async {
        let found = fetched(cluster, reader, of).await;
        let signed = &found["device_keys"][of.id()][&of.device_id]["signatures"][of.id()];
        signed.as_object().is_some_and(|signed| signed.len() == signatures)
    })
    .await;
}

pub(crate) async fn noticed(cluster: &Cluster, cell: &str) -> Vec<ShownIncident> {
    cluster.cell(cell).admin.standing.key_notices.incidents().list().await.unwrap()
}

/// How many people of a cell are told something now.
pub(crate) async fn told(cluster: &Cluster, cell: &str) -> usize {
    cluster.cell(cell).admin.standing.key_notices.look().await.unwrap()
}

/// What a cell has pinned of somebody, and which devices it knows to be unsigned.
async fn pinned(cluster: &Cluster, cell: &str, of: &TestUser) -> (Option<String>, Vec<String>) {
    cluster.cell(cell).pinned(of.id()).await
}

fn public(of: &TestUser, seed: u8) -> String {
    let keys = identity::cross_signing(of.id(), seed).master["keys"].clone();
    keys.as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_key_is_told_once_and_further_changes_once_a_day() {
    let cluster = two().await.with_user("eu1", "ann").await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    shared(&alice, &bob).await;
    equip(&bob, 10).await;
    sees_device(&cluster, ("eu1", &alice), &bob, 2).await;
    assert_eq!(pinned(&cluster, "eu1", &bob).await.0, Some(public(&bob, 10)));
    assert_eq!(pinned(&cluster, "eu1", &bob).await.1, Vec::<String>::new());
    assert_eq!(
        (told(&cluster, "eu1").await, noticed(&cluster, "eu1").await),
        (0, vec![]),
        "the first key is no change"
    );

    set_keys(&bob, 40).await;
    sees_key(&cluster, ("eu1", &alice), &bob, 40).await;
    assert_eq!(pinned(&cluster, "eu1", &bob).await.0, Some(public(&bob, 40)));
    let found = noticed(&cluster, "eu1").await;
    assert_eq!(found.len(), 1, "{found:?}");
    let seen = (found[0].kind.as_str(), found[0].user_id.as_str(), found[0].home.as_str(), &found[0].subject);
    assert_eq!(seen, ("master_changed", bob.id(), "ru1", &public(&bob, 40)));
    assert_eq!((told(&cluster, "eu1").await, told(&cluster, "eu1").await), (1, 0), "those who share a room, once");
    let read = notices(&alice).await;
    assert!(read.len() == 1 && read[0].contains(bob.id()) && read[0].contains("have changed"), "{read:?}");
    assert!(!read[0].contains("ru"), "nobody is told where he lives: {read:?}");
    assert!(notices(&cluster.user("eu1", "ann")).await.is_empty(), "she shares no room with him");

    for seed in [70, 100] {
        set_keys(&bob, seed).await;
        sees_key(&cluster, ("eu1", &alice), &bob, seed).await;
        assert_eq!(pinned(&cluster, "eu1", &bob).await.0, Some(public(&bob, seed)));
    }
    assert_eq!(noticed(&cluster, "eu1").await.len(), 3);
    assert_eq!(told(&cluster, "eu1").await, 0, "one notice a day");
    cluster.pass(DAY_MS + MINUTE_MS);
    assert_eq!((told(&cluster, "eu1").await, told(&cluster, "eu1").await), (1, 0));
    assert_eq!(notices(&alice).await.len(), 2, "one for both");
    assert!(noticed(&cluster, "eu1").await.iter().all(|one| !one.is_waiting && one.told == 1));
    // Nothing of it is anything at his own cell, and an audit finds nothing wrong.
    assert_eq!((told(&cluster, "ru1").await, noticed(&cluster, "ru1").await), (0, vec![]));
    assert_eq!(rows(&foreign(&cluster, "eu1").await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_told_if_its_owner_does_not_sign_it_in_time() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    shared(&alice, &bob).await;
    // One that was there before anybody asked is taken as it is.
    let old = cluster.cell("ru1").login("bob").await;
    upload(&old).await;
    equip(&bob, 10).await;
    sees_device(&cluster, ("eu1", &alice), &bob, 2).await;
    // His first one may have been seen in the moment before he signed it, and is taken as it is, too.
    let taken = pinned(&cluster, "eu1", &bob).await.1;
    assert!(taken.contains(&old.device_id), "{taken:?}");
    assert!(taken.iter().all(|id| *id == old.device_id || *id == bob.device_id), "{taken:?}");

    // A login that is signed a while later.
    let laptop = cluster.cell("ru1").login("bob").await;
    upload(&laptop).await;
    sees_device(&cluster, ("eu1", &alice), &laptop, 1).await;
    cluster.pass(8 * MINUTE_MS);
    assert_eq!(told(&cluster, "eu1").await, 0);
    sign(&laptop, 10).await;
    sees_device(&cluster, ("eu1", &alice), &laptop, 2).await;
    cluster.pass(8 * MINUTE_MS);
    assert_eq!((told(&cluster, "eu1").await, noticed(&cluster, "eu1").await), (0, vec![]));

    // One that is not.
    let other = cluster.cell("ru1").login("bob").await;
    upload(&other).await;
    sees_device(&cluster, ("eu1", &alice), &other, 1).await;
    cluster.pass(8 * MINUTE_MS);
    assert_eq!(told(&cluster, "eu1").await, 0);
    cluster.pass(3 * MINUTE_MS);
    assert_eq!((told(&cluster, "eu1").await, told(&cluster, "eu1").await), (1, 0));
    let found = noticed(&cluster, "eu1").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind.as_str(), &found[0].subject), ("unsigned_device", &other.device_id));
    let read = notices(&alice).await;
    assert!(read.len() == 1 && read[0].contains(&other.device_id), "{read:?}");
    // It stays unsigned, and nobody hears of it again; nor of one that is signed before the next notice is due.
    let late = cluster.cell("ru1").login("bob").await;
    upload(&late).await;
    sees_device(&cluster, ("eu1", &alice), &late, 1).await;
    cluster.pass(11 * MINUTE_MS);
    assert_eq!((told(&cluster, "eu1").await, noticed(&cluster, "eu1").await.len()), (0, 2));
    sign(&late, 10).await;
    sees_device(&cluster, ("eu1", &alice), &late, 2).await;
    cluster.pass(DAY_MS);
    assert_eq!(told(&cluster, "eu1").await, 0);
    assert!(noticed(&cluster, "eu1").await.iter().all(|one| !one.is_waiting));
    assert_eq!(rows(&foreign(&cluster, "eu1").await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_is_no_incident_and_a_change_after_it_is_one() {
    let cluster = Cluster::of(&["eu", "ru", "ch"]).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let cluster = cluster.with_user("ru1", "rita").await.with_user("ch1", "carol").await;
    let [alice, bob, rita, carol] = [("eu1", "alice"), ("ru1", "bob"), ("ru1", "rita"), ("ch1", "carol")]
        .map(|(cell, who)| cluster.user(cell, who));
    let room = shared(&alice, &bob).await;
    for guest in [&rita, &carol] {
        alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": guest.id() })).await.ok();
        until("the guest is in", || async {
            guest.post(&format!("{V3}/join/{room}"), &json!({})).await.status.is_success()
        })
        .await;
    }
    let old = cluster.cell("ru1").login("bob").await;
    upload(&old).await;
    equip(&bob, 10).await;
    for reader in [("eu1", &alice), ("ch1", &carol), ("ru1", &rita)] {
        sees_key(&cluster, reader, &bob, 10).await;
    }
    assert_eq!(pinned(&cluster, "ru1", &bob).await, (None, vec![]), "at home nothing is pinned");
    into(&cluster, "ru1", &bob, "eu").await;
    let bob = at(&cluster, "eu1", &bob);
    assert_eq!(pinned(&cluster, "eu1", &bob).await, (None, vec![]), "he is at home there now");
    assert_eq!(pinned(&cluster, "ru1", &bob).await.0, Some(public(&bob, 10)), "those whom he left remember his key");
    for reader in [("ch1", &carol), ("ru1", &rita)] {
        sees_key(&cluster, reader, &bob, 10).await;
        sees_device(&cluster, reader, &bob, 2).await;
    }
    cluster.pass(11 * MINUTE_MS);
    for cell in ["eu1", "ru1", "ch1"] {
        assert_eq!((told(&cluster, cell).await, noticed(&cluster, cell).await), (0, vec![]), "{cell}");
        assert_eq!(rows(&foreign(&cluster, cell).await), 0, "{cell}");
    }
    set_keys(&bob, 40).await;
    for (cell, reader) in [("ru1", &rita), ("ch1", &carol)] {
        sees_key(&cluster, (cell, reader), &bob, 40).await;
        assert_eq!(told(&cluster, cell).await, 1, "{cell}");
        let read = notices(reader).await;
        assert!(read.len() == 1 && read[0].contains("have changed"), "{cell}: {read:?}");
    }
    assert_eq!(noticed(&cluster, "eu1").await, vec![]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pinned_goes_with_the_last_shared_room_and_incidents_after_a_while() {
    let cluster = two().await;
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let room = shared(&alice, &bob).await;
    let old = cluster.cell("ru1").login("bob").await;
    upload(&old).await;
    equip(&bob, 10).await;
    sees_key(&cluster, ("eu1", &alice), &bob, 10).await;
    assert_eq!(pinned(&cluster, "eu1", &bob).await.0, Some(public(&bob, 10)));
    set_keys(&bob, 40).await;
    sees_key(&cluster, ("eu1", &alice), &bob, 40).await;
    assert_eq!(pinned(&cluster, "eu1", &bob).await.0, Some(public(&bob, 40)));
    let jobs = &cluster.cell("eu1").jobs;
    jobs.begin().await.unwrap();
    let daily = async || {
        cluster.pass(DAY_MS + MINUTE_MS);
        while jobs.run_due().await.unwrap() > 0 {}
    };
    daily().await;
    let (key, devices) = pinned(&cluster, "eu1", &bob).await;
    assert!(key.is_some() && !devices.is_empty(), "they share a room");
    alice.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    daily().await;
    assert_eq!(pinned(&cluster, "eu1", &bob).await, (None, vec![]));
    assert_eq!(noticed(&cluster, "eu1").await.len(), 1, "the operator may still want to know");
    cluster.pass(90 * DAY_MS);
    daily().await;
    assert_eq!(noticed(&cluster, "eu1").await, vec![]);
}
