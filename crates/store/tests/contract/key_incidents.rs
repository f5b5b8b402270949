//! What is remembered of other cells' people's keys, and what is told of them, alike on both engines.

use domicile_core::ids::UserNum;
use domicile_store::{
    Batch, Store, StoreError, params,
    table::{
        key_incidents::{self, KeyIncident, NewKeyIncident},
        pinned_keys::{self, PinnedKey},
        unsigned_devices::{self, UnsignedDevice},
    },
};

use crate::fixture::on_both;

const BOB: UserNum = UserNum(7);
const EVE: UserNum = UserNum(9);

async fn people(store: &Store) {
    let mut batch = Batch::new();
    for (user_num, user_id) in [(BOB, "@bob:example.org"), (EVE, "@eve:example.org")] {
        batch.push(
            "INSERT INTO users (user_num, user_id, created_ts, is_local) VALUES ($1, $2, 1, 0)",
            params![user_num, user_id],
        );
    }
    store.write(batch).await.unwrap();
}

async fn change(store: &Store, change: impl FnOnce(&mut Batch)) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    change(&mut batch);
    store.write(batch).await.map(drop)
}

fn new(user_num: UserNum, subject: &str) -> NewKeyIncident<'_> {
    NewKeyIncident { user_num, kind: "master_changed", subject, home: "ru1" }
}

async fn due(store: &Store, now_ms: i64) -> Vec<(KeyIncident, String)> {
    store.read(move |snapshot| async move { key_incidents::due(&snapshot, now_ms, 10).await }).await.unwrap()
}

on_both! {
    async fn the_last_key_is_pinned(place: Place) {
        let store = place.open().await;
        let pin = |user_num, key: &str, since_ts| PinnedKey {
            user_num, master_key: key.to_owned(), home: "ru1".to_owned(), since_ts,
        };
        change(&store, |batch| {
            pinned_keys::set(batch, &pin(BOB, "one", 1));
            pinned_keys::set(batch, &pin(EVE, "other", 2));
            pinned_keys::set(batch, &pin(BOB, "two", 3));
        }).await.unwrap();
        let of = async |users: Vec<UserNum>| {
            store.read(move |snapshot| async move { pinned_keys::of_users(&snapshot, users).await }).await.unwrap()
        };
        assert_eq!(of(vec![BOB, UserNum(8)]).await, [pin(BOB, "two", 3)]);
        let page = async |after| {
            store.read(move |snapshot| async move { pinned_keys::page(&snapshot, after, 1).await }).await.unwrap()
        };
        assert_eq!((page(UserNum::NOBODY).await, page(BOB).await, page(EVE).await), (vec![BOB], vec![EVE], vec![]));
        change(&store, |batch| pinned_keys::remove(batch, BOB)).await.unwrap();
        assert_eq!(of(vec![BOB, EVE]).await, [pin(EVE, "other", 2)]);
    }
}

on_both! {
    async fn a_device_is_decided_once(place: Place) {
        let store = place.open().await;
        let device = |id: &str, due_ts| UnsignedDevice {
            user_num: BOB, device_id: id.to_owned(), since_ts: 1, due_ts,
        };
        change(&store, |batch| {
            for (id, due_ts) in [("A", None), ("B", Some(10)), ("C", Some(20))] {
                unsigned_devices::set(batch, &device(id, due_ts));
            }
        }).await.unwrap();
        let due = async |now_ms| {
            store.read(move |snapshot| async move { unsigned_devices::due(&snapshot, now_ms, 10).await }).await.unwrap()
        };
        assert_eq!((due(9).await, due(10).await, due(30).await), (vec![], vec![BOB], vec![BOB]));
        change(&store, |batch| unsigned_devices::decide(batch, BOB, "B", 10)).await.unwrap();
        let again = change(&store, |batch| unsigned_devices::decide(batch, BOB, "B", 10)).await;
        assert!(again.is_err_and(|error| error.is_conflict()), "it was decided");
        change(&store, |batch| unsigned_devices::postpone(batch, BOB, 25, 40)).await.unwrap();
        let of_bob = async || {
            store.read(move |snapshot| async move { unsigned_devices::of_users(&snapshot, [BOB]).await }).await.unwrap()
        };
        assert_eq!(of_bob().await, [device("A", None), device("B", None), device("C", Some(40))]);
        change(&store, |batch| unsigned_devices::remove(batch, BOB, "C")).await.unwrap();
        assert_eq!((of_bob().await.len(), due(99).await), (2, vec![]));
        change(&store, |batch| unsigned_devices::remove_of(batch, BOB)).await.unwrap();
        assert_eq!(of_bob().await, []);
    }
}

on_both! {
    async fn what_happens_while_it_is_told_is_still_to_be_told(place: Place) {
        let store = place.open().await;
        people(&store).await;
        change(&store, |batch| {
            key_incidents::note(batch, new(BOB, "one"), 10);
            key_incidents::note(batch, new(BOB, "one"), 12);
            key_incidents::note(batch, new(EVE, "other"), 20);
        }).await.unwrap();
        assert_eq!(due(&store, 9).await, []);
        let found = due(&store, 15).await;
        let [(first, user_id)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((user_id.as_str(), first.first_ts, first.last_ts, first.times), ("@bob:example.org", 10, 12, 2));
        assert_eq!((first.due_ts, first.told_ts, first.told), (Some(10), None, 0));
        change(&store, |batch| key_incidents::reach(batch, first, UserNum(3), 2)).await.unwrap();
        let reached = due(&store, 15).await.remove(0).0;
        assert_eq!((reached.told_upto, reached.told), (UserNum(3), 2));
        change(&store, |batch| {
            key_incidents::note(batch, new(BOB, "one"), 16);
            key_incidents::set_told(batch, first, 17);
        }).await.unwrap();
        let again = due(&store, 18).await.remove(0).0;
        assert_eq!((again.times, again.told_ts, again.told_upto, again.told), (3, Some(17), UserNum::NOBODY, 2));
        let last = async |user_num| {
            store.read(move |snapshot| async move { key_incidents::last_told(&snapshot, user_num, "master_changed").await })
                .await.unwrap()
        };
        assert_eq!((last(BOB).await, last(EVE).await), (Some(17), None));
        change(&store, |batch| key_incidents::postpone(batch, BOB, "master_changed", 100)).await.unwrap();
        assert_eq!(due(&store, 50).await.len(), 1, "of the other one");
        let again = due(&store, 100).await.remove(1).0;
        change(&store, |batch| key_incidents::set_told(batch, &again, 101)).await.unwrap();
        let other = due(&store, 200).await.remove(0).0;
        change(&store, |batch| key_incidents::drop_due(batch, &other)).await.unwrap();
        assert_eq!(due(&store, 200).await, []);
    }
}

on_both! {
    async fn incidents_are_counted_listed_and_forgotten(place: Place) {
        let store = place.open().await;
        people(&store).await;
        change(&store, |batch| {
            key_incidents::note(batch, new(BOB, "one"), 10);
            key_incidents::note(batch, new(BOB, "two"), 11);
            key_incidents::note(batch, NewKeyIncident { kind: "uninvited_join", ..new(EVE, "!r") }, 12);
        }).await.unwrap();
        let counts = store.read(|snapshot| async move { key_incidents::counts(&snapshot).await }).await.unwrap();
        assert_eq!(counts, [("master_changed".to_owned(), 2), ("uninvited_join".to_owned(), 1)]);
        let of_bob = store.read(|snapshot| async move { key_incidents::count_of(&snapshot, BOB, "master_changed").await });
        assert_eq!(of_bob.await.unwrap(), 2);
        let newest = async || {
            let read = store.read(|snapshot| async move { key_incidents::newest(&snapshot, 2).await });
            read.await.unwrap().into_iter().map(|(incident, _)| incident.subject).collect::<Vec<_>>()
        };
        assert_eq!(newest().await, ["!r", "two"]);
        change(&store, |batch| key_incidents::remove_before(batch, 12)).await.unwrap();
        assert_eq!(newest().await, ["!r"]);
    }
}
