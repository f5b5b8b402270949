//! What an outage costs: nothing that was acknowledged, and no more than the requests of that moment.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use domicile_store::{Batch, Store, StoreError, Value, params};

use crate::fixture::{Place, get_now, put};

/// Ends all other connections to this database.
const END_OTHERS: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";

async fn count(store: &Store) -> Result<(i64, i64), StoreError> {
    store
        .read(|snapshot| async move {
            let row = snapshot.query_one("SELECT COUNT(*) FROM to_device_messages", &[]).await?;
            Ok((row.int(0)?, snapshot.head().await?.0))
        })
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_connections_lose_nothing_that_was_acknowledged() {
    let place = Place::postgres();
    let store = place.open().await;
    let vandal = place.open().await;
    let done = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for number in 0..4_i64 {
        let (store, done) = (store.clone(), Arc::clone(&done));
        writers.push(tokio::spawn(async move {
            let (mut acknowledged, mut uncertain) = (Vec::new(), 0);
            while !done.load(Ordering::SeqCst) {
                let mut batch = Batch::new();
                let position = batch.position();
                batch.push(
                    "INSERT INTO to_device_messages (device_num, position, part, content) VALUES ($1, $2, 0, '')",
                    vec![Value::Int(number), position],
                );
                match store.write(batch).await {
                    Ok(committed) => acknowledged.push(committed.position(0).0),
                    Err(error) => {
                        assert!(!error.is_conflict(), "{error}");
                        uncertain += 1;
                    }
                }
            }
            (acknowledged, uncertain)
        }));
    }
    for _ in 0..8 {
        tokio::time::sleep(Duration::from_millis(120)).await;
        // It may cut its own reader's branch too: then it is enough that the others fell.
        let _cut =
            vandal.read(|snapshot| async move { snapshot.query(END_OTHERS, &[]).await.map(|rows| rows.len()) }).await;
    }
    done.store(true, Ordering::SeqCst);
    let (mut acknowledged, mut uncertain) = (Vec::new(), 0);
    for writer in writers {
        let (theirs, unsure) = writer.await.expect("the writer ends");
        acknowledged.extend(theirs);
        uncertain += unsure;
    }
    let written = acknowledged.len();
    acknowledged.sort_unstable();
    acknowledged.dedup();
    assert_eq!(acknowledged.len(), written, "a position was acknowledged twice");
    assert!(written > 50, "only {written} batches got through");
    let (rows, head) = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            // Idle connections that were cut are noticed, at the latest, when they are used.
            if let Ok(found) = count(&store).await {
                break found;
            }
        }
    })
    .await
    .expect("the store recovers");
    assert_eq!(rows, head, "a position without its row, or a row twice");
    let written = i64::try_from(written).expect("few");
    assert!(rows >= written, "{written} were acknowledged, {rows} are there");
    assert!(rows <= written + uncertain, "{rows} are there, {written} were acknowledged and {uncertain} uncertain");
    let missing = store
        .read(move |snapshot| async move {
            let list = domicile_store::value::int_list(acknowledged);
            let sql = "SELECT COUNT(*) FROM to_device_messages WHERE position IN INTS($1)";
            Ok::<_, StoreError>(written - snapshot.query_one(sql, &[list]).await?.int(0)?)
        })
        .await
        .expect("they can be read");
    assert_eq!(missing, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_deleted_leaves_the_log_and_the_file() {
    let place = Place::sqlite();
    let store = place.open().await;
    let mut batch = Batch::new();
    put(&mut batch, "a", &"planted secret ".repeat(100));
    store.write(batch).await.expect("the row is new");
    let found = || {
        let Place::Sqlite(folder) = &place else { return Vec::new() };
        let files = fs::read_dir(folder.path()).expect("the folder").flatten();
        let holds = |path: &std::path::Path| {
            fs::read(path).is_ok_and(|bytes| bytes.windows(14).any(|window| window == b"planted secret"))
        };
        files.map(|entry| entry.path()).filter(|path| holds(path)).collect::<Vec<_>>()
    };
    assert!(!found().is_empty());
    let mut batch = Batch::new();
    batch.push("DELETE FROM meta WHERE name = $1", params!["a"]);
    store.write(batch).await.expect("it is deleted");
    store.empty_log().await.expect("the log is emptied");
    assert_eq!(found(), Vec::<std::path::PathBuf>::new());
    assert_eq!(get_now(&store, "a").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_told_from_other_failures() {
    let place = Place::postgres();
    let store = place.open().await;
    let mut batch = Batch::new();
    batch.push("DO $full$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = 'disk_full'; END $full$", params![]);
    let full = store.write(batch).await;
    assert!(full.as_ref().is_err_and(StoreError::is_full), "{full:?}");
    let mut batch = Batch::new();
    batch.push("DO $full$ BEGIN RAISE EXCEPTION 'no luck'; END $full$", params![]);
    let failed = store.write(batch).await;
    assert!(matches!(failed, Err(StoreError::Database(_))), "{failed:?}");
}
