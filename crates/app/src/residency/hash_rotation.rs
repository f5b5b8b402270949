//! Another key for the hashes of names: the whole log is hashed anew at each cell that holds the directory, and nobody else takes part.
//!
//! The new key hashes what the old one gave, so no names are needed. The decider goes through its log from the front, a pack at a time, and signs what
//! it makes. A follower that is told of the new key takes the new log from there, and each entry only if its own log says the same under the old
//! key: nothing else can be changed on the way. In between the log here is new up to an entry and old from there on; that is on disk, so the work
//! goes on where it was when the cell was stopped. Names are looked for under both keys meanwhile, and none is taken.

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{
    error::ErrorKind,
    locality::CellName,
    rng::{self, Rng},
};
use domicile_residency::directory::{Body, Entry, HashKey, HashKeys, Log, NameHash, Pack, Tip};
use domicile_store::{Batch, table::directory_names};
use serde::Serialize;

use super::{
    Followers,
    directory_log::{DirectoryLog, name_of, number, put_packs, say},
    directory_words::{ENTRIES, Entries, Wanted},
    hash_keys::{add_keys, read_keys},
};
use crate::{Error, Result};

/// How far the log is hashed anew.
#[derive(Clone)]
pub(super) struct Rotation {
    /// The cell from which the new log comes; none where it is made here.
    pub(super) source: Option<CellName>,
    /// The keys that are added.
    added: Vec<HashKey>,
    /// The term in which the new log is made.
    sign_term: u32,
    /// How far it is here.
    pub(super) done: Tip,
}

/// The same for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RotationStatus {
    /// Entries that are hashed anew.
    pub done: u64,
    /// Entries in all.
    pub of: u64,
}

/// What became of a page of the new log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// There is more to do.
    More,
    /// The log has the new key.
    Done,
    /// It says something else than the log here.
    Differs,
}

impl Rotation {
    fn read(row: directory_names::Rotation) -> Result<Self> {
        let damaged = || Error::internal("it is unreadable how far the directory is hashed anew");
        let source = if row.source.is_empty() { None } else { Some(CellName::parse(&row.source).ok_or_else(damaged)?) };
        let done = Tip {
            index: u64::try_from(row.done_index).map_err(|_| damaged())?,
            hash: row.done_hash,
            term: u32::try_from(row.done_term).map_err(|_| damaged())?,
        };
        let sign_term = u32::try_from(row.sign_term).map_err(|_| damaged())?;
        Ok(Self { source, added: read_keys(&row.hash_keys)?, sign_term, done })
    }

    /// What an entry says, under the new key.
    fn anew(&self, body: &Body) -> Option<Body> {
        self.added.iter().try_fold(body.clone(), |body, key| body.again(key))
    }

    /// A name under the new key.
    fn name_anew(&self, name: [u8; 16]) -> [u8; 16] {
        *self.added.iter().fold(NameHash::new(name), |name, key| key.again(name)).as_bytes()
    }
}

/// Entries of the log as it is under the old key, and the packs in which they lie.
struct Old {
    entries: Vec<Entry>,
    packs: Vec<i64>,
}

impl DirectoryLog {
    /// How far the log is hashed anew, while that is done.
    pub(super) async fn rotation(&self) -> Result<Option<Rotation>> {
        let row = self.store.read(|snapshot| async move { directory_names::rotation(&snapshot).await }).await?;
        row.map(Rotation::read).transpose()
    }

    /// An error while it is hashed anew: what is here then is of two logs.
    pub(super) async fn check_settled(&self) -> Result<()> {
        if self.rotation().await?.is_some() { Err(is_changing()) } else { Ok(()) }
    }

    /// Begins to hash it anew. Nothing may be appended meanwhile, and from then on until it is done.
    pub(super) async fn begin_rotation(
        &self,
        source: Option<&CellName>,
        added: &[HashKey],
        sign_term: u32,
    ) -> Result<()> {
        let loose = self.loose(i64::MAX).await?;
        let mut batch = Batch::new();
        if !loose.is_empty() {
            put_packs(&mut batch, &loose)?;
        }
        let start = Tip::start();
        let row = directory_names::Rotation {
            source: source.map(|cell| cell.as_str().to_owned()).unwrap_or_default(),
            hash_keys: added.iter().flat_map(|key| *key.as_bytes()).collect::<Vec<u8>>().into(),
            sign_term: i64::from(sign_term),
            done_index: number(start.index),
            done_hash: start.hash,
            done_term: i64::from(start.term),
        };
        directory_names::begin_rotation(&mut batch, row);
        self.store.write(batch).await?;
        Ok(())
    }

    /// What comes next, made here.
    async fn made_anew(&self, rotation: &Rotation) -> Result<Vec<Entry>> {
        let old = self.old(&rotation.done, rotation.done.index.saturating_add(1)).await?;
        let bodies = old.entries.iter().map(|entry| rotation.anew(&entry.body)).collect::<Option<Vec<Body>>>();
        let bodies = bodies.ok_or_else(|| Error::internal("an entry of the directory's log names no name"))?;
        Ok(Log::open(rotation.done.clone(), rotation.sign_term, self.own.key()).append_all(bodies))
    }

    /// What is here under the old key after `done`, at least up to `end`, in whole packs.
    async fn old(&self, done: &Tip, end: u64) -> Result<Old> {
        let mut old = Old { entries: Vec::new(), packs: Vec::new() };
        let mut reached = done.index;
        while reached < end {
            let after = number(reached);
            let read =
                self.store.read(move |snapshot| async move { directory_names::pack_after(&snapshot, after).await });
            let Some(packed) = read.await? else { break };
            old.packs.push(packed.last_index);
            old.entries.extend(Pack::entries(&packed.pack).map_err(Error::internal)?);
            reached = u64::try_from(packed.last_index).unwrap_or(u64::MAX);
        }
        let is_next = |entry: &Entry| entry.index == done.index.saturating_add(1);
        if old.entries.first().is_some_and(|first| !is_next(first)) {
            return Err(Error::internal("a part of the directory's log is missing"));
        }
        Ok(old)
    }

    /// Takes the next page of the new log in place of what is here. What follows the end of the log here comes on top.
    pub(super) async fn hash_anew(&self, rotation: &Rotation, page: &[Entry]) -> Result<Step> {
        let mut reached = rotation.done.clone();
        reached.follow_all(page, self.own.document()).map_err(Error::internal)?;
        let end = self.tip().await?.index;
        let old = self.old(&rotation.done, reached.index.min(end)).await?;
        let says_the_same =
            |(new, old): (&Entry, &Entry)| rotation.anew(&old.body).is_some_and(|body| body == new.body);
        if page.is_empty() || !page.iter().zip(&old.entries).all(says_the_same) {
            return Ok(Step::Differs);
        }
        let mut batch = Batch::new();
        batch.low_priority();
        for last_index in old.packs {
            directory_names::remove_pack(&mut batch, last_index);
        }
        put_packs(&mut batch, page)?;
        let (replaced, rest) = old.entries.split_at(page.len().min(old.entries.len()));
        put_packs(&mut batch, rest)?;
        // A name is laid under its new hash with the first entry that takes it; at a later one it is there already.
        let mut moved = BTreeMap::new();
        for entry in replaced.iter().filter(|entry| matches!(entry.body, Body::Take { .. })) {
            let before = name_of(&entry.body)?;
            let after = rotation.name_anew(before);
            if moved.insert(after, before).is_none() {
                directory_names::hash_again(&mut batch, &before, &after);
            }
        }
        let (_, new) = page.split_at(replaced.len());
        say(&mut batch, new, self.rows_of(new, &moved).await?)?;
        let done = (number(reached.index), reached.hash.as_str(), i64::from(reached.term));
        directory_names::advance_rotation(&mut batch, number(rotation.done.index), done);
        let is_done = reached.index >= end;
        if is_done {
            let known = self.keys().await?.map_or(0, |keys| keys.all().len());
            add_keys(&mut batch, known, &rotation.added);
            directory_names::end_rotation(&mut batch);
        }
        self.store.write(batch).await?;
        Ok(if is_done { Step::Done } else { Step::More })
    }

    /// What is known of those names of which entries say something more; `moved` are names that get their new hash at the same time.
    async fn rows_of(
        &self,
        entries: &[Entry],
        moved: &BTreeMap<[u8; 16], [u8; 16]>,
    ) -> Result<BTreeMap<[u8; 16], String>> {
        let mut rows = self.rows_before(entries).await?;
        let names = entries.iter().map(|entry| name_of(&entry.body)).collect::<Result<Vec<_>>>()?;
        let missing = names.into_iter().filter(|name| !rows.contains_key(name));
        let missing: Vec<([u8; 16], [u8; 16])> =
            missing.filter_map(|name| moved.get(&name).map(|before| (name, *before))).collect();
        let held = self.names(missing.iter().map(|(_, before)| *before).collect()).await?;
        rows.extend(missing.into_iter().zip(held).filter_map(|((name, _), held)| Some((name, held?.row))));
        Ok(rows)
    }
}

/// What a follower makes of the keys that the decider has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeysSay {
    /// Both have the same.
    Same,
    /// This cell's log is being hashed anew.
    Changing,
    /// They do not belong together.
    Other,
}

impl Followers {
    /// Gives the hashes of names another key, and goes on in the background. Gives how many entries there are.
    pub async fn rotate_key(self: &Arc<Self>, rng: &dyn Rng) -> Result<u64> {
        let term = self.deciding().await?.term;
        let entries = {
            let _alone = self.appending.lock().await;
            let tip = self.log.tip().await?;
            if tip.index == 0 {
                return Err(ErrorKind::BadRequest
                    .with("No name is taken yet, so nothing is hashed with the key.")
                    .into());
            }
            self.log.check_settled().await?;
            self.log.begin_rotation(None, &[HashKey::new(rng::bytes(rng))], term).await?;
            tip.index
        };
        self.spawn_rotation();
        Ok(entries)
    }

    /// How far it is.
    pub async fn rotation_status(&self) -> Result<Option<RotationStatus>> {
        let Some(rotation) = self.log.rotation().await? else { return Ok(None) };
        Ok(Some(RotationStatus { done: rotation.done.index, of: self.log.tip().await?.index }))
    }

    /// Goes on with it in the background, unless somebody does.
    pub(super) fn spawn_rotation(self: &Arc<Self>) {
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let is_free = this.rotating.try_lock().is_ok();
            if !is_free {
                return;
            }
            if let Err(error) = this.rotate().await {
                tracing::warn!(%error, "the directory's names could not be hashed anew to the end; it goes on later");
            }
        });
    }

    /// Goes on with it to its end.
    pub(super) async fn rotate(self: &Arc<Self>) -> Result<()> {
        let _one = self.rotating.lock().await;
        let mut is_another = false;
        while let Some(rotation) = self.log.rotation().await? {
            let page = match &rotation.source {
                None => self.log.made_anew(&rotation).await?,
                Some(cell) => {
                    let wanted = Wanted { after: rotation.done.index };
                    self.ask::<Entries>(cell, ENTRIES, &wanted).await?.entries
                }
            };
            let _alone = self.appending.lock().await;
            is_another = true;
            match self.log.hash_anew(&rotation, &page).await? {
                Step::More => {}
                Step::Done => {
                    let entries = self.log.tip().await?.index;
                    tracing::info!(entries, "the directory has another hash key");
                }
                Step::Differs => {
                    // Unless somebody else has gone on with it meanwhile.
                    if self.log.rotation().await?.map(|now| now.done) != Some(rotation.done) {
                        continue;
                    }
                    let source = rotation.source.as_ref().unwrap_or(self.own.name());
                    return Err(self.forked(source).await);
                }
            }
        }
        if !is_another {
            return Ok(());
        }
        for follower in self.known.lock().values_mut() {
            follower.tip = None;
        }
        if self.own.decides() {
            drop(self.tell_all());
        }
        Ok(())
    }

    /// Looks at the keys of a cell from which this one takes the log, and which has `entries` of it; begins to hash the log here anew if that one
    /// has more keys.
    pub(super) async fn compare_keys(&self, cell: &CellName, told: &HashKeys, entries: u64) -> Result<KeysSay> {
        let (own, tip) = (self.log.keys().await?, self.log.tip().await?);
        match (self.log.rotation().await?, own) {
            (Some(rotation), Some(own)) => {
                if own.with(&rotation.added).all() == told.all() {
                    return Ok(KeysSay::Changing);
                }
                // Whoever began to change the keys did not come to the end, and another decides now: what is new here is of no use.
                if own.all() != told.all() || entries < tip.index {
                    return Ok(KeysSay::Other);
                }
                let mut batch = Batch::new();
                directory_names::forget(&mut batch);
                self.store.write(batch).await?;
            }
            (None, Some(own)) if tip.index > 0 => {
                if let Some(added @ [_, ..]) = own.missing_to(told) {
                    self.log.begin_rotation(Some(cell), added, 0).await?;
                    return Ok(KeysSay::Changing);
                }
            }
            _ => {}
        }
        Ok(if self.log.take_keys(told).await? { KeysSay::Same } else { KeysSay::Other })
    }
}

/// What somebody is told who wants a name, or the log, meanwhile.
pub(super) fn is_changing() -> Error {
    let text = "The directory's names are being hashed with another key: try again in a moment.";
    ErrorKind::Unavailable.with(text).into()
}
