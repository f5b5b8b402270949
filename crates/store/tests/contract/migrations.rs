//! Migrations: once, and never over a newer or a foreign database.

use domicile_store::{Batch, Store, StoreError, migrate::MIGRATIONS, params};

use crate::fixture::{Place, on_both};

async fn reopen_after(place: &Place, sql: &'static str) -> Result<Store, StoreError> {
    let store = place.open().await;
    let mut batch = Batch::new();
    batch.push(sql, params![]);
    store.write(batch).await?;
    store.close().await;
    drop(store);
    Store::open(place.options()).await
}

on_both! {
    async fn an_old_database_opens_again(place: Place) {
        let store = place.open().await;
        let applied = store
            .read(|snapshot| async move { snapshot.query("SELECT number, checksum FROM schema_migrations", &[]).await })
            .await
            .expect("schema_migrations can be read");
        assert_eq!(applied.len(), MIGRATIONS.len());
        store.close().await;
        drop(store);
        place.open().await;
    }

    async fn a_newer_database_is_refused(place: Place) {
        let error = reopen_after(&place, "INSERT INTO schema_migrations (number, name, checksum) VALUES (9999, 'later', 'x')").await;
        let text = error.err().expect("it must be refused").to_string();
        assert!(text.contains("newer version"), "{text}");
    }

    async fn a_foreign_database_is_refused(place: Place) {
        let error = reopen_after(&place, "UPDATE schema_migrations SET checksum = 'x' WHERE number = 1").await;
        let text = error.err().expect("it must be refused").to_string();
        assert!(text.contains("different sources"), "{text}");
    }
}

/// Two nodes that start together on an empty database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_migrate_once() {
    let place = Place::postgres();
    let (first, second) = tokio::join!(Store::open(place.options()), Store::open(place.options()));
    first.expect("the store opens");
    second.expect("the store opens");
}

#[tokio::test]
async fn two_processes_never_share_a_sqlite_file() {
    let place = Place::sqlite();
    let _open = place.open().await;
    assert!(matches!(Store::open(place.options()).await, Err(StoreError::Locked(_))));
}
