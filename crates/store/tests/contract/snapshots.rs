//! Snapshots: one consistent view for as long as a read runs.

use domicile_store::{Batch, StoreError};
use tokio::sync::oneshot;

use crate::fixture::{change, get, get_now, on_both, put};

on_both! {
    async fn a_snapshot_does_not_move(place: Place) {
        let store = place.open().await;
        let mut batch = Batch::new();
        put(&mut batch, "a", "1");
        store.write(batch).await.expect("the row is new");
        let (looked, wait) = oneshot::channel();
        let (go_on, written) = oneshot::channel::<()>();
        let reader = store.clone();
        let reading = tokio::spawn(async move {
            reader
                .read(|snapshot| async move {
                    let first = get(&snapshot, "a").await?;
                    looked.send(()).expect("the test waits");
                    written.await.expect("the test goes on");
                    Ok::<_, StoreError>((first, get(&snapshot, "a").await?))
                })
                .await
        });
        wait.await.expect("the reader looks");
        let mut batch = Batch::new();
        change(&mut batch, "a", "1", "2");
        store.write(batch).await.expect("readers do not hold up the writer");
        assert_eq!(get_now(&store, "a").await.as_deref(), Some("2"));
        go_on.send(()).expect("the reader waits");
        let (first, second) = reading.await.expect("the reader ends").expect("meta can be read");
        assert_eq!((first.as_deref(), second.as_deref()), (Some("1"), Some("1")));
    }

    /// A request that is dropped in the middle of a read must not leave its transaction to the next one.
    async fn a_dropped_read_leaves_nothing(place: Place) {
        let store = place.open().await;
        for number in 0..12 {
            let reader = store.clone();
            let read = reader.read(|snapshot| async move {
                get(&snapshot, "a").await?;
                tokio::task::yield_now().await;
                get(&snapshot, "a").await
            });
            drop(tokio::time::timeout(std::time::Duration::from_micros(number * 100), read).await);
        }
        let mut batch = Batch::new();
        put(&mut batch, "a", "1");
        store.write(batch).await.expect("the row is new");
        for _ in 0..4 {
            assert_eq!(get_now(&store, "a").await.as_deref(), Some("1"));
        }
    }

    async fn a_snapshot_ends_with_its_read(place: Place) {
        let store = place.open().await;
        let kept = store.read(|snapshot| async move { Ok::<_, StoreError>(snapshot) }).await.expect("a snapshot");
        assert!(kept.head().await.is_err());
        assert!(store.read(|snapshot| async move { snapshot.head().await }).await.is_ok());
    }

    async fn a_failed_query_is_an_error_of_its_read_alone(place: Place) {
        let store = place.open().await;
        for _ in 0..8 {
            let failed = store.read(|snapshot| async move { snapshot.query("SELECT a FROM no_such_table", &[]).await });
            assert!(matches!(failed.await, Err(StoreError::Database(_))));
            assert_eq!(get_now(&store, "a").await, None);
        }
    }
}
