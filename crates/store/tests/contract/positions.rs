//! Positions: without gaps, in the order of the commits, and visible in that order.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use domicile_store::{Batch, Store, StoreError, Value};

use crate::fixture::{Place, on_both};

/// Writes `positions` rows that each take a position.
async fn write(store: &Store, user_num: i64, positions: usize) -> Result<i64, StoreError> {
    let mut batch = Batch::new();
    for part in 0..positions {
        let position = batch.position();
        batch.push(
            "INSERT INTO to_device_messages (device_num, position, part, content) VALUES ($1, $2, $3, '')",
            vec![Value::Int(user_num), position, Value::from(i64::try_from(part).expect("few"))],
        );
    }
    Ok(store.write(batch).await?.last().0)
}

/// Reads the head, and in the same snapshot every position up to it: they must be all there, and nothing after.
async fn check(store: &Store) -> Result<i64, StoreError> {
    store
        .read(|snapshot| async move {
            // The rows first: a snapshot that is none would see more by the time it reads the head.
            let row = snapshot.query_one("SELECT COUNT(*), MAX(position) FROM to_device_messages", &[]).await?;
            let (count, last) = (row.int(0)?, row.opt_int(1)?.unwrap_or(0));
            let head = snapshot.head().await?.0;
            assert_eq!((count, last), (head, head), "rows, last position, head");
            Ok(head)
        })
        .await
}

async fn storm(stores: Vec<Store>) {
    const ROUNDS: i64 = 40;
    let done = Arc::new(AtomicBool::new(false));
    let mut readers = Vec::new();
    for store in &stores {
        for _ in 0..2 {
            let (store, done) = (store.clone(), Arc::clone(&done));
            readers.push(tokio::spawn(async move {
                let mut last = 0;
                let mut looks = 0_u32;
                while !done.load(Ordering::SeqCst) {
                    let head = check(&store).await.expect("the head can be read");
                    assert!(head >= last, "the head went back");
                    last = head;
                    looks += 1;
                }
                looks
            }));
        }
    }
    let mut writers = Vec::new();
    for (number, store) in stores.iter().cloned().enumerate() {
        for writer in 0..8 {
            let store = store.clone();
            writers.push(tokio::spawn(async move {
                let user_num = i64::try_from(number).expect("few") * 100 + writer;
                for round in 0..ROUNDS {
                    let count = usize::try_from(round % 3).expect("small");
                    let last = write(&store, user_num, count).await.expect("the batch is applied");
                    // What was acknowledged is in the next snapshot.
                    assert!(check(&store).await.expect("the head can be read") >= last);
                }
            }));
        }
    }
    for writer in writers {
        writer.await.expect("the writer ends");
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.expect("the reader ends") > 0);
    }
    let wanted = i64::try_from(stores.len()).expect("few") * 8 * (0..ROUNDS).map(|round| round % 3).sum::<i64>();
    assert_eq!(check(&stores[0]).await.expect("the head can be read"), wanted);
}

on_both! {
    async fn positions_become_visible_in_order(place: Place) {
        storm(vec![place.open().await]).await;
    }
}

/// Two nodes of one cell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn positions_become_visible_in_order_whoever_writes() {
    let place = Place::postgres();
    storm(vec![place.open().await, place.open().await]).await;
}
