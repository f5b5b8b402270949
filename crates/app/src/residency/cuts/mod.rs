//! Cuts: other cells that are not reached for so long that people are told, what waits for them meanwhile, and what had waited when they are there again.
//!
//! `domicile_residency::cut` decides, from what `contacts` has seen and from whether the other cell takes what it is told; here that is noted on disk,
//! so that a restart changes nothing, and what waits is counted (`waiting`). `standing::cut_notices` tells people.

mod shown;
mod waiting;

use std::{sync::Arc, time::Duration};

use domicile_core::{
    clock::{Clock, DAY_MS, MINUTE_MS},
    ids::Position,
    locality::{CellName, Destination},
};
use domicile_residency::cut::{Known, Signs, Step, step};
use domicile_store::{
    Batch, Store,
    numbers::Sequence,
    table::{
        cuts::{self, Counts, Cut},
        destinations,
    },
};
use parking_lot::Mutex;
use ruma::{OwnedUserId, UserId};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use shown::{CutGauge, CutStatus, ShownCut};

use super::{InnerLink, OwnCell};
use crate::{Result, accounts::Users, events::Events, federation::Bounds};

/// Where a cell asks another one what waited for it there.
pub const CUT: &str = "/_domicile/inner/v1/cut";
/// How often it is looked.
const PAUSE: Duration = Duration::from_secs(10);
/// How long cuts that are over are kept.
const KEPT_MS: i64 = 90 * DAY_MS;
/// How long a cell that is there again may take to say what waited there.
const SAYS_MS: i64 = 10 * MINUTE_MS;
/// How long after a cut a cell still says what waited.
const SAID_MS: i64 = DAY_MS;
/// What such an answer may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(30), bytes: 1 << 20 };
/// Bytes of a device's id that people are shown.
const DEVICE_ID_BYTES: usize = 64;

/// What the service needs.
pub struct CutParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// This cell.
    pub own: Arc<OwnCell>,
    /// The link to the others.
    pub link: Arc<InnerLink>,
    /// Events in memory.
    pub events: Arc<Events>,
    /// Ids and numbers.
    pub users: Arc<Users>,
    /// How long a cell is not reached before people are told, in milliseconds; none: nobody is ever told.
    pub patience_ms: Option<i64>,
}

/// Asks what waited.
#[derive(Debug, Serialize, Deserialize)]
pub struct CutQuestion {}

/// What waited at a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// People whom somebody else took out of a room, without banning them.
    pub removals: i64,
    /// People who were banned.
    pub bans: i64,
    /// Devices that were signed out.
    pub sign_outs: i64,
    /// Messages and other events.
    pub messages: i64,
}

/// A device that is new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDevice {
    /// Whose it is.
    pub user_id: String,
    /// Its id.
    pub device_id: String,
}

/// What waited for the cell that asks.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct CutAnswer {
    /// How much; none if this cell has noticed no cut.
    pub waited: Option<Waited>,
    /// Devices of people here that are new since then.
    #[serde(default)]
    pub devices: Vec<NewDevice>,
    /// Whether there are more of them.
    #[serde(default)]
    pub more: bool,
}

/// The new devices as they are kept until people were told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDevices {
    /// Those that are listed.
    pub devices: Vec<NewDevice>,
    /// Whether there are more.
    pub more: bool,
}

impl From<Counts> for Waited {
    fn from(counts: Counts) -> Self {
        let Counts { removals, bans, sign_outs, messages } = counts;
        Self { removals, bans, sign_outs, messages }
    }
}

impl Waited {
    /// As another cell said it: never less than nothing.
    fn bounded(self) -> Self {
        let [removals, bans, sign_outs, messages] =
            [self.removals, self.bans, self.sign_outs, self.messages].map(|count| count.clamp(0, 1_000_000_000));
        Self { removals, bans, sign_outs, messages }
    }
}

/// How another cell stands as a destination.
struct Told {
    row: Option<destinations::Destination>,
    head: Position,
    /// Whether anything waits up to where it is counted, or to the head.
    waits: bool,
}

/// Notices cuts. A server that is no cell of a deployment has none.
pub struct Cuts {
    parts: Option<CutParts>,
    gauge: Mutex<CutGauge>,
    /// One looks at a time.
    looking: tokio::sync::Mutex<()>,
    /// One counts at a time. It is never held while another cell is asked, which may be asking this one.
    counting: tokio::sync::Mutex<()>,
}

impl Cuts {
    /// Of its parts, if there are other cells.
    pub fn new(parts: Option<CutParts>) -> Self {
        Self {
            parts,
            gauge: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            counting: tokio::sync::Mutex::default(),
        }
    }

    /// Looks once at each other cell.
    pub async fn look(&self) -> Result<()> {
        let Some(parts) = &self.parts else { return Ok(()) };
        let _one = self.looking.lock().await;
        let others: Vec<CellName> = parts.own.others().cloned().collect();
        for cell in &others {
            self.look_at(parts, cell).await?;
        }
        let open = parts.store.read(|snapshot| async move { cuts::open(&snapshot).await }).await?;
        *self.gauge.lock() = CutGauge::of(&open, parts.clock.now_ms());
        // Of a cell that the document does not name any more nothing will heal.
        for cut in open.iter().filter(|cut| !others.iter().any(|cell| cell.as_str() == cut.cell)) {
            let mut batch = Batch::new();
            cuts::remove(&mut batch, cut.cut_num);
            parts.store.write(batch).await?;
        }
        Ok(())
    }

    async fn look_at(&self, parts: &CutParts, cell: &CellName) -> Result<()> {
        let counting = self.counting.lock().await;
        let now_ms = parts.clock.now_ms();
        let name = cell.as_str().to_owned();
        let open = parts.store.read(|snapshot| async move { cuts::open(&snapshot).await }).await?;
        let cut = open.into_iter().find(|cut| cut.cell == name);
        let told = told(parts, cell, cut.as_ref()).await?;
        let failing = told.row.as_ref().and_then(|row| row.failing_since_ts);
        let signs = Signs { waiting_ms: failing.filter(|_| told.waits), ..parts.link.contacts.of(cell) };
        let known = cut.as_ref().map(|cut| Known {
            since_ms: cut.since_ts,
            is_declared: cut.declared_ts.is_some(),
            whole_ms: cut.whole_ts,
        });
        let patience_ms = parts.patience_ms.unwrap_or(i64::MAX);
        let next = step(known, signs.way(now_ms), signs.started_ms, now_ms, patience_ms);
        let Some(mut cut) = cut else {
            return match next {
                Step::Note { since_ms } => note(parts, cell, &told, since_ms).await,
                _ => Ok(()),
            };
        };
        let before = cut.clone();
        let mut batch = Batch::new();
        match next {
            Step::Stay | Step::Note { .. } if cut.whole_ts.is_none() => count(parts, &mut cut, &told).await?,
            Step::Stay | Step::Note { .. } => {}
            Step::Forget => {
                cuts::remove(&mut batch, cut.cut_num);
                parts.store.write(batch).await?;
                return Ok(());
            }
            Step::Declare => {
                tracing::warn!(
                    cell = cell.as_str(),
                    since_ms = cut.since_ts,
                    "a cell is cut off: people who share rooms with its people are told"
                );
                count(parts, &mut cut, &told).await?;
                cut.declared_ts = Some(now_ms);
                cuts::remove_before(&mut batch, now_ms - KEPT_MS);
            }
            Step::Mend => {
                count(parts, &mut cut, &told).await?;
                cut.whole_ts = Some(now_ms);
            }
            Step::Break => {
                cut.whole_ts = None;
                // What came in between has gone through.
                let position = told.row.as_ref().map_or(told.head, |row| row.position);
                cut.counted_position = cut.counted_position.max(position);
            }
            Step::End if told.waits => {}
            Step::End => {
                // Nobody else changes it any more: the way is whole, and everything is counted.
                drop(counting);
                if !end(parts, cell, &mut cut, now_ms).await {
                    return Ok(());
                }
                tracing::info!(cell = cell.as_str(), "a cell that was cut off has everything that waited for it");
            }
        }
        // Mostly nothing has happened since the last look.
        if cut != before {
            cuts::update(&mut batch, &cut);
        }
        if cut.ended_ts.is_some() {
            cuts::forget_devices(&mut batch);
        }
        if !batch.is_empty() {
            parts.store.write(batch).await?;
        }
        Ok(())
    }

    /// What waited here for a cell, which asks.
    pub async fn waited_for(&self, cell: &CellName) -> Result<CutAnswer> {
        let Some(parts) = &self.parts else { return Ok(CutAnswer::default()) };
        let _one = self.counting.lock().await;
        let (name, after_ms) = (cell.as_str().to_owned(), parts.clock.now_ms() - SAID_MS);
        let read = parts.store.read(move |snapshot| async move {
            let mut all = cuts::open(&snapshot).await?;
            all.extend(cuts::ended_after(&snapshot, after_ms, 100).await?);
            Ok::<_, domicile_store::StoreError>(all.into_iter().find(|cut| cut.cell == name))
        });
        let Some(mut cut) = read.await? else { return Ok(CutAnswer::default()) };
        let told = told(parts, cell, Some(&cut)).await?;
        let Some(row) = &told.row else {
            return Ok(CutAnswer { waited: Some(Waited::default()), ..CutAnswer::default() });
        };
        if cut.ended_ts.is_none() && cut.whole_ts.is_none() {
            waiting::count(parts, &mut cut, row.destination_num, told.head).await?;
            let mut batch = Batch::new();
            cuts::update(&mut batch, &cut);
            parts.store.write(batch).await?;
        }
        let (users, counted, destination_num) = (Arc::clone(&parts.users), cut.clone(), row.destination_num);
        let read = parts.store.read(move |snapshot| async move {
            waiting::new_devices(&snapshot, &users, &counted, destination_num).await
        });
        let (devices, more) = read.await?;
        Ok(CutAnswer { waited: Some(cut.counts.into()), devices, more })
    }

    /// Looks from time to time, and when a cell answers that did not, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let Some(parts) = &self.parts else { return };
        loop {
            match self.look().await {
                Ok(()) => {}
                Err(error) if error.is_closed() => return,
                Err(error) => tracing::warn!(%error, "it could not be looked whether other cells are reached"),
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
                () = parts.link.contacts.back() => {}
            }
        }
    }
}

/// How a cell stands as a destination.
async fn told(parts: &CutParts, cell: &CellName, cut: Option<&Cut>) -> Result<Told> {
    let (name, counted) = (Destination::Cell(cell.clone()).to_string(), cut.filter(|cut| cut.whole_ts.is_some()));
    let counted = counted.map(|cut| cut.counted_position);
    let read = parts.store.read(move |snapshot| async move {
        let head = snapshot.head().await?;
        let row = match destinations::by_name(&snapshot, &name).await? {
            Some(destination_num) => destinations::by_num(&snapshot, destination_num).await?,
            None => None,
        };
        let waits = match &row {
            Some(row) => waiting::waits(&snapshot, row.destination_num, row.position, counted.unwrap_or(head)).await?,
            None => false,
        };
        Ok::<_, crate::Error>(Told { row, head, waits })
    });
    read.await
}

/// Counts what came since it was counted last.
async fn count(parts: &CutParts, cut: &mut Cut, told: &Told) -> Result<()> {
    match &told.row {
        Some(row) => waiting::count(parts, cut, row.destination_num, told.head).await,
        None => Ok(()),
    }
}

/// Notes that a cell is not reached. Nobody is told yet.
async fn note(parts: &CutParts, cell: &CellName, told: &Told, since_ms: i64) -> Result<()> {
    let position = told.row.as_ref().map_or(told.head, |row| row.position);
    let mut batch = Batch::new();
    let cut = Cut {
        cut_num: parts.store.number(Sequence::Cut).await?,
        cell: cell.as_str().to_owned(),
        since_ts: since_ms,
        declared_ts: None,
        whole_ts: None,
        ended_ts: None,
        from_position: position,
        counted_position: position,
        counts: Counts::default(),
        there: None,
        devices: None,
    };
    cuts::insert(&mut batch, &cut);
    parts.store.write(batch).await?;
    Ok(())
}

/// Ends a cut: asks the other cell what waited there. False: it has not said yet, and may be asked again.
async fn end(parts: &CutParts, cell: &CellName, cut: &mut Cut, now_ms: i64) -> bool {
    let asked = match parts.link.may_ask(cell) {
        Ok(()) => parts.link.ask_json_within::<CutAnswer>(cell, CUT, &CutQuestion {}, BOUNDS).await,
        // Nothing of people crosses there, so nothing waited.
        Err(_) => Ok(CutAnswer::default()),
    };
    match asked {
        Ok(answer) => {
            let there = answer.waited.map(Waited::bounded);
            let devices = known(parts, cell, answer);
            cut.there = there.and_then(|there| serde_json::to_string(&there).ok());
            cut.devices =
                Some(devices).filter(|new| !new.devices.is_empty()).and_then(|new| serde_json::to_string(&new).ok());
        }
        Err(error) => {
            tracing::info!(%error, cell = cell.as_str(), "a cell has not said what waited there");
            if now_ms.saturating_sub(cut.whole_ts.unwrap_or(now_ms)) < SAYS_MS {
                return false;
            }
        }
    }
    cut.ended_ts = Some(now_ms);
    true
}

/// Of the devices that a cell names, those that are its own people's, and that can be shown as they are.
fn known(parts: &CutParts, cell: &CellName, answer: CutAnswer) -> NewDevices {
    let more = answer.more || answer.devices.len() > waiting::DEVICES;
    let is_shown = |new: &NewDevice| {
        let id = &new.device_id;
        let is_plain = id.len() <= DEVICE_ID_BYTES && !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic());
        let home = |user_id: OwnedUserId| parts.users.localities().other_cell_of(&user_id);
        is_plain && UserId::parse(&new.user_id).ok().and_then(home).is_some_and(|home| home == *cell)
    };
    let devices = answer.devices.into_iter().take(waiting::DEVICES).filter(is_shown).collect();
    NewDevices { devices, more }
}
