//! Numbers for new rows are given once, whoever asks.

use std::collections::HashSet;

use domicile_store::{Store, StoreError, numbers::Sequence};

use crate::fixture::{Place, on_both};

async fn take(stores: Vec<Store>) {
    let mut tasks = Vec::new();
    for store in stores.iter().cycle().take(8) {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            for count in 0..60 {
                mine.push(store.number::<i64>(Sequence::User).await?);
                let first = store.numbers_in_a_row(Sequence::Job, count % 5 + 1).await?;
                mine.extend((0..=i64::try_from(count % 5).unwrap_or(0)).map(|more| -(first + more)));
            }
            Ok::<_, StoreError>(mine)
        }));
    }
    let mut seen = HashSet::new();
    for task in tasks {
        for number in task.await.expect("the task ends").expect("numbers are given") {
            assert!(number != 0 && seen.insert(number), "{number} was given twice");
        }
    }
}

on_both! {
    async fn numbers_are_given_once(place: Place) {
        let store = place.open().await;
        take(vec![store.clone()]).await;
        let before: i64 = store.number(Sequence::User).await.expect("a number");
        store.close().await;
        drop(store);
        let after: i64 = place.open().await.number(Sequence::User).await.expect("a number");
        assert!(after > before, "a number may have been given twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_never_give_the_same_number() {
    let place = Place::postgres();
    take(vec![place.open().await, place.open().await]).await;
}
