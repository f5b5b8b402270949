//! Words are found and forgotten alike on both engines, and on SQLite what was forgotten is not in the file either.

use domicile_core::ids::{EventNum, Position, RoomNum};
use domicile_store::{Batch, Store, params, table::search};

use crate::fixture::{Place, on_both};

async fn add(store: &Store, event_num: i64, words: &str) {
    let mut batch = Batch::new();
    let id = format!("$event{event_num}");
    batch.push(
        "INSERT INTO events (event_num, room_num, event_id, sender_num, origin_server_ts, state_before, json)
         VALUES ($1, 1, $2, 1, 1, 1, $3)",
        params![event_num, id.as_bytes(), b"{}".as_slice()],
    );
    search::insert(&mut batch, EventNum(event_num), words);
    store.write(batch).await.expect("words are added");
}

async fn remove(store: &Store, event_num: i64) {
    let mut batch = Batch::new();
    search::remove(&mut batch, EventNum(event_num));
    store.write(batch).await.expect("words are removed");
}

async fn find(store: &Store, query: &'static str, before: i64) -> Vec<i64> {
    let found =
        store.read(move |snapshot| async move { search::matching(&snapshot, query, EventNum(before), 10).await });
    found.await.expect("a search").into_iter().map(|num| num.0).collect()
}

on_both! {
    async fn words_are_found_and_forgotten(place: Place) {
        let store = place.open().await;
        add(&store, 1, "r1 bcake bgrüße").await;
        add(&store, 2, "r2 bcake bбулка").await;
        add(&store, 3, "r1 ncake").await;
        assert_eq!(find(&store, "(bcake) AND (r1 OR r2)", 99).await, [2, 1]);
        assert_eq!(find(&store, "(bcake OR ncake) AND (r1)", 99).await, [3, 1]);
        assert_eq!(find(&store, "(bcake) AND (r1 OR r2)", 2).await, [1]);
        assert_eq!(find(&store, "(bgrüße) AND (bcake) AND (r1)", 99).await, [1]);
        assert_eq!(find(&store, "(bбулка) AND (r2)", 99).await, [2]);
        assert!(find(&store, "(bcak) AND (r1)", 99).await.is_empty());
        remove(&store, 1).await;
        remove(&store, 1).await;
        let mut batch = Batch::new();
        batch.push("UPDATE events SET redacted_by = 9 WHERE event_num = 1", params![]);
        search::insert(&mut batch, EventNum(1), "r1 bgrüße");
        store.write(batch).await.expect("a batch");
        assert!(find(&store, "(bgrüße) AND (r1)", 99).await.is_empty());
        assert_eq!(find(&store, "(bcake) AND (r1 OR r2)", 99).await, [2]);
    }
}

on_both! {
    async fn a_cursor_is_moved_by_one_at_a_time(place: Place) {
        let store = place.open().await;
        let room = RoomNum(7);
        let at = async || store.read(move |snapshot| async move { search::cursor(&snapshot, room).await }).await;
        let advance = async |from: Option<i64>, to: i64| {
            let mut batch = Batch::new();
            search::advance(&mut batch, room, from.map(Position), Position(to));
            store.write(batch).await
        };
        assert_eq!(at().await.expect("a read"), None);
        advance(None, 10).await.expect("the first");
        assert!(advance(None, 20).await.is_err_and(|error| error.is_conflict()), "there is one already");
        advance(Some(10), 20).await.expect("the next");
        assert!(advance(Some(10), 30).await.is_err_and(|error| error.is_conflict()), "somebody was faster");
        assert_eq!(at().await.expect("a read"), Some(Position(20)));
    }
}

#[tokio::test]
async fn what_is_forgotten_is_not_in_the_file() {
    let place = Place::sqlite();
    let store = place.open().await;
    for number in 0..200 {
        add(&store, number, "r1 bsomething").await;
    }
    add(&store, 500, "r1 bzwetschgenknoedel bsomething").await;
    let holds = || {
        let Place::Sqlite(folder) = &place else { unreachable!("the test is about SQLite") };
        let bytes =
            ["domicile.db", "domicile.db-wal"].map(|name| std::fs::read(folder.path().join(name)).unwrap_or_default());
        bytes.iter().any(|bytes| bytes.windows(8).any(|part| part == b"wetschge"))
    };
    assert!(holds(), "the test finds what is there");
    remove(&store, 500).await;
    store.empty_log().await.expect("the log is emptied");
    assert!(!holds(), "a word of a deleted event is still on the disk");
}
