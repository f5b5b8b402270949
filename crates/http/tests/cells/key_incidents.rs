//! Keys across cells: those of other cells' people are pinned, and people are told when they change, when somebody has a device that they have not signed,
//! and when somebody comes whom nobody invited; and nobody is told anything in the ordinary course of things.

use domicile_app::e2ee::key_incidents::ShownIncident;
use domicile_core::clock::{DAY_MS, MINUTE_MS};
use domicile_testkit::{
    cluster::Cluster,
    identity,
    server::{PASSWORD, TestUser},
};
use ruma::{CanonicalJsonObject, OwnedEventId, RoomVersionId};
use serde_json::{Value, json};

use crate::{
    V3,
    moves::{at, foreign, into, rows},
    shared, shared_of,
    stolen::{raw, tell, transaction},
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

/// Waits until somebody is told of the master key of a seed.
async fn sees_key(reader: &TestUser, of: &TestUser, seed: u8) {
    let key = identity::cross_signing(of.id(), seed).master["keys"].clone();
    until("the key is told", || async { asked(reader, of).await["master_keys"][of.id()]["keys"] == key }).await;
}

/// Waits until somebody is told of a device, with so many signatures.
async fn sees_device(reader: &TestUser, of: &TestUser, signatures: usize) {
    until("the device is told", || async {
        let found = asked(reader, of).await;
        let signed = &found["device_keys"][of.id()][&of.device_id]["signatures"][of.id()];
        signed.as_object().is_some_and(|signed| signed.len() == signatures)
    })
    .await;
}

async fn noticed(cluster: &Cluster, cell: &str) -> Vec<ShownIncident> {
    cluster.cell(cell).admin.standing.key_notices.incidents().list().await.unwrap()
}

/// How many people of a cell are told something now.
async fn told(cluster: &Cluster, cell: &str) -> usize {
    cluster.cell(cell).admin.standing.key_notices.look().await.unwrap()
}

/// What a cell has pinned of somebody, and which devices it knows to be unsigned.
async fn pinned(cluster: &Cluster, cell: &str, of: &TestUser) -> (Option<String>, Vec<String>) {
    cluster.cell(cell).pinned(of.id()).await
}

/// Waits until a cell has pinned the key of a seed: whoever asks may hear of it a moment earlier.
async fn pins(cluster: &Cluster, cell: &str, of: &TestUser, seed: u8) {
    until("the key is pinned", || async { pinned(cluster, cell, of).await.0 == Some(public(of, seed)) }).await;
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
    sees_device(&alice, &bob, 2).await;
    pins(&cluster, "eu1", &bob, 10).await;
    until("the device is signed", || async { pinned(&cluster, "eu1", &bob).await.1.is_empty() }).await;
    assert_eq!(
        (told(&cluster, "eu1").await, noticed(&cluster, "eu1").await),
        (0, vec![]),
        "the first key is no change"
    );

    set_keys(&bob, 40).await;
    sees_key(&alice, &bob, 40).await;
    pins(&cluster, "eu1", &bob, 40).await;
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
        sees_key(&alice, &bob, seed).await;
        pins(&cluster, "eu1", &bob, seed).await;
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
    sees_device(&alice, &bob, 2).await;
    until("the old one is known", || async {
        pinned(&cluster, "eu1", &bob).await.1 == std::slice::from_ref(&old.device_id)
    })
    .await;

    // A login that is signed a while later.
    let laptop = cluster.cell("ru1").login("bob").await;
    upload(&laptop).await;
    sees_device(&alice, &laptop, 1).await;
    cluster.pass(9 * MINUTE_MS);
    assert_eq!(told(&cluster, "eu1").await, 0);
    sign(&laptop, 10).await;
    sees_device(&alice, &laptop, 2).await;
    cluster.pass(9 * MINUTE_MS);
    assert_eq!((told(&cluster, "eu1").await, noticed(&cluster, "eu1").await), (0, vec![]));

    // One that is not.
    let other = cluster.cell("ru1").login("bob").await;
    upload(&other).await;
    sees_device(&alice, &other, 1).await;
    cluster.pass(9 * MINUTE_MS);
    assert_eq!(told(&cluster, "eu1").await, 0);
    cluster.pass(2 * MINUTE_MS);
    assert_eq!((told(&cluster, "eu1").await, told(&cluster, "eu1").await), (1, 0));
    let found = noticed(&cluster, "eu1").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].kind.as_str(), &found[0].subject), ("unsigned_device", &other.device_id));
    let read = notices(&alice).await;
    assert!(read.len() == 1 && read[0].contains(&other.device_id), "{read:?}");
    // It stays unsigned, and nobody hears of it again; nor of one that is signed before the next notice is due.
    let late = cluster.cell("ru1").login("bob").await;
    upload(&late).await;
    sees_device(&alice, &late, 1).await;
    cluster.pass(11 * MINUTE_MS);
    assert_eq!((told(&cluster, "eu1").await, noticed(&cluster, "eu1").await.len()), (0, 2));
    sign(&late, 10).await;
    sees_device(&alice, &late, 2).await;
    cluster.pass(DAY_MS);
    assert_eq!(told(&cluster, "eu1").await, 0);
    assert!(noticed(&cluster, "eu1").await.iter().all(|one| !one.is_waiting));
    assert_eq!(rows(&foreign(&cluster, "eu1").await), 0);
}

/// The id of an event of a room of version 11.
fn id_of(event: &Value) -> OwnedEventId {
    let object: CanonicalJsonObject = serde_json::from_value(event.clone()).unwrap();
    let hash = ruma::signatures::reference_hash(&object, &RoomVersionId::V11.rules().unwrap()).unwrap();
    format!("${hash}").try_into().unwrap()
}

/// Those of some events that are of other types than a kind, or of that kind and about somebody else.
async fn without(cluster: &Cluster, ids: &Value, membership: &str) -> Vec<Value> {
    let mut left = Vec::new();
    for id in ids.as_array().unwrap() {
        let event = raw(cluster, "eu1", id.as_str().unwrap()).await;
        if event["content"]["membership"] != membership {
            left.push(id.clone());
        }
    }
    left
}

/// The newest event of a type and a state key in a room, as the first cell has it.
async fn newest(cluster: &Cluster, by: &TestUser, room: &str, kind: &str, state_key: &str) -> Value {
    let state = by.get(&format!("{V3}/rooms/{room}/state")).await.ok();
    let found = state.as_array().unwrap().iter().find(|event| event["type"] == kind && event["state_key"] == state_key);
    raw(cluster, "eu1", found.unwrap()["event_id"].as_str().unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_to_come_uninvited_is_kept_out_and_told_of() {
    let cluster = two().await.with_user("ru1", "eve").await;
    let [alice, bob, eve] =
        [("eu1", "alice"), ("ru1", "bob"), ("ru1", "eve")].map(|(cell, who)| cluster.user(cell, who));
    let room = shared_of(&alice, &bob, json!({ "room_version": "11" })).await;
    let forger = cluster.forger(Some("ru1"), "eu1");
    let mut like = newest(&cluster, &alice, &room, "m.room.member", bob.id()).await;
    like["state_key"] = eve.id().into();
    like["auth_events"] = without(&cluster, &like["auth_events"], "invite").await.into();
    let join = forger.event(&like, eve.id());
    for id in ["t1", "t2"] {
        tell(&forger, id, &transaction(std::slice::from_ref(&join), &[])).await.unwrap();
    }
    let found = noticed(&cluster, "eu1").await;
    assert_eq!(found.len(), 1, "{found:?}");
    let seen = (found[0].kind.as_str(), found[0].user_id.as_str(), &found[0].subject, found[0].times);
    assert_eq!(seen, ("uninvited_join", eve.id(), &room, 1), "an event counts once");
    assert_eq!((told(&cluster, "eu1").await, told(&cluster, "eu1").await), (1, 0));
    let read = notices(&alice).await;
    assert!(read.len() == 1 && read[0].contains(eve.id()) && read[0].contains("was not let in"), "{read:?}");
    let members = alice.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
    assert!(members["joined"].get(eve.id()).is_none(), "{members}");
    // Again on the same day: noted, and told with the next notice.
    like["origin_server_ts"] = json!(5);
    tell(&forger, "t3", &transaction(&[forger.event(&like, eve.id())], &[])).await.unwrap();
    assert_eq!((noticed(&cluster, "eu1").await[0].times, told(&cluster, "eu1").await), (2, 0));
    assert_eq!(rows(&foreign(&cluster, "eu1").await), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_in_by_an_invite_that_did_not_count_is_told_of() {
    let cluster = two().await.with_user("ru1", "eve").await;
    let [alice, bob, eve] =
        [("eu1", "alice"), ("ru1", "bob"), ("ru1", "eve")].map(|(cell, who)| cluster.user(cell, who));
    let room = shared_of(&alice, &bob, json!({ "room_version": "11", "name": "Tea" })).await;
    let bobs = newest(&cluster, &alice, &room, "m.room.member", bob.id()).await;
    let (bobs_id, powers) = (id_of(&bobs), newest(&cluster, &alice, &room, "m.room.power_levels", "").await);
    let invite = newest(&cluster, &alice, &room, "m.room.join_rules", "").await;
    // From now on only alice invites.
    let mut levels = powers["content"].clone();
    levels["invite"] = json!(100);
    alice.put(&format!("{V3}/rooms/{room}/state/m.room.power_levels"), &levels).await.ok();
    let forger = cluster.forger(Some("ru1"), "eu1");
    let made = |mut like: Value, sender: &TestUser, membership: &str, prev: &[&OwnedEventId], auth: Vec<Value>| {
        like["type"] = "m.room.member".into();
        like["state_key"] = eve.id().into();
        like["content"] = json!({ "membership": membership });
        like["prev_events"] = json!(prev);
        like["auth_events"] = auth.into();
        forger.event(&like, sender.id())
    };
    // An invite as if it had been made before that, and a join by it.
    let allowed = without(&cluster, &bobs["auth_events"], "invite").await;
    let mut auth = allowed.clone();
    auth.retain(|id| *id != json!(id_of(&invite)));
    auth.push(json!(bobs_id));
    let back_dated = made(bobs.clone(), &bob, "invite", &[&bobs_id], auth);
    let mut auth = allowed;
    auth.push(json!(id_of(&back_dated)));
    let join = made(bobs.clone(), &eve, "join", &[&id_of(&back_dated)], auth);
    let (_, answer) = tell(&forger, "t1", &transaction(&[back_dated, join.clone()], &[])).await.unwrap();
    let found = noticed(&cluster, "eu1").await;
    assert_eq!(found.len(), 1, "{answer} {found:?}");
    assert_eq!((found[0].kind.as_str(), found[0].user_id.as_str()), ("uninvited_join", eve.id()));
    // A message that stands on the join and on what everybody has brings both branches together.
    let extremities = newest(&cluster, &alice, &room, "m.room.power_levels", "").await;
    let mut message = bobs.clone();
    let object = message.as_object_mut().unwrap();
    object.remove("state_key");
    message["type"] = "m.room.encrypted".into();
    message["content"] = crate::secret("together");
    message["prev_events"] = json!([id_of(&join), id_of(&extremities)]);
    let create = without(&cluster, &bobs["auth_events"], "invite").await;
    let create: Vec<Value> =
        create.into_iter().filter(|id| *id != json!(id_of(&invite)) && *id != json!(id_of(&powers))).collect();
    let mut auth = create;
    auth.extend([json!(id_of(&extremities)), json!(bobs_id)]);
    message["auth_events"] = auth.into();
    let (_, answer) = tell(&forger, "t2", &transaction(&[forger.event(&message, bob.id())], &[])).await.unwrap();
    assert!(answer["pdus"].as_object().unwrap().values().all(|told| told["error"].is_null()), "{answer}");
    let members = alice.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
    let is_in = members["joined"].get(eve.id()).is_some();
    let found = noticed(&cluster, "eu1").await;
    assert_eq!((found.len(), found[0].times), (1, if is_in { 2 } else { 1 }), "{found:?}");
    assert_eq!(told(&cluster, "eu1").await, 1);
    let read = notices(&alice).await;
    let words = if is_in { "has come into the room \"Tea\"" } else { "tried to come into the room \"Tea\"" };
    assert!(read.iter().any(|text| text.contains(words)), "{is_in} {read:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_ordinary_joins() {
    let cluster = Cluster::with_flow(&["eu", "ru"], "allow").await;
    let cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await.with_user("ru1", "carl").await;
    let [alice, bob, carl] =
        [("eu1", "alice"), ("ru1", "bob"), ("ru1", "carl")].map(|(cell, who)| cluster.user(cell, who));
    // By an invite, also of somebody of the same cell; left and come back.
    let room = shared(&alice, &bob).await;
    bob.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carl.id() })).await.ok();
    carl.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    cluster.pass(1_000);
    carl.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    until("alice sees that he has gone", || async {
        let state = alice.get(&format!("{V3}/rooms/{room}/state/m.room.member/{}", carl.id())).await;
        state.json()["membership"] == "leave"
    })
    .await;
    cluster.pass(1_000);
    alice.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carl.id() })).await.ok();
    until("he is back", || async { carl.post(&format!("{V3}/join/{room}"), &json!({})).await.status.is_success() })
        .await;
    // As a member of another room, and by knocking.
    let restricted = json!({ "preset": "private_chat", "room_version": "11", "initial_state": [{
        "type": "m.room.join_rules", "state_key": "", "content": {
            "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": room }] } }] });
    let made = alice.post(&format!("{V3}/createRoom"), &restricted).await.ok();
    let restricted = made["room_id"].as_str().unwrap();
    bob.post(&format!("{V3}/join/{restricted}?via=example.org"), &json!({})).await.ok();
    let knocking = json!({ "preset": "private_chat", "room_version": "11", "initial_state": [{
        "type": "m.room.join_rules", "state_key": "", "content": { "join_rule": "knock" } }] });
    let made = alice.post(&format!("{V3}/createRoom"), &knocking).await.ok();
    let knocked = made["room_id"].as_str().unwrap();
    bob.post(&format!("{V3}/knock/{knocked}?via=example.org"), &json!({})).await.ok();
    alice.post(&format!("{V3}/rooms/{knocked}/invite"), &json!({ "user_id": bob.id() })).await.ok();
    until("he is in", || async { bob.post(&format!("{V3}/join/{knocked}"), &json!({})).await.status.is_success() })
        .await;
    // Into an open room.
    let made = alice.post(&format!("{V3}/createRoom"), &json!({ "preset": "public_chat" })).await.ok();
    let open = made["room_id"].as_str().unwrap();
    bob.post(&format!("{V3}/join/{open}?via=example.org"), &json!({})).await.ok();
    for room in [room.as_str(), restricted, knocked, open] {
        until("alice sees him", || async {
            let members = alice.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
            members["joined"].get(bob.id()).is_some()
        })
        .await;
    }
    // While the border was closed, too: the invite comes with the join, and much has happened.
    cluster.cut();
    let away = bob.post(&format!("{V3}/createRoom"), &json!({ "preset": "private_chat" })).await.ok();
    let away = away["room_id"].as_str().unwrap();
    bob.post(&format!("{V3}/rooms/{away}/invite"), &json!({ "user_id": carl.id() })).await.ok();
    // Of changes of one instant, any may be the last where they meet.
    cluster.pass(1_000);
    carl.post(&format!("{V3}/rooms/{room}/leave"), &json!({})).await.ok();
    cluster.pass(1_000);
    bob.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": carl.id() })).await.ok();
    cluster.pass(1_000);
    carl.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
    cluster.pass(1_000);
    let last = crate::say(&carl, &room, "back").await;
    crate::say(&alice, &room, "alone").await;
    cluster.heal();
    crate::say(&bob, &room, "healed").await;
    until("alice reads it", || async {
        cluster.pass(MINUTE_MS);
        crate::read(&alice, &room).await.contains(&last)
    })
    .await;
    for cell in ["eu1", "ru1"] {
        assert_eq!((told(&cluster, cell).await, noticed(&cluster, cell).await), (0, vec![]), "{cell}");
    }
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
    for reader in [&alice, &carol, &rita] {
        sees_key(reader, &bob, 10).await;
    }
    assert_eq!(pinned(&cluster, "ru1", &bob).await, (None, vec![]), "at home nothing is pinned");
    into(&cluster, "ru1", &bob, "eu").await;
    let bob = at(&cluster, "eu1", &bob);
    assert_eq!(pinned(&cluster, "eu1", &bob).await, (None, vec![]), "he is at home there now");
    assert_eq!(pinned(&cluster, "ru1", &bob).await.0, Some(public(&bob, 10)), "those whom he left remember his key");
    for reader in [&carol, &rita] {
        sees_key(reader, &bob, 10).await;
        sees_device(reader, &bob, 2).await;
    }
    cluster.pass(11 * MINUTE_MS);
    for cell in ["eu1", "ru1", "ch1"] {
        assert_eq!((told(&cluster, cell).await, noticed(&cluster, cell).await), (0, vec![]), "{cell}");
        assert_eq!(rows(&foreign(&cluster, cell).await), 0, "{cell}");
    }
    set_keys(&bob, 40).await;
    for (cell, reader) in [("ru1", &rita), ("ch1", &carol)] {
        sees_key(reader, &bob, 40).await;
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
    sees_key(&alice, &bob, 10).await;
    pins(&cluster, "eu1", &bob, 10).await;
    set_keys(&bob, 40).await;
    sees_key(&alice, &bob, 40).await;
    pins(&cluster, "eu1", &bob, 40).await;
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
