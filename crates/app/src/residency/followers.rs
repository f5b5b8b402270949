//! The directory in several cells: one decides, the others follow its log, and an entry counts when one of them has it.
//!
//! The decider writes an entry, tells the followers, and gives an answer only when one of them has it on disk. So whatever was answered is in two
//! cells; what is in one alone was not answered to anybody. Before it decides, after each start and with each new term, it asks all others
//! what they have, and takes what it lacks: a cell that was restored from a backup cannot know it by itself. Whoever is asked promises to take
//! nothing of an earlier term from then on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use domicile_core::{
    clock::{Clock, SECOND_MS},
    error::ErrorKind,
    locality::CellName,
};
use domicile_residency::directory::Tip;
use domicile_store::{Batch, Store, table::directory_names};
use futures::{StreamExt as _, stream::FuturesUnordered};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{MutexGuard, watch};

use super::{
    InnerLink, OwnCell,
    directory_log::DirectoryLog,
    directory_words::{FOLLOW, Push, Reached},
    hash_rotation::is_changing,
    own_cell::no_names,
};
use crate::{
    Error, Result,
    federation::{Bounds, PeerError},
};

/// What a follower may take to write a page, and a holder to give one.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 4 * 1024 * 1024 };
/// How long somebody who wants a name waits until a follower has it.
const COMMIT: Duration = Duration::from_secs(15);
/// A follower that was heard from within this time is taken to be there.
const FRESH_MS: i64 = 30 * SECOND_MS;
/// How often a follower that hashes its log anew is asked whether it is done, in one go, and how long is waited between.
const CHANGING: usize = 40;
const CHANGING_PAUSE: Duration = Duration::from_millis(250);

/// How a follower stands, for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FollowerStatus {
    /// The cell.
    pub cell: String,
    /// The last entry that it is known to have.
    pub log_index: Option<u64>,
    /// How many entries it lacks.
    pub behind: Option<u64>,
    /// When it was heard from last, in milliseconds since the epoch.
    pub heard_ts: Option<i64>,
    /// What is the matter with it.
    pub wrong: Option<String>,
}

/// While it is held, its holder may append to the log, and nobody else.
pub(super) struct Deciding<'f> {
    /// The term of what is appended.
    pub(super) term: u32,
    _appending: MutexGuard<'f, ()>,
}

/// What the decider knows of a follower.
#[derive(Clone, Debug, Default)]
pub(super) struct Follower {
    pub(super) tip: Option<Tip>,
    pub(super) heard_ts: Option<i64>,
    pub(super) wrong: Option<(i64, String)>,
    /// One tells it something at a time; who waits finds that it has been told.
    telling: Arc<tokio::sync::Mutex<()>>,
}

/// The holders of the directory.
pub struct Followers {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) own: Arc<OwnCell>,
    pub(super) link: Arc<InnerLink>,
    pub(super) log: Arc<DirectoryLog>,
    /// The term in which this cell decides: after it has heard what the others have.
    pub(super) begun: AtomicU32,
    pub(super) beginning: tokio::sync::Mutex<()>,
    /// Why it does not decide yet.
    pub(super) waits: Mutex<Option<String>>,
    pub(super) committed: watch::Sender<u64>,
    pub(super) known: Mutex<BTreeMap<CellName, Follower>>,
    /// Held by whoever appends to the log, promises to go by a later term, or follows. One entry names the one before it, so of many who append at once
    /// all but one would have to begin anew, again and again.
    pub(super) appending: tokio::sync::Mutex<()>,
    /// To whom a later term was promised, of whom our document may not know yet.
    pub(super) promised: Mutex<Option<CellName>>,
    /// How many entries the decider said that it has, at a follower.
    pub(super) head: Mutex<Option<(u64, i64)>>,
    /// Whoever hashes the log anew has it.
    pub(super) rotating: tokio::sync::Mutex<()>,
}

impl Followers {
    pub(super) fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        own: Arc<OwnCell>,
        link: Arc<InnerLink>,
        log: Arc<DirectoryLog>,
    ) -> Self {
        Self {
            store,
            clock,
            own,
            link,
            log,
            begun: AtomicU32::new(0),
            beginning: tokio::sync::Mutex::default(),
            waits: Mutex::default(),
            committed: watch::Sender::new(0),
            known: Mutex::default(),
            appending: tokio::sync::Mutex::default(),
            promised: Mutex::default(),
            head: Mutex::default(),
            rotating: tokio::sync::Mutex::default(),
        }
    }

    /// Whether this cell holds the directory.
    pub(super) fn holds(&self) -> bool {
        self.own.document().cells.get(self.own.name()).is_some_and(|cell| cell.directory)
    }

    /// The other cells that hold the directory.
    pub(super) fn others(&self) -> BTreeSet<CellName> {
        self.own.document().directory_cells().filter(|cell| *cell != self.own.name()).cloned().collect()
    }

    /// Up to which entry what is here may be told: what another holder has, too.
    pub(super) async fn told_up_to(&self) -> Result<u64> {
        if !self.own.decides() || self.others().is_empty() {
            return Ok(u64::MAX);
        }
        let known = *self.committed.borrow();
        if known > 0 {
            return Ok(known);
        }
        let (_, committed) = self.standing().await?;
        Ok(committed)
    }

    /// The term that was promised, and what is known to be in two cells.
    pub(super) async fn standing(&self) -> Result<(u32, u64)> {
        let read = self.store.read(|snapshot| async move { directory_names::standing(&snapshot).await }).await?;
        Ok((u32::try_from(read.0).unwrap_or(u32::MAX), u64::try_from(read.1).unwrap_or_default()))
    }

    pub(super) async fn note_standing(&self, term: u32, committed: u64) -> Result<()> {
        let mut batch = Batch::new();
        directory_names::set_standing(&mut batch, i64::from(term), i64::try_from(committed).unwrap_or(i64::MAX));
        self.store.write(batch).await?;
        Ok(())
    }

    /// Lets this cell append as long as what is given is held: if it decides, has heard what the others have, and one of them is there.
    pub(super) async fn deciding(self: &Arc<Self>) -> Result<Deciding<'_>> {
        self.decide().await?;
        self.ready().await?;
        let appending = self.appending.lock().await;
        // A newer document may have come meanwhile: what is written from here on is of the term that was begun.
        let term = self.begun.load(Ordering::Acquire);
        if !self.has_begun() {
            return Err(no_names());
        }
        let (promised, _) = self.standing().await?;
        if promised > term {
            return Err(ErrorKind::Unavailable
                .with("Another cell decides whose a name is by now, and this one has not its newest deployment document: try again later.")
                .into());
        }
        self.log.check_settled().await?;
        Ok(Deciding { term, _appending: appending })
    }

    /// Waits until another holder has an entry, and everything before it.
    pub(super) async fn commit(self: &Arc<Self>, index: u64) -> Result<()> {
        if self.others().is_empty() || *self.committed.borrow() >= index {
            return Ok(());
        }
        let mut committed = self.committed.subscribe();
        let mut told = self.tell_all();
        let all = async { while told.next().await.is_some() {} };
        tokio::select! {
            _ = committed.wait_for(|committed| *committed >= index) => {}
            () = all => {}
            () = tokio::time::sleep(COMMIT) => {}
        }
        if *self.committed.borrow() >= index { Ok(()) } else { Err(alone()) }
    }

    /// Whether a follower is there. While none is, nothing is written: what is in one cell alone would be lost with it.
    async fn ready(self: &Arc<Self>) -> Result<()> {
        let others = self.others();
        let is_there = |this: &Self| {
            let (now_ms, followers) = (this.clock.now_ms(), this.known.lock());
            let heard = |follower: &Follower| {
                follower.wrong.is_none() && follower.heard_ts.is_some_and(|ts| now_ms.saturating_sub(ts) < FRESH_MS)
            };
            others.iter().any(|cell| followers.get(cell).is_some_and(heard))
        };
        if others.is_empty() || is_there(self) {
            return Ok(());
        }
        let mut told = self.tell_all();
        while told.next().await.is_some() {
            if is_there(self) {
                return Ok(());
            }
        }
        Err(alone())
    }

    /// Tells all followers what they lack, each in a task of its own, which goes on when nobody waits for it any more.
    pub(super) fn tell_all(self: &Arc<Self>) -> FuturesUnordered<tokio::task::JoinHandle<()>> {
        let tell = |cell: CellName| {
            let this = Arc::clone(self);
            tokio::spawn(async move {
                if let Err(error) = this.tell(&cell).await {
                    tracing::warn!(%error, cell = cell.as_str(), "a cell does not follow the directory at the moment");
                }
            })
        };
        self.others().into_iter().map(tell).collect()
    }

    /// Tells a follower what it lacks.
    async fn tell(&self, cell: &CellName) -> Result<()> {
        let telling = Arc::clone(&self.known.lock().entry(cell.clone()).or_default().telling);
        let _one = telling.lock().await;
        let told = self.tell_pages(cell).await;
        let now_ms = self.clock.now_ms();
        let mut followers = self.known.lock();
        let follower = followers.entry(cell.clone()).or_default();
        match &told {
            Ok(()) => (follower.wrong, follower.heard_ts) = (None, Some(now_ms)),
            Err(error) => {
                let since = follower.wrong.as_ref().map_or(now_ms, |(since, _)| *since);
                follower.wrong = Some((since, error.to_string()));
            }
        }
        told
    }

    async fn tell_pages(&self, cell: &CellName) -> Result<()> {
        let mut is_asked = false;
        let mut waits = CHANGING;
        loop {
            self.log.check_settled().await?;
            let keys = self.log.told_keys().await?;
            let head = self.log.tip().await?;
            let known = self.known.lock().get(cell).and_then(|follower| follower.tip.clone());
            let (after, entries) = match known {
                Some(tip) if tip == head && is_asked => return Ok(()),
                Some(tip) if tip.index < head.index => {
                    let entries = self.log.page(tip.index).await?;
                    (tip, entries)
                }
                _ => (head.clone(), Vec::new()),
            };
            let had = after.index;
            let sent = entries.len();
            let push = Push { after, entries, head: head.index, keys: keys.clone() };
            let reached: Reached = self.ask(cell, FOLLOW, &push).await?;
            if reached.is_changing && waits > 0 {
                waits -= 1;
                tokio::time::sleep(CHANGING_PAUSE).await;
                continue;
            }
            // What was said of a log that has another key by now means nothing.
            self.log.check_settled().await?;
            if reached.is_changing || self.log.told_keys().await? != keys {
                return Err(is_changing());
            }
            is_asked = true;
            self.believe(cell, &reached, &head).await?;
            if sent > 0 && reached.tip.index <= had {
                return Err(Error::internal("it did not take what it was told"));
            }
        }
    }

    /// Looks at what a follower says that it has: a part of this cell's log, or its log is another one.
    async fn believe(&self, cell: &CellName, reached: &Reached, head: &Tip) -> Result<()> {
        if reached.tip.index > head.index && !reached.forked {
            // This cell was restored, and a follower has what it lacks: it begins again.
            self.begun.store(0, Ordering::Release);
            return Err(Error::internal("it has entries that this cell lacks"));
        }
        if reached.forked || self.log.hash_at(reached.tip.index).await?.as_ref() != Some(&reached.tip.hash) {
            self.note_fork(cell).await?;
            return Err(Error::internal("its log of the directory is another one"));
        }
        self.clear(cell, "fork").await?;
        if let Some(follower) = self.known.lock().get_mut(cell) {
            follower.tip = Some(reached.tip.clone());
        }
        self.committed.send_if_modified(|committed| {
            let is_more = reached.tip.index > *committed;
            *committed = reached.tip.index.max(*committed);
            is_more
        });
        Ok(())
    }

    pub(super) async fn ask<A: serde::de::DeserializeOwned>(
        &self,
        cell: &CellName,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A> {
        let answer = self.link.ask_json_within(cell, path, body, BOUNDS).await;
        answer.map_err(|error| match error {
            PeerError::Matrix { text, .. } => Error::internal(text),
            other => Error::internal(other),
        })
    }
}

/// What a person is told while no second cell can take note of a name.
fn alone() -> Error {
    let text = "Names cannot be taken at the moment, since only one place could take note of them: try again later.";
    ErrorKind::Unavailable.with(text).into()
}
