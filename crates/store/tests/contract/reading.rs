//! A database that is opened only to be read: beside a store that writes and without one, and by a program that has its schema.

use std::{fs, path::Path, time::Duration};

use domicile_core::{ids::UserNum, rng::OsRng};
use domicile_store::{
    Batch, KeyOwners, Keystore, KeystoreOptions, KeystorePlace, MasterSource, Store, StoreError, StoreOptions, params,
};

use crate::fixture::{Place, change, get_now, on_both, put};

async fn reading(place: &Place) -> Result<Store, StoreError> {
    Store::open_reading(place.options()).await
}

/// Why it cannot be opened.
async fn refused(place: &Place) -> String {
    reading(place).await.err().expect("it must be refused").to_string()
}

/// Writes once, as a server that ends.
async fn write(place: &Place, batch: Batch) {
    let store = place.open().await;
    store.write(batch).await.expect("it is written");
    store.close().await;
}

fn statement(sql: &'static str) -> Batch {
    let mut batch = Batch::new();
    batch.push(sql, params![]);
    batch
}

/// What lies in a folder.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("an entry").file_name().into_string();
    let mut names: Vec<String> = entries.map(|entry| name(entry).expect("a name")).collect();
    names.sort();
    names
}

/// A file of a store that has ended, with its last connection.
async fn left(folder: &Path) -> StoreOptions {
    let options = StoreOptions::Sqlite { path: folder.join("domicile.db"), readers: 1 };
    let store = Store::open(options.clone()).await.expect("the store opens");
    let mut batch = Batch::new();
    put(&mut batch, "a", "1");
    store.write(batch).await.expect("it is written");
    store.close().await;
    drop(store);
    for _ in 0..500 {
        if !folder.join("domicile.db-wal").exists() {
            return options;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the log is still there: {:?}", files(folder));
}

on_both! {
    async fn what_is_written_is_read_and_nothing_is_written(place: Place) {
        let store = place.open().await;
        let mut batch = Batch::new();
        put(&mut batch, "a", "1");
        store.write(batch).await.expect("it is written");
        let reader = reading(&place).await.expect("it is opened beside the other");
        assert_eq!(get_now(&reader, "a").await.as_deref(), Some("1"));
        let mut batch = Batch::new();
        change(&mut batch, "a", "1", "2");
        store.write(batch).await.expect("who reads is in nobody's way");
        assert_eq!(get_now(&reader, "a").await.as_deref(), Some("2"));
        let mut batch = Batch::new();
        put(&mut batch, "b", "1");
        assert!(matches!(reader.write(batch).await, Err(StoreError::Reading)));
        assert!(matches!(reader.empty_log().await, Err(StoreError::Reading)));
        // Nor does a statement that gets past that.
        let sql = "UPDATE meta SET value = '3' WHERE name = 'a' RETURNING value";
        let past = reader.read(move |snapshot| async move { snapshot.query(sql, &[]).await }).await;
        let text = past.expect_err("it must be refused").to_string();
        assert!(text.contains("read-only") || text.contains("readonly"), "{text}");
        store.close().await;
        drop(store);
        let again = reading(&place).await.expect("it is opened alone");
        assert_eq!(get_now(&again, "a").await.as_deref(), Some("2"));
        again.close().await;
        assert!(matches!(again.read(|snapshot| async move { snapshot.head().await }).await, Err(StoreError::Closed)));
    }

    async fn another_schema_is_refused_and_left_as_it_is(place: Place) {
        write(&place, statement("INSERT INTO schema_migrations (number, name, checksum) VALUES (9999, 'later', 'x')")).await;
        let text = refused(&place).await;
        assert!(text.contains("newer version"), "{text}");
    }

    async fn an_older_schema_is_refused_and_left_as_it_is(place: Place) {
        write(&place, statement("DELETE FROM schema_migrations WHERE number = 1")).await;
        for _ in 0..2 {
            let text = refused(&place).await;
            assert!(text.contains("lacks 1 migration") && text.contains("older version"), "{text}");
        }
    }

    async fn owners_of_keys_are_read_without_the_master_key(place: Place) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = match &place {
            Place::Sqlite(folder) => KeystorePlace::Sqlite { path: folder.path().join("keystore.db") },
            Place::Postgres(database) => KeystorePlace::Postgres { url: database.address() },
        };
        assert!(KeyOwners::open_reading(at.clone()).await.is_err(), "there is none yet");
        assert!(KeyOwners::open_reading(at.clone()).await.is_err(), "and none was made");
        let master = MasterSource::File(folder.path().join("master.key"));
        let options = KeystoreOptions { place: at.clone(), master, cached: 4 };
        let keystore = Keystore::open(options, std::sync::Arc::new(OsRng), 1_000).await.expect("the keystore opens");
        for number in [7, 3, 5] {
            keystore.create(UserNum(number)).await.expect("a key");
        }
        let owners = KeyOwners::open_reading(at).await.expect("it is opened");
        assert_eq!(owners.owners(i64::MIN, 2).await.expect("a page"), [3, 5]);
        assert_eq!(owners.owners(5, 2).await.expect("a page"), [7]);
        assert_eq!(keystore.owners(UserNum::NOBODY.0, 9).await.expect("a page"), [3, 5, 7]);
    }
}

#[tokio::test]
async fn what_is_no_database_of_ours_is_refused() {
    let text = refused(&Place::postgres()).await;
    assert!(text.contains("no database of Domicile"), "{text}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("domicile.db");
    let open = || Store::open_reading(StoreOptions::Sqlite { path: path.clone(), readers: 1 });
    let text = open().await.err().expect("there is none").to_string();
    assert!(text.contains("cannot open") && files(folder.path()).is_empty(), "{text}");
    fs::write(&path, []).expect("a file");
    let text = open().await.err().expect("it is empty").to_string();
    assert!(text.contains("no database of Domicile"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_made_beside_a_file_that_nobody_uses() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path().join("100% of it? yes #1");
    fs::create_dir(&folder).expect("a folder");
    let options = left(&folder).await;
    let before = files(&folder);
    let reader = Store::open_reading(options).await.expect("it is opened");
    assert_eq!(get_now(&reader, "a").await.as_deref(), Some("1"));
    assert_eq!(files(&folder), before);
    reader.close().await;
    assert_eq!(files(&folder), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_found_behind_a_link() {
    let (folder, links) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let link = links.path().join("domicile.db");
    std::os::unix::fs::symlink(folder.path().join("domicile.db"), &link).expect("a link");
    let store = Store::open(StoreOptions::Sqlite { path: folder.path().join("domicile.db"), readers: 1 }).await;
    let store = store.expect("the store opens");
    let mut batch = Batch::new();
    put(&mut batch, "a", "1");
    store.write(batch).await.expect("it is written");
    let reader = Store::open_reading(StoreOptions::Sqlite { path: link, readers: 1 }).await.expect("it is opened");
    assert_eq!(get_now(&reader, "a").await.as_deref(), Some("1"));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_taken_into_use_is_not_read_on() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let options = left(folder.path()).await;
    let reader = Store::open_reading(options.clone()).await.expect("it is opened");
    assert_eq!(get_now(&reader, "a").await.as_deref(), Some("1"));
    let store = Store::open(options.clone()).await.expect("nobody is kept from it");
    let read = reader.read(|snapshot| async move { snapshot.head().await }).await;
    assert!(matches!(read, Err(StoreError::Locked(_))), "{read:?}");
    let again = Store::open_reading(options).await.expect("it is opened beside the other");
    assert_eq!(get_now(&again, "a").await.as_deref(), Some("1"));
    store.close().await;
}
