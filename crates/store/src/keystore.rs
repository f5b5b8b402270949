//! The keystore: one random key for each person, apart from the database, so that destroying a key reaches what erasing rows cannot (old
//! pages, logs, standbys, backups).
//!
//! Keys lie wrapped under a master key, which is replaced from time to time by wrapping them anew: what an old copy of the keystore holds
//! is worthless from then on.

mod master;
mod owners;
mod rows;

use std::{path::PathBuf, sync::Arc};

use domicile_core::{ids::UserNum, rng, rng::Rng};
use parking_lot::RwLock;
use quick_cache::sync::Cache;
use zeroize::Zeroizing;

use crate::{
    StoreError,
    seal::{self, KEY_BYTES, Secret, UserKey},
};
pub use master::MasterSource;
use master::{Master, MasterKeys};
pub use owners::KeyOwners;
use rows::{Rows, WrappedKey};

/// What a key that cannot be had is called in errors.
pub(crate) const MISSING: &str = "what is sealed for this person";
/// Keys that are wrapped anew in one transaction.
const CHUNK: usize = 500;

/// Where the keystore is.
#[derive(Clone, Debug)]
pub enum KeystorePlace {
    /// SQLite in a file of its own, `keystore.db`.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
    /// The schema `keystore` of a PostgreSQL database; best of another one than the rest.
    Postgres {
        /// `postgres://user:password@host/database`
        url: String,
    },
}

/// How to open the keystore.
#[derive(Clone, Debug)]
pub struct KeystoreOptions {
    /// Where it is.
    pub place: KeystorePlace,
    /// Where its master key comes from.
    pub master: MasterSource,
    /// Keys that are kept unwrapped in memory at most.
    pub cached: usize,
}

/// The keys of this cell's people.
pub struct Keystore {
    rows: Rows,
    master: RwLock<MasterKeys>,
    source: MasterSource,
    cache: Cache<UserNum, UserKey>,
    cell: UserKey,
    rng: Arc<dyn Rng>,
    /// Held for writing while the master key changes: a key that is wrapped meanwhile under the old one would be lost with it. And while a
    /// key is destroyed.
    changing: tokio::sync::RwLock<()>,
}

impl Keystore {
    /// Opens the keystore, and makes it and its master key where there is none. A change of the master key that was interrupted is finished.
    pub async fn open(options: KeystoreOptions, rng: Arc<dyn Rng>, now_ms: i64) -> Result<Self, StoreError> {
        let rows = Rows::open(options.place).await?;
        let is_empty = rows.page(i64::MIN, 1).await?.is_empty();
        let master = master::load(&options.master, is_empty, rng.as_ref(), now_ms)?;
        let keystore = Self {
            cell: load_or_create(&rows, &master, UserNum::NOBODY, &rng).await?,
            rows,
            master: RwLock::new(master),
            source: options.master,
            cache: Cache::new(options.cached.max(1)),
            rng,
            changing: tokio::sync::RwLock::new(()),
        };
        if keystore.master.read().old.is_some() {
            keystore.finish_rotation().await?;
        }
        Ok(keystore)
    }

    /// Makes a person's key. When this returns, it is on disk: call it before the batch that makes the account.
    pub async fn create(&self, user_num: UserNum) -> Result<UserKey, StoreError> {
        let _held = self.changing.read().await;
        let master = self.master.read().clone();
        let key = load_or_create(&self.rows, &master, user_num, &self.rng).await?;
        self.cache.insert(user_num, key.clone());
        Ok(key)
    }

    /// A person's key; an error once it is destroyed.
    pub async fn key_of(&self, user_num: UserNum) -> Result<UserKey, StoreError> {
        if let Some(key) = self.cache.get(&user_num) {
            return Ok(key);
        }
        let _held = self.changing.read().await;
        let row = self.rows.get(user_num.0).await?.ok_or(StoreError::Sealed(MISSING))?;
        let secret = self.master.read().unwrap(&row)?;
        let key = UserKey::new(&secret, Arc::clone(&self.rng));
        self.cache.insert(user_num, key.clone());
        Ok(key)
    }

    /// The secret of a person who leaves, to be sealed for their new home and for nobody else: it opens the files that are kept for that.
    pub async fn reveal(&self, user_num: UserNum) -> Result<Zeroizing<[u8; KEY_BYTES]>, StoreError> {
        let _held = self.changing.read().await;
        let row = self.rows.get(user_num.0).await?.ok_or(StoreError::Sealed(MISSING))?;
        let secret: Secret = self.master.read().unwrap(&row)?;
        Ok(secret)
    }

    /// The key of a secret that another cell revealed.
    pub fn revealed(&self, secret: &[u8; KEY_BYTES]) -> UserKey {
        UserKey::new(&Zeroizing::new(*secret), Arc::clone(&self.rng))
    }

    /// The key for what belongs to the cell and to nobody in particular.
    pub fn cell_key(&self) -> &UserKey {
        &self.cell
    }

    /// A hash by which a sealed value of any person can be found, under the cell's key.
    pub fn blind_index(&self, context: &str, value: &[u8]) -> [u8; KEY_BYTES] {
        self.cell.blind_index(context, value)
    }

    /// Destroys a person's key: nothing that is sealed under it can be opened again, wherever a copy of it lies.
    pub async fn destroy(&self, user_num: UserNum) -> Result<(), StoreError> {
        // Nobody who is reading it at the moment may keep it in memory afterwards.
        let _held = self.changing.write().await;
        self.rows.remove(user_num.0).await?;
        self.cache.remove(&user_num);
        Ok(())
    }

    /// The numbers of those who have a key, after a number, at most `limit`; the cell's own is not among them.
    pub async fn owners(&self, after: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
        self.rows.owners(after, limit).await
    }

    /// When the master key was made, in milliseconds since the epoch; unknown for one that was given at start.
    pub fn master_created_ts(&self) -> Option<i64> {
        self.master.read().current.created_ts
    }

    /// Replaces the master key and wraps every key anew. Only for a master key in a file; one that is given at start is replaced by giving
    /// the new one together with the old one.
    pub async fn rotate(&self, now_ms: i64) -> Result<(), StoreError> {
        let MasterSource::File(path) = &self.source else {
            return Err(StoreError::Schema(
                "the master key is given at start: give the new one before the old one and start again".to_owned(),
            ));
        };
        let _held = self.changing.write().await;
        if self.master.read().old.is_some() {
            self.finish_rotation().await?;
        }
        let next = self.master.read().replaced_by(Master::random(self.rng.as_ref(), Some(now_ms)));
        // Both are on disk before the first key depends on the new one.
        master::write(path, &next)?;
        *self.master.write() = next;
        self.finish_rotation().await
    }

    async fn finish_rotation(&self) -> Result<(), StoreError> {
        let master = self.master.read().clone();
        let mut after = i64::MIN;
        loop {
            let page = self.rows.page(after, CHUNK).await?;
            let Some(last) = page.last() else { break };
            after = last.user_num;
            let mut anew = Vec::with_capacity(page.len());
            for row in page.iter().filter(|row| row.master != master.current.id()) {
                anew.push((master.wrap(row.user_num, &master.unwrap(row)?, self.rng.as_ref())?, row.wrapped.clone()));
            }
            self.rows.replace(anew).await?;
        }
        let done = MasterKeys { current: master.current, old: None };
        if let MasterSource::File(path) = &self.source {
            master::write(path, &done)?;
        }
        *self.master.write() = done;
        Ok(())
    }

    /// Every key, unwrapped: for a backup that is encrypted to a key of its own.
    pub(crate) async fn export(&self) -> Result<Vec<(i64, Secret)>, StoreError> {
        let _held = self.changing.read().await;
        let master = self.master.read().clone();
        let mut all = Vec::new();
        let mut after = i64::MIN;
        loop {
            let page = self.rows.page(after, CHUNK).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = last.user_num;
            for row in &page {
                all.push((row.user_num, master.unwrap(row)?));
            }
        }
    }

    /// Takes the keys of a backup into a new keystore, whose own cell key gives way: it must be opened again afterwards.
    pub(crate) async fn import(&self, keys: Vec<(i64, Secret)>) -> Result<(), StoreError> {
        let _held = self.changing.read().await;
        let master = self.master.read().clone();
        for (user_num, secret) in keys {
            self.rows.remove(user_num).await?;
            self.rows.insert(master.wrap(user_num, &secret, self.rng.as_ref())?).await?;
        }
        self.cache.clear();
        Ok(())
    }

    /// Closes the keystore's database.
    pub async fn close(&self) {
        self.rows.close().await;
    }
}

async fn load_or_create(
    rows: &Rows,
    master: &MasterKeys,
    user_num: UserNum,
    rng: &Arc<dyn Rng>,
) -> Result<UserKey, StoreError> {
    if rows.get(user_num.0).await?.is_none() {
        let secret: Secret = Zeroizing::new(rng::bytes(rng.as_ref()));
        rows.insert(master.wrap(user_num.0, &secret, rng.as_ref())?).await?;
    }
    // Whoever was first: their key is the one.
    let row = rows.get(user_num.0).await?.ok_or(StoreError::Sealed(MISSING))?;
    Ok(UserKey::new(&master.unwrap(&row)?, Arc::clone(rng)))
}

impl MasterKeys {
    fn wrap(&self, user_num: i64, secret: &Secret, rng: &dyn Rng) -> Result<WrappedKey, StoreError> {
        let nonce: [u8; 24] = rng::bytes(rng);
        let mut wrapped = nonce.to_vec();
        wrapped.extend(seal::encrypt(&self.current.secret, &nonce, &user_num.to_be_bytes(), secret.as_slice())?);
        Ok(WrappedKey { user_num, master: self.current.id(), wrapped })
    }

    fn unwrap(&self, row: &WrappedKey) -> Result<Secret, StoreError> {
        let by_id = [Some(&self.current), self.old.as_ref()].into_iter().flatten().find(|key| key.id() == row.master);
        let master = by_id.ok_or_else(|| {
            StoreError::Schema(
                "the keystore was made with another master key: put the right master.key into the data folder"
                    .to_owned(),
            )
        })?;
        let (nonce, body) = row.wrapped.split_at_checked(24).ok_or(StoreError::Sealed(MISSING))?;
        let opened = seal::decrypt(&master.secret, nonce, &row.user_num.to_be_bytes(), body).map(Zeroizing::new);
        let opened = opened.ok_or(StoreError::Sealed(MISSING))?;
        let secret: [u8; KEY_BYTES] = opened.as_slice().try_into().map_err(|_| StoreError::Sealed(MISSING))?;
        Ok(Zeroizing::new(secret))
    }
}
