//! Whether the server can do its work.

use domicile_store::{Store, table::fence};

use crate::{Error, Result, restore::State};

/// The state of what the server depends on.
pub struct Health {
    store: Store,
}

impl Health {
    /// The health of a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// An error if the database does not answer; how far the restoring of the cell is, if it serves nobody yet.
    pub async fn check(&self) -> Result<Option<State>> {
        let read = self.store.read(|snapshot| async move {
            snapshot.head().await?;
            Ok::<_, Error>(fence::read(&snapshot).await?)
        });
        read.await?.map(|text| serde_json::from_str(&text).map_err(Error::internal)).transpose()
    }
}
