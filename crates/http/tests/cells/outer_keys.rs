//! A gateway's key for other servers is changed: the next one waits for the document, the one before is told with its end, and others believe what was
//! signed with either.

use domicile_core::clock::{DAY_MS, HOUR_MS, MINUTE_MS};
use domicile_testkit::{
    cluster::Cluster,
    server::{START_MS, Settings, TestServer, TestUser},
    tap::Tap,
};
use serde_json::{Value, json};

use crate::{V3, read, say, until};

/// The list of keys that a cell tells, without when it was made and who signed it.
fn list(cluster: &Cluster, cell: &str) -> (Value, i64) {
    let list = cluster.cell(cell).services.own_keys.list().unwrap();
    let mut list: Value = serde_json::from_str(list.json().get()).unwrap();
    let good_ms = list["valid_until_ts"].as_i64().unwrap() - START_MS;
    let list = list.as_object_mut().unwrap();
    list.remove("valid_until_ts");
    list.remove("signatures");
    (json!(list), good_ms)
}

/// The list that whoever is asked tells. Each cell tells it by its own clock.
fn same_list(cluster: &Cluster) -> (Value, i64) {
    let [(told, good_ms), (other, other_good_ms)] = ["eu1", "ru1"].map(|cell| list(cluster, cell));
    assert_eq!(told, other);
    assert!((good_ms - other_good_ms).abs() < MINUTE_MS, "{good_ms} beside {other_good_ms}");
    (told, good_ms)
}

async fn join(by: &TestUser, room: &str) {
    until("the invite comes", || async {
        let sync = by.get(&format!("{V3}/sync")).await.ok();
        sync["rooms"]["invite"].get(room).is_some()
    })
    .await;
    by.post(&format!("{V3}/join/{room}"), &json!({})).await.ok();
}

/// Lets time pass everywhere, in milliseconds.
fn pass(cluster: &Cluster, others: &[&TestServer], ms: i64) {
    cluster.pass(ms);
    for server in others {
        server.clock.advance(ms);
    }
}

async fn all_read(by: &TestUser, room: &str, said: &[&String]) {
    until(&format!("{} reads all", by.id()), || async {
        let read = read(by, room).await;
        said.iter().all(|id| read.contains(id))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn others_believe_what_was_signed_before_and_after() {
    let cluster = Cluster::with_gateway(&["eu", "ru"], "allow", "allow").await;
    let mut cluster = cluster.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
    let settings = || Settings { tells: true, ..Settings::default() };
    let there = TestServer::federating_with(settings()).await.with_user("eve").await;
    let (tap, eve) = (Tap::start().await, there.user("eve"));
    // The other cell has a key in the document, too, as a second gateway would.
    let second = cluster.cell("ru1").services.own_keys.outer();
    cluster.name_outer_key("ru1").await;

    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let body = json!({ "preset": "private_chat", "invite": [alice.id(), bob.id()] });
    let room = eve.post(&format!("{V3}/createRoom"), &body).await.ok()["room_id"].as_str().unwrap().to_owned();
    join(&alice, &room).await;
    join(&bob, &room).await;
    let before = say(&bob, &room, "before").await;
    all_read(&eve, &room, &[&before]).await;
    let taps = tap.room("11").room_id().clone();
    alice.post(&format!("{V3}/join/{taps}?via={}", tap.name()), &json!({})).await.ok();

    let keys = std::sync::Arc::clone(&cluster.cell("eu1").services.own_keys);
    let old = keys.outer();
    let rotation = keys.rotate().await.unwrap();
    assert!(rotation.waits && rotation.old == old.key_id() && rotation.new != rotation.old);
    assert_eq!(keys.rotate().await.unwrap(), rotation, "one waits, however often somebody asks");
    drop(keys);
    cluster.restart("eu1").await;
    let (told, _) = same_list(&cluster);
    assert!(!told.to_string().contains(&rotation.new), "nobody is told of it before the document names it: {told}");

    let end_ms = START_MS + DAY_MS;
    cluster.rotate_outer(&rotation, end_ms).await;
    let (told, good_ms) = same_list(&cluster);
    let in_use = json!({ &rotation.new: { "key": rotation.key }, second.key_id(): { "key": second.public_key() } });
    assert_eq!(told["verify_keys"], in_use);
    let ended = json!({ &rotation.old: { "key": old.public_key(), "expired_ts": end_ms } });
    assert_eq!(told["old_verify_keys"], ended);
    assert!((HOUR_MS..=12 * HOUR_MS).contains(&good_ms), "hours, not days: {good_ms}");
    assert_eq!(cluster.cell("eu1").services.own_keys.outer().key_id(), rotation.new);

    // Whoever has just asked for the list does not ask again at once.
    pass(&cluster, &[&there], 10 * MINUTE_MS);
    let (alice, bob) = (cluster.user("eu1", "alice"), cluster.user("ru1", "bob"));
    let after = say(&bob, &room, "after").await;
    let from_eve = say(&eve, &room, "from-eve").await;
    for person in [&eve, &alice, &bob] {
        all_read(person, &room, &[&before, &after, &from_eve]).await;
    }
    say(&alice, taps.as_str(), "to-the-tap").await;
    let signed = || {
        let sent = tap.heard().into_iter().filter(|heard| heard.path.contains("/send/"));
        let events = sent.flat_map(|heard| heard.body["pdus"].as_array().cloned().unwrap_or_default());
        let last = events.last()?;
        let ours = last["signatures"][cluster.name().as_str()].as_object()?.clone();
        Some(ours.keys().cloned().collect::<Vec<_>>())
    };
    until("the next key signs", || async { signed() == Some(vec![rotation.new.clone()]) }).await;

    // A server that comes later knows neither key, and reads what either signed.
    let late = TestServer::federating_with(settings()).await.with_user("frank").await;
    let frank = late.user("frank");
    eve.post(&format!("{V3}/rooms/{room}/invite"), &json!({ "user_id": frank.id() })).await.ok();
    join(&frank, &room).await;
    all_read(&frank, &room, &[&before, &after, &from_eve]).await;
    // Who says something before they have heard of a server's coming does not tell it.
    until("those in the deployment know of frank", || async {
        let mut known = true;
        for by in [&alice, &bob] {
            let members = by.get(&format!("{V3}/rooms/{room}/joined_members")).await.ok();
            known &= members["joined"][frank.id()].is_object();
        }
        known
    })
    .await;

    // The end of the old key passes, and nothing comes to an end with it.
    pass(&cluster, &[&there, &late], 2 * DAY_MS);
    let later = say(&alice, &room, "later").await;
    for person in [&eve, &frank, &bob] {
        all_read(person, &room, &[&before, &after, &later]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_whose_key_nobody_knows_has_none_to_change() {
    let cluster = Cluster::of(&["eu", "ru"]).await;
    let refused = cluster.cell("ru1").services.own_keys.rotate().await.unwrap_err().to_string();
    assert!(refused.contains("does not name"), "{refused}");
}
