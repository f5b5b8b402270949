//! The directory's log and names as a cell that holds the directory has them on disk: the decider, and those who follow.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arc_swap::ArcSwapOption;
use domicile_residency::directory::{Authority, Body, Entry, HashKeys, NameHash, Pack, Tip};
use domicile_store::{
    Batch, Snapshot, Store,
    table::directory_names::{self, Packed},
};
use serde::{Deserialize, Serialize};

use super::OwnCell;
use crate::{Error, Result};

/// Entries that are read, sent and followed at once.
pub(super) const PAGE: i64 = 2_000;
/// Entries that are kept one by one before the older of them are packed.
const LOOSE: i64 = 3_000;
/// Entries of a pack: as many as a page has.
const PACK: usize = 2_000;
/// Entries of a page from which on everybody else's writes go first.
const MANY: usize = 100;

/// A home that a name had. The first has nobody's word but the decider's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Home {
    pub(super) home: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authority: Option<Authority>,
}

/// A name that is taken, as it was read.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The row, by which it is changed only if it is still so.
    pub(super) row: String,
    /// Its homes, the first one first.
    pub(super) homes: Vec<Home>,
    /// The entry that said so last.
    pub(super) index: u64,
}

/// The log of this cell.
pub(super) struct DirectoryLog {
    pub(super) store: Store,
    pub(super) own: Arc<OwnCell>,
    /// The keys of the hashes as they were read last. They may be others by now.
    pub(super) last_keys: ArcSwapOption<HashKeys>,
}

impl DirectoryLog {
    pub(super) fn new(store: Store, own: Arc<OwnCell>) -> Self {
        Self { store, own, last_keys: ArcSwapOption::empty() }
    }

    /// A name, and the end of the log, in one snapshot.
    pub(super) async fn name(&self, name: NameHash) -> Result<(Option<Held>, Tip)> {
        let wanted = *name.as_bytes();
        let read = self.store.read(move |snapshot| async move {
            let held = directory_names::homes(&snapshot, &wanted).await?;
            Ok::<_, Error>((held, end(&snapshot).await?))
        });
        let (held, tip) = read.await?;
        Ok((held.map(self::held).transpose()?, tip))
    }

    /// Several names.
    pub(super) async fn names(&self, names: Vec<[u8; 16]>) -> Result<Vec<Option<Held>>> {
        let read = self.store.read(move |snapshot| async move {
            let mut found = Vec::with_capacity(names.len());
            for name in &names {
                found.push(directory_names::homes(&snapshot, name).await?);
            }
            Ok::<_, Error>(found)
        });
        read.await?.into_iter().map(|row| row.map(held).transpose()).collect()
    }

    /// How many names are taken.
    pub(super) async fn count(&self) -> Result<i64> {
        Ok(self.store.read(|snapshot| async move { directory_names::count(&snapshot).await }).await?)
    }

    /// The end.
    pub(super) async fn tip(&self) -> Result<Tip> {
        self.store.read(|snapshot| async move { end(&snapshot).await }).await
    }

    /// The hash of the entry of a number; none if the log is shorter.
    pub(super) async fn hash_at(&self, index: u64) -> Result<Option<String>> {
        if index == 0 {
            return Ok(Some(Tip::start().hash));
        }
        let at = number(index);
        let read = self.store.read(move |snapshot| async move {
            let entry = directory_names::entry(&snapshot, at).await?;
            let packed = if entry.is_none() { directory_names::pack_after(&snapshot, at - 1).await? } else { None };
            Ok::<_, Error>((entry, packed))
        });
        match read.await? {
            (Some(entry), _) => Ok(Some(read_entry(&entry)?.hash())),
            (None, Some(packed)) if packed.last_index == at => Ok(Some(packed.hash)),
            (None, Some(packed)) => {
                let entries = Pack::entries(&packed.pack).map_err(Error::internal)?;
                Ok(entries.iter().find(|entry| entry.index == index).map(Entry::hash))
            }
            (None, None) => Ok(None),
        }
    }

    /// Entries after a number: a page at most, or what is left of a pack.
    pub(super) async fn page(&self, after: u64) -> Result<Vec<Entry>> {
        let from = number(after);
        let read = self.store.read(move |snapshot| async move {
            Ok::<_, Error>(match directory_names::pack_after(&snapshot, from).await? {
                Some(packed) => (Some(packed), Vec::new()),
                None => (None, directory_names::entries(&snapshot, from, PAGE).await?),
            })
        });
        let (packed, loose) = read.await?;
        let Some(packed) = packed else { return loose.iter().map(|entry| read_entry(entry)).collect() };
        let mut entries = Pack::entries(&packed.pack).map_err(Error::internal)?;
        entries.retain(|entry| entry.index > after);
        Ok(entries)
    }

    /// Packs what is kept one by one, if that has become much. Nothing may be appended meanwhile.
    pub(super) async fn pack(&self) -> Result<()> {
        while self.store.read(|snapshot| async move { directory_names::loose(&snapshot).await }).await? >= LOOSE {
            let entries = self.loose(PAGE).await?;
            let mut batch = Batch::new();
            batch.low_priority();
            put_packs(&mut batch, &entries)?;
            self.store.write(batch).await?;
        }
        Ok(())
    }

    /// The first entries that are kept one by one.
    pub(super) async fn loose(&self, most: i64) -> Result<Vec<Entry>> {
        let loose = self.store.read(move |snapshot| async move { directory_names::entries(&snapshot, 0, most).await });
        loose.await?.iter().map(|entry| read_entry(entry)).collect()
    }

    /// Walks the whole log by the document. Gives how many entries there are; an error names the first that is wrong.
    pub(super) async fn check(&self) -> Result<u64> {
        let mut checked = Tip::start();
        loop {
            let page = self.page(checked.index).await?;
            if page.is_empty() {
                return Ok(checked.index);
            }
            checked.follow_all(&page, self.own.document()).map_err(Error::internal)?;
        }
    }

    /// Takes entries that follow `tip`, the end of the log, and what they say of names. All of them, or none.
    pub(super) async fn follow(&self, tip: &Tip, entries: &[Entry]) -> Result<Tip> {
        let mut reached = tip.clone();
        reached.follow_all(entries, self.own.document()).map_err(Error::internal)?;
        let mut batch = Batch::new();
        if entries.len() > MANY {
            batch.low_priority();
        }
        // Where many come, or some without a signature of their own, they are packed, and what is here before them.
        let is_packed = entries.len() >= PACK || entries.iter().any(|entry| entry.signature.is_empty());
        if is_packed {
            let mut all = self.loose(i64::MAX).await?;
            all.extend_from_slice(entries);
            put_packs(&mut batch, &all)?;
        }
        if !is_packed {
            for entry in entries {
                let json = serde_json::to_string(entry).map_err(Error::internal)?;
                directory_names::append(&mut batch, entry.index, &json);
            }
        }
        say(&mut batch, entries, self.rows_before(entries).await?)?;
        self.store.write(batch).await?;
        Ok(reached)
    }

    /// What is known of those names of which entries say something more.
    pub(super) async fn rows_before(&self, entries: &[Entry]) -> Result<BTreeMap<[u8; 16], String>> {
        let changed = entries.iter().filter(|entry| !matches!(entry.body, Body::Take { .. }));
        let names: Vec<[u8; 16]> = changed.map(|entry| name_of(&entry.body)).collect::<Result<_>>()?;
        let held = self.names(names.clone()).await?;
        Ok(names.into_iter().zip(held).filter_map(|(name, held)| Some((name, held?.row))).collect())
    }
}

/// Writes what entries say of names. `rows` is what there is of those names of which they say something more.
pub(super) fn say(batch: &mut Batch, entries: &[Entry], mut rows: BTreeMap<[u8; 16], String>) -> Result<()> {
    let homes_of = |entry: &Entry| match &entry.body {
        Body::Take { home, .. } | Body::Hand { home, .. } => Some(home.clone()),
        _ => None,
    };
    for home in entries.iter().filter_map(homes_of).collect::<BTreeSet<String>>() {
        directory_names::number_home(batch, &home);
    }
    for entry in entries {
        let name = name_of(&entry.body)?;
        let unknown =
            || Error::internal(format!("entry {} of the directory's log is about a name that is free", entry.index));
        match &entry.body {
            Body::Take { home, .. } => {
                let row = row(&[Home { home: home.clone(), authority: None }])?;
                directory_names::take(batch, &name, &row, entry.index);
                rows.insert(name, row);
            }
            Body::Transfer { home, authority, .. } => {
                let before = rows.get(&name).ok_or_else(unknown)?;
                let mut homes = homes(before)?;
                homes.push(Home { home: home.clone(), authority: Some(authority.clone()) });
                let after = row(&homes)?;
                directory_names::transfer(batch, &name, (before, &after), entry.index);
                rows.insert(name, after);
            }
            Body::Hand { home, .. } => {
                let before = rows.get(&name).ok_or_else(unknown)?;
                let after = row(&[Home { home: home.clone(), authority: None }])?;
                directory_names::transfer(batch, &name, (before, &after), entry.index);
                rows.insert(name, after);
            }
            Body::Free { .. } => {
                let before = rows.remove(&name).ok_or_else(unknown)?;
                directory_names::free(batch, &name, &before);
            }
        }
    }
    Ok(())
}

pub(super) fn name_of(body: &Body) -> Result<[u8; 16]> {
    let hash = body.name().ok_or_else(|| Error::internal("an entry of the directory's log names no name"))?;
    Ok(*hash.as_bytes())
}

pub(super) fn held((row, index): (String, i64)) -> Result<Held> {
    Ok(Held { homes: homes(&row)?, row, index: u64::try_from(index).unwrap_or_default() })
}

fn homes(row: &str) -> Result<Vec<Home>> {
    if row.starts_with('[') {
        return serde_json::from_str(row).map_err(Error::internal);
    }
    Ok(vec![Home { home: row.to_owned(), authority: None }])
}

/// Homes as a row has them: of most names the first home alone, of the others JSON.
pub(super) fn row(homes: &[Home]) -> Result<String> {
    match homes {
        [Home { home, authority: None }] if !home.starts_with('[') => Ok(home.clone()),
        homes => serde_json::to_string(homes).map_err(Error::internal),
    }
}

fn read_entry(entry: &str) -> Result<Entry> {
    serde_json::from_str(entry).map_err(Error::internal)
}

/// The end of the log: what is packed comes before what is kept one by one.
async fn end(snapshot: &Snapshot) -> Result<Tip> {
    if let Some(entry) = directory_names::last_entry(snapshot).await? {
        return Ok(read_entry(&entry)?.tip());
    }
    let Some((index, hash, term)) = directory_names::last_packed(snapshot).await? else { return Ok(Tip::start()) };
    let number = |_| Error::internal("the directory's log has a number that is none");
    Ok(Tip { index: u64::try_from(index).map_err(number)?, hash, term: u32::try_from(term).map_err(number)? })
}

/// Writes packs in place of what is kept one by one up to their end.
pub(super) fn put_packs(batch: &mut Batch, entries: &[Entry]) -> Result<()> {
    let unsigned = || Error::internal("the directory's log ends with an entry that is not signed");
    for Pack { tip, bytes } in Pack::all(entries, PACK).ok_or_else(unsigned)? {
        let last_index = number(tip.index);
        directory_names::remove_loose(batch, last_index);
        let packed = Packed { last_index, hash: tip.hash, term: i64::from(tip.term), pack: bytes.into() };
        directory_names::insert_pack(batch, packed);
    }
    Ok(())
}

pub(super) fn number(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}
