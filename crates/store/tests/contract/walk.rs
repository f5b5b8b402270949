//! The statements that follow from the catalogue: both engines understand them, they count every row once, and what has no index is known.

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::ids::UserNum;
use domicile_store::{
    Batch, Snapshot, Store, StoreError,
    catalogue::{self, Holds, Owner},
    params,
    walk::{self, Subject, statements},
};

use crate::fixture::on_both;

on_both! {
    async fn every_statement_of_the_walk_is_understood(place: Place) {
        let store = place.open().await;
        let mut wrong = Vec::new();
        for table in catalogue::tables() {
            for sql in statements::all(table) {
                let refused = store.read(move |snapshot| async move {
                    snapshot.prepare(sql).await.map_err(|error| StoreError::Database(format!("{error}\n    {sql}")))
                });
                if let Err(error) = refused.await {
                    wrong.push(error.to_string());
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn a_walk_counts_every_row_once(place: Place) {
        let store = place.open().await;
        fill(&store).await;
        let counted = counts(&store, "account_data").await;
        assert_eq!(counted, BTreeMap::from([(Subject::User(1), 3), (Subject::User(2), 1), (Subject::User(i64::MAX), 1)]));
        let counted = counts(&store, "access_tokens").await;
        assert_eq!(counted, BTreeMap::from([(Subject::User(1), 1), (Subject::Gone, 1)]));
        let counted = counts(&store, "receipts").await;
        assert_eq!(counted, BTreeMap::from([(Subject::User(1), 1), (Subject::User(2), 1)]));
        assert_eq!(counts(&store, "event_texts").await, BTreeMap::from([(Subject::Gone, 1)]));
        assert_eq!(counts(&store, "meta").await.len(), 0);
        assert_eq!(counts(&store, "stream_head").await, BTreeMap::from([(Subject::None, 1)]));

        let table = catalogue::table("account_data").unwrap();
        let named = walk::named(&store, table, Subject::User(2), true, 10).await.unwrap();
        assert_eq!(named[0].key, "user_num = 2, room_num = 0, kind = a");
        let table = catalogue::table("access_tokens").unwrap();
        let named = walk::named(&store, table, Subject::Gone, true, 10).await.unwrap();
        assert_eq!(named[0].key, "token_hash = 02");
    }

    async fn what_may_not_be_elsewhere_is_told_apart(place: Place) {
        let store = place.open().await;
        fill(&store).await;
        let mut wrong = BTreeMap::new();
        let table = catalogue::table("receipts").unwrap();
        walk::count(&store, table, |count| { wrong.insert(count.subject, count.wrong); }).await.unwrap();
        assert_eq!(wrong, BTreeMap::from([(Subject::User(1), 1), (Subject::User(2), 0)]));
    }

    async fn rows_of_a_person_come_in_pages_and_each_once(place: Place) {
        let store = place.open().await;
        fill(&store).await;
        let table = catalogue::table("account_data").unwrap();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = walk::rows::of_user(&store, table, UserNum(1), None, after.as_ref(), 2).await.unwrap();
            seen.extend(page.iter().map(|row| row.cells[2].shown()));
            match page.into_iter().last() {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        assert_eq!(seen, ["a", "b", "c"]);
    }

    async fn what_is_found_by_its_owner_has_an_index(place: Place) {
        let crate::fixture::Place::Sqlite(_) = &place else { return };
        let store = place.open().await;
        let leading = store.read(|snapshot| async move { leading(&snapshot).await }).await.unwrap();
        let mut wrong = Vec::new();
        for table in catalogue::tables() {
            let ((Owner::User(column) | Owner::Room(column) | Owner::Event(column) | Owner::Through { column, .. }, _)
            | (Owner::Cell, Some(column))) = (table.owner, table.second)
            else {
                continue;
            };
            let is_number = table.column(column).is_some_and(|column| column.holds != Holds::Value);
            let has_index = leading.contains(&(table.name.to_owned(), column.to_owned()));
            let listed = statements::BY_KEY.contains(&table.name);
            if is_number && has_index == listed {
                wrong.push(format!("{}.{column}: index {has_index}, listed in BY_KEY {listed}", table.name));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// The first column of every index, by table.
async fn leading(snapshot: &Snapshot) -> Result<BTreeSet<(String, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT t.name, i.name FROM sqlite_master t JOIN pragma_index_list(t.name) l JOIN pragma_index_info(l.name) i
             WHERE t.type = 'table' AND i.seqno = 0 AND l.partial = 0
             UNION SELECT t.name, c.name FROM sqlite_master t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND c.pk = 1
             AND (SELECT COUNT(*) FROM pragma_table_info(t.name) p WHERE p.pk > 0) = 1",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned()))).collect()
}

async fn counts(store: &Store, table: &str) -> BTreeMap<Subject, i64> {
    let mut counts = BTreeMap::new();
    let table = catalogue::table(table).expect("a table");
    walk::count(store, table, |count| *counts.entry(count.subject).or_default() += count.rows).await.expect("a walk");
    counts
}

async fn fill(store: &Store) {
    let mut batch = Batch::new();
    for (user_num, kind) in [(1, "a"), (1, "b"), (1, "c"), (2, "a"), (i64::MAX, "a")] {
        batch.push(
            "INSERT INTO account_data (user_num, room_num, kind, content, position) VALUES ($1, 0, $2, '{}', 1)",
            params![user_num, kind],
        );
    }
    batch.push("INSERT INTO devices (device_num, user_num, device_id, created_ts) VALUES (5, 1, 'A', 0)", params![]);
    for (token, device) in [(vec![1_u8], 5_i64), (vec![2], 6)] {
        batch.push("INSERT INTO access_tokens (token_hash, device_num) VALUES ($1, $2)", params![token, device]);
    }
    for (user_num, kind) in [(1_i64, "m.read.private"), (2, "m.read")] {
        batch.push(
            "INSERT INTO receipts (room_num, user_num, kind, thread, event_num, event_position, ts, position)
             VALUES (1, $1, $2, '', 1, 1, 1, 1)",
            params![user_num, kind],
        );
    }
    batch.push("INSERT INTO event_texts (rowid, words) VALUES ($1, WORDS($2))", params![7_i64, "word"]);
    store.write(batch).await.expect("the rows are written");
}
