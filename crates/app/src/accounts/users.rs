//! The directory of users: Matrix ids and their numbers, both ways, from memory where possible.

use std::sync::Arc;

use domicile_core::{clock::Clock, ids::UserNum, locality::Locality};
use domicile_store::{Batch, Snapshot, Store, StoreError, numbers::Sequence, table::users};
use quick_cache::sync::Cache;
use ruma::{OwnedUserId, ServerName, UserId};

use crate::{Error, Result, residency::Localities};

/// Users kept in memory.
const CACHED: usize = 100_000;
/// Users that are looked up or added at once.
const CHUNK: usize = 500;

/// The directory.
pub struct Users {
    store: Store,
    clock: Arc<dyn Clock>,
    localities: Arc<Localities>,
    by_id: Cache<OwnedUserId, UserNum>,
    by_num: Cache<UserNum, OwnedUserId>,
}

impl Users {
    /// The directory over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, localities: Arc<Localities>) -> Self {
        Self { store, clock, localities, by_id: Cache::new(CACHED), by_num: Cache::new(CACHED) }
    }

    /// The deployment's name.
    pub fn server_name(&self) -> &ServerName {
        self.localities.server_name()
    }

    /// Where users are.
    pub fn localities(&self) -> &Localities {
        &self.localities
    }

    /// The same, shared.
    pub fn localities_shared(&self) -> Arc<Localities> {
        Arc::clone(&self.localities)
    }

    /// Whether a user's account is in this cell.
    pub fn is_local(&self, user_id: &UserId) -> bool {
        self.localities.of(user_id) == Locality::Here
    }

    /// Whether a user is known to be of another server or cell. Of one whose home nobody knows nothing is kept.
    fn is_elsewhere(&self, user_id: &UserId) -> bool {
        matches!(self.localities.of(user_id), Locality::Elsewhere(_))
    }

    /// The number of a user, if there is one.
    pub async fn num(&self, user_id: &UserId) -> Result<Option<UserNum>> {
        if let Some(user_num) = self.by_id.get(user_id) {
            return Ok(Some(user_num));
        }
        let wanted = user_id.to_string();
        let found: Option<users::User> =
            self.store.read(move |snapshot| async move { users::by_id(&snapshot, &wanted).await }).await?;
        Ok(found.map(|user| {
            self.remember(user_id, user.user_num);
            user.user_num
        }))
    }

    /// The numbers of many users, in their order; those of other servers get one where there is none yet. A local user who does not exist has none.
    pub async fn nums_or_new(&self, user_ids: &[OwnedUserId]) -> Result<Vec<Option<UserNum>>> {
        if self.localities.cells().is_some() {
            let users: Vec<&UserId> = user_ids.iter().map(|user_id| &**user_id).collect();
            self.localities.meet(&users).await?;
        }
        for chunk in user_ids.chunks(CHUNK) {
            let missing: Vec<String> =
                chunk.iter().filter(|id| self.by_id.get(*id).is_none()).map(ToString::to_string).collect();
            if missing.is_empty() {
                continue;
            }
            let asked = missing.clone();
            let read = self
                .store
                .read(move |snapshot| async move { users::by_ids(&snapshot, asked.iter().map(String::as_str)).await });
            for (user_num, user_id) in read.await? {
                self.remember(&OwnedUserId::try_from(user_id).map_err(Error::internal)?, user_num);
            }
            let mut new: Vec<&OwnedUserId> = chunk.iter().collect();
            new.sort_unstable();
            new.dedup();
            new.retain(|id| self.by_id.get(*id).is_none() && self.is_elsewhere(id));
            if new.is_empty() {
                continue;
            }
            let first = self.store.numbers_in_a_row(Sequence::User, new.len()).await?;
            let mut batch = Batch::new();
            batch.low_priority();
            for (user_num, user_id) in (first..).zip(&new) {
                users::insert(&mut batch, &self.stranger(UserNum(user_num), user_id));
            }
            match self.store.write(batch).await {
                Ok(_) => (first..).zip(new).for_each(|(user_num, user_id)| self.remember(user_id, UserNum(user_num))),
                // Somebody else added one of them: they are looked up one by one below.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut nums = Vec::with_capacity(user_ids.len());
        for user_id in user_ids {
            nums.push(self.num_or_new(user_id).await?);
        }
        Ok(nums)
    }

    fn stranger(&self, user_num: UserNum, user_id: &UserId) -> users::User {
        users::User {
            user_num,
            user_id: user_id.to_string(),
            is_local: false,
            created_ts: self.clock.now_ms(),
            password_hash: None,
            deactivated_ts: None,
        }
    }

    /// The number of somebody who is at home here by the directory and of whom this cell may have lost all: they get one when there is none yet.
    pub async fn num_of_returning(&self, user_id: &UserId) -> Result<UserNum> {
        loop {
            if let Some(user_num) = self.num(user_id).await? {
                return Ok(user_num);
            }
            let user_num = self.store.number(Sequence::User).await?;
            let mut batch = Batch::new();
            users::insert(&mut batch, &self.stranger(user_num, user_id));
            match self.store.write(batch).await {
                Ok(_) => self.remember(user_id, user_num),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The number of a user; somebody else's server's user gets one when there is none yet. A local user who does not exist has none.
    pub async fn num_or_new(&self, user_id: &UserId) -> Result<Option<UserNum>> {
        loop {
            if let Some(user_num) = self.num(user_id).await? {
                return Ok(Some(user_num));
            }
            self.localities.meet(&[user_id]).await?;
            if !self.is_elsewhere(user_id) {
                return Ok(None);
            }
            let user_num = self.store.number(Sequence::User).await?;
            let mut batch = Batch::new();
            users::insert(&mut batch, &self.stranger(user_num, user_id));
            match self.store.write(batch).await {
                Ok(_) => self.remember(user_id, user_num),
                // Somebody else added the same user.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The Matrix id of a number.
    pub async fn id(&self, user_num: UserNum) -> Result<OwnedUserId> {
        if let Some(user_id) = self.by_num.get(&user_num) {
            return Ok(user_id);
        }
        let found = self.store.read(move |snapshot| async move { users::by_num(&snapshot, user_num).await }).await?;
        let found = found.ok_or_else(|| StoreError::Corrupt(format!("user number {user_num} is nobody's")))?;
        let user_id = OwnedUserId::try_from(found.user_id).map_err(Error::internal)?;
        self.remember(&user_id, user_num);
        Ok(user_id)
    }

    /// The same within a read.
    pub async fn load_id(&self, snapshot: &Snapshot, user_num: UserNum) -> Result<OwnedUserId> {
        if let Some(user_id) = self.by_num.get(&user_num) {
            return Ok(user_id);
        }
        let found = users::by_num(snapshot, user_num).await?;
        let found = found.ok_or_else(|| StoreError::Corrupt(format!("user number {user_num} is nobody's")))?;
        let user_id = OwnedUserId::try_from(found.user_id).map_err(Error::internal)?;
        self.remember(&user_id, user_num);
        Ok(user_id)
    }

    /// Keeps what somebody else read.
    pub fn remember(&self, user_id: &UserId, user_num: UserNum) {
        self.by_id.insert(user_id.to_owned(), user_num);
        self.by_num.insert(user_num, user_id.to_owned());
    }
}
