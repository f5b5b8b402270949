//! What other servers told for a cell that is not reached: kept sealed for that cell, and passed on in its order when it is there again.
//!
//! Without it one cut cell would have every other server leave the whole deployment alone.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use domicile_core::{
    clock::{Clock, DAY_MS, MINUTE_MS},
    locality::CellName,
    rng::Rng,
};
use domicile_residency::inner;
use domicile_store::{
    Batch, Store,
    numbers::Sequence,
    table::gateway_spool::{self, Waiting},
};
use http::Request;
use parking_lot::Mutex;
use ruma::{OwnedServerName, RoomId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::RoomIndex;
use crate::{
    Error, Result,
    federation::peers,
    residency::{InnerLink, OwnCell},
};

/// Where a cell takes what a gateway kept for it.
pub const SPOOLED: &str = "/_domicile/inner/v1/gateway/spooled";
/// What is kept for one cell at most, in bytes.
const BYTES: i64 = 512 << 20;
/// How long it is kept.
const KEPT_MS: i64 = 7 * DAY_MS;
/// How long events wait for somebody else's word that a cell that says so of itself is in their room.
const DOUBT_MS: i64 = MINUTE_MS;
/// How often it is looked for what nobody fetched in time.
const EXPIRY_MS: i64 = 10 * MINUTE_MS;
/// How often it is tried.
const TRY: Duration = Duration::from_millis(500);

/// A part of a transaction, as it lies in the spool once it is opened.
#[derive(Debug, Serialize, Deserialize)]
pub struct Spooled {
    /// Whose transaction it is.
    pub origin: OwnedServerName,
    /// Its id.
    pub txn_id: String,
    /// The part's events.
    pub pdus: Vec<Box<RawValue>>,
    /// Its EDUs.
    pub edus: Vec<Box<RawValue>>,
}

/// The spool.
pub struct Spool {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    own: Arc<OwnCell>,
    link: Arc<InnerLink>,
    rooms: Arc<RoomIndex>,
    /// What is kept for each cell: how many, and their bytes. Nothing until it was read.
    kept: Mutex<Option<BTreeMap<CellName, (i64, i64)>>>,
    /// When it was looked last for what nobody fetched, in milliseconds since the epoch.
    expired_ms: AtomicI64,
    /// One thing at a time is added, so that the order is that of the numbers.
    adding: tokio::sync::Mutex<()>,
}

impl Spool {
    /// Over a store.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        own: Arc<OwnCell>,
        link: Arc<InnerLink>,
        rooms: Arc<RoomIndex>,
    ) -> Self {
        Self {
            store,
            clock,
            rng,
            own,
            link,
            rooms,
            kept: Mutex::default(),
            expired_ms: AtomicI64::new(0),
            adding: tokio::sync::Mutex::default(),
        }
    }

    /// Whether something waits for a cell. What comes after it must wait, too.
    pub async fn has(&self, cell: &CellName) -> Result<bool> {
        self.read().await?;
        Ok(self.kept.lock().as_ref().is_some_and(|kept| kept.get(cell).is_some_and(|(count, _)| *count > 0)))
    }

    /// Keeps something for a cell. With a room, it is passed on only once it is known that the cell is in it. False if there is no place left, or no
    /// such cell.
    pub async fn keep(&self, cell: &CellName, part: &Spooled, room_id: Option<&RoomId>) -> Result<bool> {
        let Some(of) = self.own.document().cells.get(cell) else { return Ok(false) };
        let content = serde_json::to_vec(part).map_err(Error::internal)?;
        let sealed = inner::seal(&of.key, &content, &*self.rng).map_err(Error::internal)?;
        let bytes = i64::try_from(sealed.len()).unwrap_or(i64::MAX);
        self.read().await?;
        let _one = self.adding.lock().await;
        let held = self.kept.lock().as_ref().and_then(|kept| kept.get(cell).copied()).unwrap_or_default();
        if held.1.saturating_add(bytes) > BYTES {
            tracing::error!(
                cell = cell.as_str(),
                "the spool for a cell is full: other servers are asked to come again"
            );
            return Ok(false);
        }
        let spool_num: i64 = self.store.number(Sequence::GatewaySpool).await?;
        let mut batch = Batch::new();
        let (room_id, expires_ts) = (room_id.map(ToString::to_string), self.clock.now_ms() + KEPT_MS);
        gateway_spool::insert(
            &mut batch,
            cell.as_str(),
            Waiting { spool_num, room_id, sealed: sealed.into(), expires_ts },
        );
        self.store.write(batch).await?;
        if let Some(kept) = self.kept.lock().as_mut() {
            let (count, sum) = kept.entry(cell.clone()).or_default();
            (*count, *sum) = (*count + 1, *sum + bytes);
        }
        Ok(true)
    }

    /// Passes on what is kept, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let mut turns = tokio::time::interval(TRY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                _ = turns.tick() => {}
            }
            if let Err(error) = self.pass_all(&stopping).await {
                if error.is_closed() {
                    return;
                }
                tracing::warn!(%error, "what is kept for other cells could not be passed on");
            }
        }
    }

    async fn pass_all(&self, stopping: &CancellationToken) -> Result<()> {
        self.read().await?;
        let waiting: Vec<CellName> = {
            let kept = self.kept.lock();
            let waiting = kept.iter().flatten().filter(|(_, (count, _))| *count > 0);
            waiting.map(|(cell, _)| cell.clone()).collect()
        };
        if waiting.is_empty() {
            return Ok(());
        }
        self.expire().await?;
        for cell in waiting {
            while !stopping.is_cancelled() && self.pass_first(&cell).await? {}
        }
        Ok(())
    }

    /// Lets go what nobody fetched in time, now and then, and counts anew.
    async fn expire(&self) -> Result<()> {
        let now_ms = self.clock.now_ms();
        if now_ms - self.expired_ms.load(Ordering::Relaxed) < EXPIRY_MS {
            return Ok(());
        }
        self.expired_ms.store(now_ms, Ordering::Relaxed);
        let _one = self.adding.lock().await;
        let mut batch = Batch::new();
        gateway_spool::remove_expired(&mut batch, now_ms);
        self.store.write(batch).await?;
        *self.kept.lock() = None;
        Ok(())
    }

    /// Passes on what came first for a cell. False if there is nothing more, or the cell is not reached.
    async fn pass_first(&self, cell: &CellName) -> Result<bool> {
        let name = cell.as_str().to_owned();
        let read = self.store.read(move |snapshot| async move { gateway_spool::first(&snapshot, &name).await });
        let Some(first) = read.await? else {
            // Somebody may be adding something just now.
            let _one = self.adding.lock().await;
            *self.kept.lock() = None;
            return Ok(false);
        };
        let bytes = i64::try_from(first.sealed.len()).unwrap_or(i64::MAX);
        let spool_num = first.spool_num;
        let is_done = match self.is_for(cell, &first).await? {
            Some(true) => self.pass(cell, first).await?,
            Some(false) => true,
            None => false,
        };
        if !is_done {
            return Ok(false);
        }
        let mut batch = Batch::new();
        gateway_spool::remove(&mut batch, spool_num);
        self.store.write(batch).await?;
        if let Some((count, sum)) = self.kept.lock().as_mut().and_then(|kept| kept.get_mut(cell)) {
            (*count, *sum) = ((*count - 1).max(0), (*sum - bytes).max(0));
        }
        Ok(true)
    }

    /// Passes something on. False if the cell is not reached.
    async fn pass(&self, cell: &CellName, first: Waiting) -> Result<bool> {
        let request = Request::builder().method(http::Method::POST).uri(SPOOLED).body(first.sealed);
        let answer = self.link.ask(cell, request.map_err(Error::internal)?, peers::LARGE).await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(true),
            // What the cell cannot read, or may not take by its rules or its operator's lists, it will not take tomorrow either.
            Ok(answer) if matches!(answer.status().as_u16(), 400 | 403 | 404 | 413) => {
                tracing::error!(cell = cell.as_str(), "a cell does not take what was kept for it, and it is dropped");
                Ok(true)
            }
            Ok(_) | Err(_) => Ok(false),
        }
    }

    /// Whether what is kept for a cell is for it. Nothing while that cannot be found out.
    async fn is_for(&self, cell: &CellName, first: &Waiting) -> Result<Option<bool>> {
        let Some(room_id) = &first.room_id else { return Ok(Some(true)) };
        let Ok(room_id) = <&RoomId>::try_from(room_id.as_str()) else { return Ok(Some(false)) };
        let found = self.rooms.cells(room_id).await?;
        if found.cells.contains(cell) {
            return Ok(Some(true));
        }
        let since_ms = self.clock.now_ms() - (first.expires_ts - KEPT_MS);
        let may_be = found.unreached.contains(cell) || found.doubtful.contains(cell) && since_ms < DOUBT_MS;
        if !may_be {
            tracing::info!(
                cell = cell.as_str(),
                "nobody else says that a cell is in a room: it is not told what was said there"
            );
        }
        Ok((!may_be).then_some(false))
    }

    /// Something that only this cell reads again, as letters.
    pub fn sealed_token(&self, content: &[u8]) -> Result<String> {
        let sealed = inner::seal(&self.own.key().public(), content, &*self.rng).map_err(Error::internal)?;
        Ok(BASE64_URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What [`Self::sealed_token`] made.
    pub fn opened_token(&self, token: &str) -> Option<Vec<u8>> {
        self.own.opened(&BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()
    }

    /// Opens what a gateway kept for this cell.
    pub fn open(&self, sealed: &[u8]) -> Result<Spooled> {
        let wrong = |why: String| domicile_core::error::ErrorKind::BadJson.with(why);
        let content = self.own.opened(sealed).map_err(|error| wrong(format!("{error}.")))?;
        Ok(serde_json::from_slice(&content)
            .map_err(|error| wrong(format!("What was kept cannot be read: {error}.")))?)
    }

    /// Finds out what is kept.
    async fn read(&self) -> Result<()> {
        if self.kept.lock().is_some() {
            return Ok(());
        }
        let _one = self.adding.lock().await;
        if self.kept.lock().is_some() {
            return Ok(());
        }
        let read = self.store.read(|snapshot| async move { gateway_spool::waiting(&snapshot).await });
        let waiting = read.await?.into_iter();
        let kept = waiting.filter_map(|(cell, count, bytes)| Some((CellName::parse(&cell)?, (count, bytes))));
        *self.kept.lock() = Some(kept.collect());
        Ok(())
    }
}
