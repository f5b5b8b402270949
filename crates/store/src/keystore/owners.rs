//! Whose keys a keystore has, for who may read it and has no master key: no key is opened, and none is even asked for.

use super::{KeystorePlace, rows::Rows};
use crate::StoreError;

/// The owners of the keys of a keystore.
pub struct KeyOwners {
    rows: Rows,
}

impl KeyOwners {
    /// Opens a keystore that is there, only to read it. An error if it cannot be read.
    pub async fn open_reading(place: KeystorePlace) -> Result<Self, StoreError> {
        let rows = Rows::open_reading(place).await?;
        rows.owners(i64::MIN, 1).await?;
        Ok(Self { rows })
    }

    /// The numbers of those who have a key, after a number, at most `limit`; the cell's own is not among them.
    pub async fn owners(&self, after: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
        self.rows.owners(after, limit).await
    }
}
