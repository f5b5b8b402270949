//! Filters that clients store and name by a number.

use domicile_core::error::ErrorKind;
use domicile_store::{Batch, Store, table};
use sha2::{Digest, Sha256};

use crate::{Result, accounts::Session, error::not_found};

/// Filters that one user may store.
const LARGEST_COUNT: i64 = 1_000;
/// Bytes of one filter.
const LARGEST_SIZE: usize = 64 * 1024;

/// Stored filters.
pub struct Filters {
    store: Store,
}

impl Filters {
    /// Over a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Stores a filter and gives its id; the same filter has the same id.
    pub async fn add(&self, by: &Session, definition: String) -> Result<String> {
        if definition.len() > LARGEST_SIZE {
            return Err(ErrorKind::TooLarge.with(format!("A filter has at most {LARGEST_SIZE} bytes.")).into());
        }
        let hash: [u8; 32] = Sha256::digest(definition.as_bytes()).into();
        let user_num = by.user_num;
        loop {
            let (known, count) = self
                .store
                .read(move |snapshot| async move {
                    let known = table::filters::by_hash(&snapshot, user_num, &hash).await?;
                    Ok::<_, crate::Error>((known, table::filters::count(&snapshot, user_num).await?))
                })
                .await?;
            if let Some(known) = known {
                return Ok(known.to_string());
            }
            if count >= LARGEST_COUNT {
                return Err(ErrorKind::TooLarge.with("You have stored too many filters.").into());
            }
            let mut batch = Batch::new();
            table::filters::insert(&mut batch, user_num, count, &hash, &definition);
            match self.store.write(batch).await {
                Ok(_) => return Ok(count.to_string()),
                // Another device took the number.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A stored filter.
    pub async fn get(&self, by: &Session, filter_id: &str) -> Result<String> {
        let missing = || not_found(format!("You have no filter {filter_id}."));
        let filter_num: i64 = filter_id.parse().map_err(|_| missing())?;
        let user_num = by.user_num;
        let found = self
            .store
            .read(move |snapshot| async move { table::sync::filter(&snapshot, user_num, filter_num).await })
            .await?;
        found.ok_or_else(missing)
    }
}
