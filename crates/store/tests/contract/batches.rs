//! Batches: whole or not at all, guards, and who suffers from whose failure.

use domicile_store::{Batch, StoreError, Value, params};

use crate::fixture::{change, get_now, on_both, put};

on_both! {
    /// A guard that fails takes everything with it, what came before it included.
    async fn a_batch_is_applied_whole_or_not_at_all(place: Place) {
        let store = place.open().await;
        let mut batch = Batch::new();
        put(&mut batch, "a", "1");
        change(&mut batch, "nothing", "x", "y");
        put(&mut batch, "b", "1");
        assert!(matches!(store.write(batch).await, Err(StoreError::Conflict("meta.value"))));
        assert_eq!(get_now(&store, "a").await, None);
        let mut batch = Batch::new();
        put(&mut batch, "a", "1");
        put(&mut batch, "b", "1");
        change(&mut batch, "a", "1", "2");
        store.write(batch).await.expect("the guard holds");
        assert_eq!(get_now(&store, "a").await.as_deref(), Some("2"));
        assert_eq!(get_now(&store, "b").await.as_deref(), Some("1"));
    }

    async fn a_row_that_must_be_new_is_a_conflict(place: Place) {
        let store = place.open().await;
        let mut batch = Batch::new();
        put(&mut batch, "a", "1");
        store.write(batch.clone()).await.expect("the row is new");
        let error = store.write(batch).await.expect_err("the row is there");
        assert!(error.is_conflict(), "{error}");
    }

    /// `PostgreSQL` can store no text with a NUL character, so neither engine does, and neither finds one.
    async fn a_text_with_a_nul_is_refused(place: Place) {
        let store = place.open().await;
        let mut batch = Batch::new();
        put(&mut batch, "a", "1\0");
        assert!(matches!(store.write(batch).await, Err(StoreError::Nul)));
        assert_eq!(get_now(&store, "a").await, None);
        let found = store.read(|snapshot| async move {
            snapshot.query("SELECT value FROM meta WHERE name = $1", &params!["a\0"]).await
        });
        assert!(matches!(found.await, Err(StoreError::Nul)));
        let list = Value::from(r#"["a\u0000"]"#);
        assert_ne!(domicile_store::value::text_list(["a\0"]), list);
    }

    /// Of many writers that go from the same value, exactly one succeeds; in one group or in many.
    async fn one_of_many_wins(place: Place) {
        let store = place.open().await;
        let mut batch = Batch::new();
        put(&mut batch, "a", "0");
        store.write(batch).await.expect("the row is new");
        for round in 0..10 {
            let mut tasks = Vec::new();
            for _ in 0..20 {
                let store = store.clone();
                tasks.push(tokio::spawn(async move {
                    let mut batch = Batch::new();
                    change(&mut batch, "a", &round.to_string(), &(round + 1).to_string());
                    store.write(batch).await
                }));
            }
            let mut won = 0;
            for task in tasks {
                match task.await.expect("the task ends") {
                    Ok(_) => won += 1,
                    Err(error) => assert!(error.is_conflict(), "{error}"),
                }
            }
            assert_eq!(won, 1);
        }
        assert_eq!(get_now(&store, "a").await.as_deref(), Some("10"));
    }

    /// Batches that fail, in each way they can, leave their neighbours of the same group alone.
    async fn a_failing_batch_fails_alone(place: Place) {
        let store = place.open().await;
        let mut batch = Batch::new();
        put(&mut batch, "taken", "1");
        store.write(batch).await.expect("the row is new");
        let mut tasks = Vec::new();
        for number in 0..120_i64 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let mut batch = Batch::new();
                let position = batch.position();
                batch.push(
                    "INSERT INTO account_data (user_num, room_num, kind, content, position) VALUES ($1, 0, 'k', '{}', $2)",
                    vec![Value::Int(number), position],
                );
                match number % 4 {
                    1 => put(&mut batch, "taken", "2"),
                    2 => change(&mut batch, "taken", "no", "no"),
                    3 if number % 8 == 3 => {
                        batch.push("INSERT INTO no_such_table (a) VALUES ($1)", params![1_i64]);
                    }
                    3 => {
                        batch.push("INSERT INTO meta (name, value) VALUES ($1, $2)", vec![Value::from("n"), Value::Null]);
                    }
                    _ => {}
                }
                (number, store.write(batch).await)
            }));
        }
        let mut seen = std::collections::BTreeSet::new();
        for task in tasks {
            let (number, outcome) = task.await.expect("the task ends");
            match (number % 4, outcome) {
                (0, Ok(committed)) => assert!(seen.insert(committed.position(0)), "a position was given twice"),
                (1 | 2, Err(StoreError::Conflict(_))) | (3, Err(StoreError::Database(_))) => {}
                (_, outcome) => panic!("batch {number}: {outcome:?}"),
            }
        }
        assert_eq!(seen.len(), 30);
        let (rows, last) = store
            .read(|snapshot| async move {
                let row = snapshot.query_one("SELECT COUNT(*), MAX(position) FROM account_data", &[]).await?;
                Ok::<_, StoreError>((row.int(0)?, row.int(1)?))
            })
            .await
            .expect("account_data can be read");
        assert_eq!((rows, last), (30, 30), "positions of failed batches must not be lost");
    }

    async fn bulk_work_lets_others_go_first(place: Place) {
        let store = place.open().await;
        let mut tasks = Vec::new();
        for number in 0..50_i64 {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let mut batch = Batch::new();
                batch.low_priority();
                batch.position();
                put(&mut batch, &format!("low {number}"), "1");
                store.write(batch).await.map(|committed| committed.position(0).0)
            }));
        }
        let mut batch = Batch::new();
        batch.position();
        put(&mut batch, "high", "1");
        let high = store.write(batch).await.expect("the batch is applied").position(0).0;
        let mut after = 0;
        for task in tasks {
            if task.await.expect("the task ends").expect("the batch is applied") > high {
                after += 1;
            }
        }
        assert!(after > 0, "the batch of high priority came last");
    }

    /// Every kind of value comes back as it went, nulls in every kind of column too.
    async fn values_come_back(place: Place) {
        let store = place.open().await;
        let text = "Grüße, 世界 \u{1F3E0}";
        let mut batch = Batch::new();
        batch.push(
            "INSERT INTO media (media_id, user_num, created_ts, content_hash, content_type, expires_ts) VALUES ($1, $2, $3, $4, $5, $6)",
            params![text, i64::MAX, i64::MIN, vec![0_u8, 255, 7], None::<String>, None::<i64>],
        );
        batch.push(
            "INSERT INTO media (media_id, user_num, created_ts, content_hash, content_type, expires_ts) VALUES ($1, $2, $3, $4, $5, $6)",
            params!["b", 0_i64, true, None::<Vec<u8>>, "", Some(5_i64)],
        );
        store.write(batch).await.expect("the rows are new");
        let rows = store
            .read(|snapshot| async move {
                snapshot
                    .query(
                        "SELECT media_id, user_num, created_ts, content_hash, content_type, expires_ts FROM media
                         WHERE user_num IN INTS($1) ORDER BY media_id",
                        &[domicile_store::value::int_list([0_i64, i64::MAX])],
                    )
                    .await
            })
            .await
            .expect("media can be read");
        assert_eq!(rows[1].text(0).expect("text"), "b");
        assert_eq!(rows[1].opt_blob(3).expect("null"), None);
        assert_eq!(rows[1].text(4).expect("text"), "");
        assert!(rows[1].flag(2).expect("truth"));
        assert_eq!(rows[0].text(0).expect("text"), text);
        assert_eq!((rows[0].int(1).expect("int"), rows[0].int(2).expect("int")), (i64::MAX, i64::MIN));
        assert_eq!(rows[0].blob(3).expect("bytes").as_ref(), [0, 255, 7]);
        assert_eq!((rows[0].opt_text(4).expect("null"), rows[0].opt_int(5).expect("null")), (None, None));
        let sum: Result<i64, StoreError> = store
            .read(|snapshot| async move { snapshot.query_one("SELECT SUM(expires_ts) FROM media", &[]).await?.int(0) })
            .await;
        assert_eq!(sum.expect("a sum"), 5);
    }

    async fn texts_sort_by_their_bytes(place: Place) {
        let store = place.open().await;
        let mut batch = Batch::new();
        for name in ["b", "B", "a", "_", "é", "A"] {
            put(&mut batch, name, "");
        }
        store.write(batch).await.expect("the rows are new");
        let names = store
            .read(|snapshot| async move {
                let rows = snapshot.query("SELECT name FROM meta ORDER BY name", &[]).await?;
                rows.iter().map(|row| row.text(0).map(str::to_owned)).collect::<Result<Vec<_>, StoreError>>()
            })
            .await
            .expect("meta can be read");
        let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| name.chars().count() == 1).collect();
        assert_eq!(names, ["A", "B", "_", "a", "b", "é"]);
    }

    async fn nothing_is_written_after_the_end(place: Place) {
        let store = place.open().await;
        let mut batch = Batch::new();
        put(&mut batch, "a", "1");
        store.write(batch.clone()).await.expect("the row is new");
        store.close().await;
        assert!(matches!(store.write(batch).await, Err(StoreError::Closed)));
        let read: Result<(), StoreError> = store.read(|_| async { Ok(()) }).await;
        assert!(matches!(read, Err(StoreError::Closed)));
        drop(store);
        let store = place.open().await;
        assert_eq!(get_now(&store, "a").await.as_deref(), Some("1"));
    }
}
