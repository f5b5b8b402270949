//! A fresh database on either engine, and the macro that runs a test on both.

use domicile_store::{Batch, Snapshot, Store, StoreError, StoreOptions, params};
use domicile_testkit::postgres::Database;
use tempfile::TempDir;

/// Where the database of one test is.
pub(crate) enum Place {
    Sqlite(TempDir),
    Postgres(Database),
}

impl Place {
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn postgres() -> Self {
        Self::Postgres(Database::create().expect("a database for the test"))
    }

    pub(crate) fn options(&self) -> StoreOptions {
        match self {
            Self::Sqlite(folder) => StoreOptions::Sqlite { path: folder.path().join("domicile.db"), readers: 3 },
            Self::Postgres(database) => StoreOptions::Postgres { url: database.address(), readers: 3 },
        }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(self.options()).await.expect("the store opens")
    }
}

/// Makes of each `async fn name(place: Place)` two tests, `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($($(#[$doc:meta])* async fn $name:ident($place:ident: Place) $body:block)*) => {$(
        $(#[$doc])*
        mod $name {
            use super::*;

            async fn run($place: $crate::fixture::Place) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                run($crate::fixture::Place::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                run($crate::fixture::Place::postgres()).await;
            }
        }
    )*};
}
pub(crate) use on_both;

/// Adds a row to `meta`; a conflict if the name is there.
pub(crate) fn put(batch: &mut Batch, name: &str, value: &str) {
    batch.push("INSERT INTO meta (name, value) VALUES ($1, $2)", params![name, value]);
}

/// Guards that a row of `meta` has a value, and gives it another.
pub(crate) fn change(batch: &mut Batch, name: &str, from: &str, to: &str) {
    batch.guard("meta.value", "UPDATE meta SET value = $3 WHERE name = $1 AND value = $2", params![name, from, to]);
}

/// The value of a row of `meta`.
pub(crate) async fn get(snapshot: &Snapshot, name: &str) -> Result<Option<String>, StoreError> {
    let row = snapshot.query_opt("SELECT value FROM meta WHERE name = $1", &params![name]).await?;
    row.map(|row| row.text(0).map(str::to_owned)).transpose()
}

/// The value of a row of `meta`, in a snapshot of its own.
pub(crate) async fn get_now(store: &Store, name: &'static str) -> Option<String> {
    store.read(move |snapshot| async move { get(&snapshot, name).await }).await.expect("meta can be read")
}
