//! Names of the directory: taken once, found whole, with the homes that they had.

use domicile_store::{Batch, Store, StoreError, table::directory_names};

use crate::fixture::on_both;

type Name = [u8; 16];

/// Names of which two are alike in their first half, and one in its second with another.
const NAMES: [Name; 3] = [
    [255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [255, 1, 2, 3, 4, 5, 6, 7, 128, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 1, 128, 0, 0, 0, 0, 0, 0, 0],
];
const MOVED: &str = r#"[{"home":"eu1"},{"home":"ru1"}]"#;

async fn homes(store: &Store, name: Name) -> Option<(String, i64)> {
    let read = store.read(move |snapshot| async move { directory_names::homes(&snapshot, &name).await });
    read.await.expect("names can be read")
}

async fn says(store: &Store, name: Name, homes_of: &str, log_index: i64) {
    assert_eq!(homes(store, name).await, Some((homes_of.to_owned(), log_index)));
}

async fn write(store: &Store, change: impl FnOnce(&mut Batch)) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    change(&mut batch);
    store.write(batch).await.map(drop)
}

/// Whether it was refused, as something that was written first.
async fn is_late(store: &Store, change: impl FnOnce(&mut Batch)) -> bool {
    write(store, change).await.is_err_and(|error| error.is_conflict())
}

on_both! {
    async fn a_name_is_taken_once(place: Place) {
        let store = place.open().await;
        // A home without a number does as well.
        write(&store, |batch| directory_names::take(batch, &NAMES[0], "eu1", 1)).await.expect("it is free");
        let numbered = write(&store, |batch| {
            for home in ["eu1", "ru1", "eu1"] {
                directory_names::number_home(batch, home);
            }
            directory_names::take(batch, &NAMES[1], "ru1", 2);
            directory_names::take(batch, &NAMES[2], "eu1", 3);
        });
        numbered.await.expect("they are free");
        for (name, home, log_index) in [(NAMES[0], "eu1", 1), (NAMES[1], "ru1", 2), (NAMES[2], "eu1", 3)] {
            says(&store, name, home, log_index).await;
            assert!(is_late(&store, |batch| directory_names::take(batch, &name, "ru1", 4)).await);
            says(&store, name, home, log_index).await;
        }
        let mut unknown = NAMES[0];
        unknown[15] = 0;
        assert_eq!(homes(&store, unknown).await, None);
    }

    async fn a_name_changes_hands_from_what_it_was(place: Place) {
        let store = place.open().await;
        for name in NAMES {
            let took = write(&store, |batch| {
                directory_names::number_home(batch, "eu1");
                directory_names::take(batch, &name, "eu1", 7);
            });
            took.await.expect("it is free");
        }
        let [first, second, third] = NAMES;
        write(&store, |batch| directory_names::transfer(batch, &first, ("eu1", MOVED), 8)).await.expect("it is there");
        says(&store, first, MOVED, 8).await;
        assert!(is_late(&store, |batch| directory_names::transfer(batch, &first, ("eu1", "ru1"), 9)).await);
        write(&store, |batch| directory_names::transfer(batch, &first, (MOVED, "ru1"), 9)).await.expect("it is there");
        says(&store, first, "ru1", 9).await;
        write(&store, |batch| directory_names::transfer(batch, &first, ("ru1", "eu1"), 10)).await.expect("it is there");
        says(&store, first, "eu1", 10).await;

        assert!(is_late(&store, |batch| directory_names::free(batch, &second, "ru1")).await);
        write(&store, |batch| directory_names::free(batch, &second, "eu1")).await.expect("it is there");
        assert_eq!(homes(&store, second).await, None);
        says(&store, third, "eu1", 7).await;
        write(&store, |batch| directory_names::hash_again(batch, &third, &second)).await.expect("it is there");
        says(&store, second, "eu1", 7).await;
        assert_eq!(homes(&store, third).await, None);
        write(&store, |batch| directory_names::take(batch, &third, "eu1", 11)).await.expect("it is free again");
    }
}
