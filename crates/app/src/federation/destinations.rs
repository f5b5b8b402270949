//! Destinations and their numbers, both ways, from memory where possible.

use std::sync::Arc;

use domicile_core::{
    ids::DestinationNum,
    locality::{Destination, Locality},
};
use domicile_store::{Batch, Store, StoreError, numbers::Sequence, table::destinations};
use quick_cache::sync::Cache;
use ruma::UserId;

use crate::{Error, Result, residency::Localities};

/// Destinations kept in memory.
const CACHED: usize = 20_000;

/// The destinations of this cell.
pub struct Destinations {
    store: Store,
    localities: Arc<Localities>,
    by_name: Cache<Destination, DestinationNum>,
    by_num: Cache<DestinationNum, Destination>,
}

impl Destinations {
    /// Over a store.
    pub fn new(store: Store, localities: Arc<Localities>) -> Self {
        Self { store, localities, by_name: Cache::new(CACHED), by_num: Cache::new(CACHED) }
    }

    /// The number of the destination through which a user is reached; none for who is here.
    pub async fn of_user(&self, user_id: &UserId) -> Result<Option<DestinationNum>> {
        match self.localities.of(user_id) {
            Locality::Here | Locality::Unknown => Ok(None),
            Locality::Elsewhere(destination) => self.num(&destination).await.map(Some),
        }
    }

    /// The number of a destination, if it has one.
    pub async fn known(&self, destination: &Destination) -> Result<Option<DestinationNum>> {
        if let Some(destination_num) = self.by_name.get(destination) {
            return Ok(Some(destination_num));
        }
        let name = destination.to_string();
        let found =
            self.store.read(move |snapshot| async move { destinations::by_name(&snapshot, &name).await }).await?;
        if let Some(destination_num) = found {
            self.remember(destination, destination_num);
        }
        Ok(found)
    }

    /// The number of a destination, new if need be. A new one has been told everything up to now.
    pub async fn num(&self, destination: &Destination) -> Result<DestinationNum> {
        loop {
            if let Some(destination_num) = self.by_name.get(destination) {
                return Ok(destination_num);
            }
            let name = destination.to_string();
            let asked = name.clone();
            let found = self.store.read(move |snapshot| async move { destinations::by_name(&snapshot, &asked).await });
            if let Some(destination_num) = found.await? {
                self.remember(destination, destination_num);
                continue;
            }
            let destination_num = self.store.number(Sequence::Destination).await?;
            let mut batch = Batch::new();
            destinations::insert(&mut batch, destination_num, &name);
            match self.store.write(batch).await {
                Ok(_) => self.remember(destination, destination_num),
                // Somebody else added the same one.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The destination of a number.
    pub async fn name(&self, destination_num: DestinationNum) -> Result<Destination> {
        if let Some(destination) = self.by_num.get(&destination_num) {
            return Ok(destination);
        }
        let read =
            self.store.read(move |snapshot| async move { destinations::by_num(&snapshot, destination_num).await });
        let missing = || StoreError::Corrupt(format!("destination number {destination_num} is none"));
        let destination: Destination = read.await?.ok_or_else(missing)?.destination.parse().map_err(Error::internal)?;
        self.remember(&destination, destination_num);
        Ok(destination)
    }

    fn remember(&self, destination: &Destination, destination_num: DestinationNum) {
        self.by_name.insert(destination.clone(), destination_num);
        self.by_num.insert(destination_num, destination.clone());
    }
}
