//! Whether the server can do its work.

use domicile_store::Store;

use crate::{Error, Result};

/// The state of what the server depends on.
pub struct Health {
    store: Store,
}

impl Health {
    /// The health of a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// An error if the database does not answer.
    pub async fn check(&self) -> Result<()> {
        self.store.read(|snapshot| async move { snapshot.head().await.map_err(Error::from) }).await?;
        Ok(())
    }
}
