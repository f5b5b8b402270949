//! The keys under which the directory's names are hashed, at a cell that holds it.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use domicile_core::rng::{self, Rng};
use domicile_residency::directory::{HashKey, HashKeys, NameHash};
use domicile_store::{Batch, Snapshot, table::directory_names};
use serde::{Deserialize, Serialize};

use super::directory_log::{DirectoryLog, Held, held};
use crate::{Error, Result};

/// The keys as the cells that hold the directory tell them to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldKeys {
    /// The first one.
    hash_key: Option<String>,
    /// Those that came later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    more_hash_keys: Vec<String>,
}

impl ToldKeys {
    fn new(keys: Option<&HashKeys>) -> Self {
        let mut texts = keys.map(HashKeys::all).unwrap_or_default().iter();
        let mut next = || texts.next().map(|key| BASE64_URL_SAFE_NO_PAD.encode(key.as_bytes()));
        let hash_key = next();
        Self { hash_key, more_hash_keys: std::iter::from_fn(next).collect() }
    }

    /// The keys; none if there is none, or if they are none.
    pub(super) fn read(&self) -> Option<HashKeys> {
        let key = |text: &String| Some(HashKey::new(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?));
        HashKeys::new(self.hash_key.iter().chain(&self.more_hash_keys).map(key).collect::<Option<_>>()?)
    }
}

impl DirectoryLog {
    /// The keys, if there are any.
    pub(super) async fn keys(&self) -> Result<Option<HashKeys>> {
        self.store.read(|snapshot| async move { load(&snapshot).await }).await
    }

    /// The same as others are told them.
    pub(super) async fn told_keys(&self) -> Result<ToldKeys> {
        Ok(ToldKeys::new(self.keys().await?.as_ref()))
    }

    /// Makes the first key, if there is none.
    pub(super) async fn make_keys(&self, rng: &dyn Rng) -> Result<HashKeys> {
        if let Some(keys) = self.keys().await? {
            return Ok(keys);
        }
        self.put_keys(&[HashKey::new(rng::bytes(rng))]).await?;
        self.keys().await?.ok_or_else(|| Error::internal("the directory's hash key was not written"))
    }

    /// Takes the keys that another holder tells, if this cell has nothing that is hashed with others. Gives whether both have the same now.
    pub(super) async fn take_keys(&self, told: &HashKeys) -> Result<bool> {
        match self.keys().await? {
            Some(keys) if keys.all() == told.all() => return Ok(true),
            Some(_) if self.tip().await?.index > 0 => return Ok(false),
            Some(_) => {
                let mut batch = Batch::new();
                directory_names::forget(&mut batch);
                self.store.write(batch).await?;
            }
            None => {}
        }
        self.put_keys(told.all()).await?;
        Ok(self.keys().await?.is_some_and(|keys| keys.all() == told.all()))
    }

    async fn put_keys(&self, keys: &[HashKey]) -> Result<()> {
        let mut batch = Batch::new();
        add_keys(&mut batch, 0, keys);
        match self.store.write(batch).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Several names: what the directory has of each, and under which hash. While the key is changed, that may be either.
    pub(super) async fn find(&self, names: Vec<(char, String)>) -> Result<Vec<Option<(NameHash, Held)>>> {
        if let [(sigil, localpart)] = &names[..]
            && let Some(found) = self.find_by_last_keys(*sigil, localpart).await?
        {
            return Ok(vec![found]);
        }
        let read = self.store.read(move |snapshot| async move {
            let now = load(&snapshot).await?;
            let added = directory_names::rotation(&snapshot).await?.map(|rotation| read_keys(&rotation.hash_keys));
            let next = now.as_ref().zip(added.transpose()?).map(|(now, added)| now.with(&added));
            let now = now.map(Arc::new);
            let mut found = Vec::with_capacity(names.len());
            for (sigil, localpart) in names {
                let mut row = None;
                for keys in now.as_deref().into_iter().chain(&next) {
                    let name = keys.hash(sigil, &localpart);
                    row = directory_names::homes(&snapshot, name.as_bytes()).await?.map(|row| (name, row));
                    if row.is_some() {
                        break;
                    }
                }
                found.push(row);
            }
            Ok::<_, Error>((now, found))
        });
        let (keys, found) = read.await?;
        self.last_keys.store(keys);
        let found = found.into_iter();
        found.map(|found| found.map(|(name, row)| Ok((name, held(row)?))).transpose()).collect()
    }

    /// One name by the keys that were read last, if these are the keys still.
    async fn find_by_last_keys(&self, sigil: char, localpart: &str) -> Result<Option<Option<(NameHash, Held)>>> {
        let Some(keys) = self.last_keys.load_full() else { return Ok(None) };
        let name = keys.hash(sigil, localpart);
        let wanted = *name.as_bytes();
        let read =
            self.store.read(move |snapshot| async move { directory_names::under_last_key(&snapshot, &wanted).await });
        let Some(found) = read.await? else { return Ok(None) };
        let (all, last_key) = (keys.all(), &found.last_key[..]);
        let are_last =
            usize::try_from(found.keys) == Ok(all.len()) && all.last().is_some_and(|key| key.as_bytes() == last_key);
        if !are_last {
            return Ok(None);
        }
        Ok(Some(found.held.map(|row| Ok::<_, Error>((name, held(row)?))).transpose()?))
    }
}

async fn load(snapshot: &Snapshot) -> Result<Option<HashKeys>> {
    let keys = directory_names::hash_keys(snapshot).await?;
    Ok(HashKeys::new(read_keys(&keys.concat())?))
}

/// Writes more keys after those of which there are `known`.
pub(super) fn add_keys(batch: &mut Batch, known: usize, keys: &[HashKey]) {
    for (index, key) in keys.iter().enumerate() {
        let key_num = i64::try_from(known + index + 1).unwrap_or(i64::MAX);
        directory_names::insert_hash_key(batch, key_num, *key.as_bytes());
    }
}

/// Keys that lie one after the other, 32 bytes each.
pub(super) fn read_keys(bytes: &[u8]) -> Result<Vec<HashKey>> {
    let (keys, rest) = bytes.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(Error::internal("the directory's hash key is damaged"));
    }
    Ok(keys.iter().copied().map(HashKey::new).collect())
}
