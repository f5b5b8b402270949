//! Regions to which rooms go for the first time, alike on both engines.

use domicile_core::ids::{RoomNum, UserNum};
use domicile_store::{
    Batch, Store, params,
    table::new_regions::{self, Due, Fresh},
};

use crate::fixture::on_both;

const TEA: RoomNum = RoomNum(1);
const NOTICES: RoomNum = RoomNum(2);
const RU: &str = "=ru1";

async fn change(store: &Store, change: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new();
    change(&mut batch);
    store.write(batch).await.unwrap();
}

/// Two rooms with alice, who is here; the second is where she is told something.
async fn rooms(store: &Store) {
    change(store, |batch| {
        batch.push("INSERT INTO users (user_num, user_id, created_ts, is_local) VALUES (7, '@alice:example.org', 1, 1)", params![]);
        batch.push("INSERT INTO notice_rooms (user_num, room_id) VALUES (7, '!b')", params![]);
        batch.push("INSERT INTO destinations (destination_num, destination, position) VALUES (3, $1, 0)", params![RU]);
        for (room_num, room_id) in [(TEA, "!a"), (NOTICES, "!b")] {
            batch.push(
                "INSERT INTO rooms (room_num, room_id, room_version, revision, state_root, last_position, end_num, depth, totals, created_ts, has_copy)
                 VALUES ($1, $2, '12', 1, 1, 1, 1, 1, $3, 1, 1)",
                params![room_num, room_id, &b""[..]],
            );
            batch.push(
                "INSERT INTO memberships (room_num, user_num, membership, event_num, position, turned_position) VALUES ($1, 7, 'join', 1, 1, 1)",
                params![room_num],
            );
        }
    }).await;
}

async fn fresh(store: &Store) -> Vec<Fresh> {
    let read = store.read(|snapshot| async move {
        new_regions::fresh(&snapshot, [TEA, NOTICES], "ru", [RU.to_owned(), "=ru2".to_owned()]).await
    });
    read.await.unwrap()
}

async fn due(store: &Store) -> Vec<Due> {
    store.read(|snapshot| async move { new_regions::due(&snapshot, 10).await }).await.unwrap()
}

on_both! {
    async fn people_are_told_of_a_region_once(place: Place) {
        let store = place.open().await;
        rooms(&store).await;
        let tea = |is_noted| Fresh { room_num: TEA, room_id: "!a".to_owned(), is_noted };
        assert_eq!(fresh(&store).await, [tea(false)], "nobody needs to be told of the room in which they are told things");
        change(&store, |batch| new_regions::note(batch, TEA, "ru", 5)).await;
        change(&store, |batch| {
            batch.push(
                "INSERT INTO destination_rooms (room_num, destination_num, joined, since_position) VALUES (1, 3, 1, 0)",
                params![],
            );
        }).await;
        assert_eq!(fresh(&store).await, [tea(true)], "somebody came while people were still to be told");
        let one = Due { room_num: TEA, region: "ru".to_owned(), told_upto: UserNum(0) };
        assert_eq!(due(&store).await, std::slice::from_ref(&one));
        change(&store, |batch| new_regions::reach(batch, &one, UserNum(7), 1)).await;
        assert_eq!(due(&store).await[0].told_upto, UserNum(7));
        let waiting = async || {
            store.read(|snapshot| async move { new_regions::waiting(&snapshot, [TEA], "ru").await }).await.unwrap()
        };
        assert_eq!(waiting().await, 1);
        change(&store, |batch| new_regions::set_told(batch, &one)).await;
        assert_eq!((waiting().await, due(&store).await, fresh(&store).await), (0, vec![], vec![]));
        change(&store, |batch| new_regions::note(batch, TEA, "ru", 9)).await;
        assert!(due(&store).await.is_empty(), "once");
    }

    async fn a_cell_speaks_of_rooms_that_it_shares(place: Place) {
        let store = place.open().await;
        rooms(&store).await;
        let shared = async || {
            let read = store.read(|snapshot| async move {
                new_regions::shared_with(&snapshot, ["!a".to_owned(), "!b".to_owned(), "!c".to_owned()], RU).await
            });
            read.await.unwrap()
        };
        assert!(shared().await.is_empty());
        change(&store, |batch| {
            batch.push(
                "INSERT INTO destination_rooms (room_num, destination_num, joined, since_position) VALUES (1, 3, 1, 0), (2, 3, 0, 0)",
                params![],
            );
        }).await;
        assert_eq!(shared().await, [TEA]);
    }
}
