//! The documents that a cell takes while it runs: from its file, when that changes, and from another cell that has a newer one.
//!
//! ```text
//! file --Documents::look()--+
//!                           +--take()--> judged, link prepared --> on disk --> in force --> told to the others
//! cell --exchange()---------+
//! ```
//!
//! Whoever it comes from, it counts by the root key's signature, and is never followed by an older one. Everything that can fail comes before the
//! write; what is on disk holds at the next start, whatever happens in between.

use std::{
    collections::BTreeMap,
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use domicile_core::{clock::Clock, error::ErrorKind, locality::CellName};
use domicile_residency::deployment::{Decider, sign};
use domicile_store::{Batch, Store, table::deployment_document};
use futures::{StreamExt as _, stream};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::{DeploymentError, InnerLink, Names, OwnCell, Tickets};
use crate::{Error, Result, federation::Bounds};

/// Where cells tell each other which document they have, and give it.
pub const EXCHANGE: &str = "/_domicile/inner/v1/deployment";
/// How often the file is looked at.
const LOOK_PAUSE: Duration = Duration::from_secs(2);
/// How often all other cells are asked, beside when one is seen to have another document.
const EXCHANGE_PAUSE: Duration = Duration::from_mins(1);
/// How soon at most they are asked again.
const EXCHANGE_SOONEST: Duration = Duration::from_secs(1);
/// What an answer may cost: a document, escaped, and a little more.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 3 * sign::BYTES };
/// Cells that are asked at once.
const AT_ONCE: usize = 8;

/// What a cell says of its document to another.
#[derive(Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// Its number.
    pub serial: u32,
    /// Its text, for whoever has an older one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Why it did not take the one that was offered, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Who gave a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The operator, in the file.
    File,
    /// Another cell.
    Cell(CellName),
}

impl Source {
    /// As a person reads it.
    fn shown(&self) -> String {
        match self {
            Self::File => "the file".to_owned(),
            Self::Cell(cell) => format!("the cell {}", cell.as_str()),
        }
    }
}

/// What became of a document that was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// The number of the document that holds.
    pub serial: u32,
    /// The number of the one before, if that was another one.
    pub before: Option<u32>,
}

/// How the document stands.
#[derive(Clone, Debug, Serialize)]
pub struct DocumentStatus {
    /// This cell.
    pub cell: String,
    /// The number of its document.
    pub serial: u32,
    /// Since when it holds here, in milliseconds since the epoch.
    pub taken_ts: Option<i64>,
    /// Who gave it, if that was while this process ran.
    pub from: Option<String>,
    /// The last one that was offered and not taken since: from whom, and why not.
    pub refused: Option<String>,
    /// The other cells at work.
    pub cells: Vec<CellStatus>,
}

/// How another cell's document stands.
#[derive(Clone, Debug, Serialize)]
pub struct CellStatus {
    /// The cell.
    pub cell: String,
    /// The number of its document, as far as it is known.
    pub serial: Option<u32>,
    /// When it said so, in milliseconds since the epoch.
    pub heard_ts: Option<i64>,
    /// Why it did not take ours, or why it cannot be asked.
    pub trouble: Option<String>,
    /// The cell by way of which it is reached, if it is not reached directly.
    pub by_way_of: Option<String>,
}

/// What was heard of another cell's document.
#[derive(Clone, Debug, Default)]
struct Heard {
    serial: Option<u32>,
    at_ms: Option<i64>,
    trouble: Option<String>,
}

/// What changes when a file is written or another one takes its place.
type Stamp = (SystemTime, u64, u64);

/// The documents of this cell.
pub struct Documents {
    store: Store,
    clock: Arc<dyn Clock>,
    file: PathBuf,
    own: Arc<OwnCell>,
    tickets: Arc<Tickets>,
    names: Arc<Names>,
    link: Arc<InnerLink>,
    state: Mutex<State>,
    /// One is taken after the other.
    taking: tokio::sync::Mutex<()>,
    taken: Notify,
    serial: watch::Sender<u32>,
}

#[derive(Default)]
struct State {
    from: Option<Source>,
    refused: Option<String>,
    seen: Option<Stamp>,
    heard: BTreeMap<CellName, Heard>,
}

impl Documents {
    /// For a cell, with the file from which the operator gives it documents.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        file: PathBuf,
        (own, link): (Arc<OwnCell>, Arc<InnerLink>),
        (tickets, names): (Arc<Tickets>, Arc<Names>),
    ) -> Self {
        let state = State { seen: stamp(&file), ..State::default() };
        let serial = watch::Sender::new(own.document().serial);
        Self {
            store,
            clock,
            file,
            own,
            tickets,
            names,
            link,
            state: Mutex::new(state),
            taking: tokio::sync::Mutex::default(),
            taken: Notify::new(),
            serial,
        }
    }

    /// The number of the document that holds, as it changes.
    pub fn serial(&self) -> watch::Receiver<u32> {
        self.serial.subscribe()
    }

    /// The text of the document that holds, as it was signed.
    pub async fn text(&self) -> Result<String> {
        let last = self.store.read(|snapshot| async move { deployment_document::last(&snapshot).await }).await?;
        last.map(|(text, _)| text).ok_or_else(|| Error::internal("the deployment document is not in the database"))
    }

    /// Looks at the file and exchanges documents with other cells, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let exchanging = async {
            loop {
                self.link.try_direct().await;
                self.exchange_all().await;
                tokio::time::sleep(EXCHANGE_SOONEST).await;
                tokio::select! {
                    () = self.link.differs() => {}
                    () = self.taken.notified() => {}
                    () = tokio::time::sleep(EXCHANGE_PAUSE) => {}
                }
            }
        };
        let looking = async {
            loop {
                tokio::time::sleep(LOOK_PAUSE).await;
                self.look().await;
            }
        };
        tokio::select! {
            () = stopping.cancelled() => {}
            _ = exchanging => {}
            _ = looking => {}
        }
    }

    /// Reads the file again if it changed. One that is not taken is told once.
    async fn look(&self) {
        let found = stamp(&self.file);
        // One that is away is being written, or will be missed at the next start: it takes nothing back.
        if found.is_none() || std::mem::replace(&mut self.state.lock().seen, found) == found {
            return;
        }
        // What is not taken is in the log by then.
        let _ = self.reload().await;
    }

    /// Takes the document in the file, if it is another one.
    pub async fn reload(&self) -> std::result::Result<Taken, DeploymentError> {
        self.state.lock().seen = stamp(&self.file);
        match self.read_file() {
            Ok(text) => self.take(&text, Source::File).await,
            Err(error) => Err(self.note_refused(&Source::File, error)),
        }
    }

    fn read_file(&self) -> std::result::Result<String, DeploymentError> {
        let wrong = |reason: String| DeploymentError::File { file: self.file.display().to_string(), reason };
        let file = std::fs::File::open(&self.file).map_err(|error| wrong(error.to_string()))?;
        let mut text = String::new();
        // One byte more than there may be, so that what is too large is seen to be.
        let mut bounded = file.take(sign::BYTES as u64 + 1);
        bounded.read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
        Ok(text)
    }

    /// Takes a document, if it is newer than the one that holds. One that is not taken leaves everything as it was.
    pub async fn take(&self, text: &str, from: Source) -> std::result::Result<Taken, DeploymentError> {
        let _one = self.taking.lock().await;
        let result = self.take_alone(text, &from).await;
        match result {
            Ok(taken) => {
                let mut state = self.state.lock();
                state.refused = None;
                if taken.before.is_some() {
                    state.from = Some(from);
                }
                Ok(taken)
            }
            Err(error) => Err(self.note_refused(&from, error)),
        }
    }

    async fn take_alone(&self, text: &str, from: &Source) -> std::result::Result<Taken, DeploymentError> {
        let found = self.own.judge(text)?;
        let (before, serial) = (self.own.document().serial, found.serial);
        if serial == before {
            return Ok(Taken { serial, before: None });
        }
        let prepared = self.link.prepare(&found)?;
        let revoked: Vec<CellName> =
            found.revoked.keys().filter(|cell| !self.own.document().revoked.contains_key(*cell)).cloned().collect();
        let decides = |decider: &Decider| (decider.cell.clone(), decider.term);
        let other_decider = decides(&found.decider) != decides(&self.own.document().decider);
        let mut batch = Batch::new();
        deployment_document::set(&mut batch, serial, text, self.clock.now_ms());
        self.store.write(batch).await?;
        self.own.turn_to(found);
        self.link.turn_to(prepared);
        tracing::info!(before, serial, from = from.shown(), "the deployment document is taken");
        for cell in &revoked {
            tracing::warn!(cell = cell.as_str(), "a cell is revoked: nothing that it says counts any more");
        }
        let failed = self.tickets.check_again();
        self.serial.send_replace(serial);
        self.taken.notify_one();
        if failed > 0 || other_decider {
            tracing::info!(failed, "the directory is asked again whose home is where");
            self.claim_again().await;
        }
        Ok(Taken { serial, before: Some(before) })
    }

    /// As at a start: names of people here of whom no ticket counts.
    async fn claim_again(&self) {
        if let Err(error) = self.names.claim_all().await {
            tracing::warn!(%error, "names of people here are not in the directory yet; it is tried again");
        }
    }

    /// Notes why a document was not taken, and tells the operator if it was not told before.
    fn note_refused(&self, from: &Source, error: DeploymentError) -> DeploymentError {
        let refused = format!("from {}: {error}", from.shown());
        let mut state = self.state.lock();
        if state.refused.as_ref() != Some(&refused) {
            let serial = self.own.document().serial;
            tracing::error!(serial, "a deployment document is not taken, and the one before stays in force: {refused}");
            state.refused = Some(refused);
        }
        error
    }

    /// Answers another cell, which has authenticated itself.
    pub async fn exchange(&self, cell: &CellName, said: Exchange) -> Result<Exchange> {
        let Exchange { serial, document, refused } = said;
        let mut answer = Exchange { serial: 0, document: None, refused: None };
        if let Some(text) = document.filter(|_| serial > self.own.document().serial) {
            if text.len() > sign::BYTES {
                return Err(ErrorKind::TooLarge.with(sign::Unsigned::TooLarge.to_string()).into());
            }
            answer.refused = match self.take(&text, Source::Cell(cell.clone())).await {
                Ok(_) => None,
                Err(DeploymentError::Store(error)) => return Err(error.into()),
                Err(error) => Some(error.to_string()),
            };
        }
        answer.serial = self.own.document().serial;
        if answer.serial > serial {
            answer.document = Some(self.text().await?);
        }
        self.heard(cell, Some(serial), refused);
        Ok(answer)
    }

    /// Asks all other cells which document they have, takes one that is newer, and gives ours to whoever has an older one.
    pub async fn exchange_all(&self) {
        let others: Vec<CellName> = self.own.others().cloned().collect();
        let asked = stream::iter(others).for_each_concurrent(AT_ONCE, |cell| async move {
            if let Err(error) = self.exchange_with(&cell).await {
                self.heard(&cell, None, Some(error));
            }
        });
        asked.await;
    }

    async fn ask(&self, cell: &CellName, document: Option<String>) -> std::result::Result<Exchange, String> {
        let question = Exchange { serial: self.own.document().serial, document, refused: None };
        let answered = self.link.ask_json_within::<Exchange>(cell, EXCHANGE, &question, BOUNDS).await;
        answered.map_err(|error| error.to_string())
    }

    async fn exchange_with(&self, cell: &CellName) -> std::result::Result<(), String> {
        let mut answer = self.ask(cell, None).await?;
        if let Some(text) = answer.document.take().filter(|_| answer.serial > self.own.document().serial) {
            let taken = self.take(&text, Source::Cell(cell.clone())).await;
            self.heard(cell, Some(answer.serial), None);
            return taken.map(drop).map_err(|error| format!("its document is not taken here: {error}"));
        }
        if answer.serial < self.own.document().serial {
            let text = self.text().await.map_err(|error| error.to_string())?;
            answer = self.ask(cell, Some(text)).await?;
        }
        self.heard(cell, Some(answer.serial), answer.refused);
        Ok(())
    }

    fn heard(&self, cell: &CellName, serial: Option<u32>, trouble: Option<String>) {
        let mut state = self.state.lock();
        let heard = state.heard.entry(cell.clone()).or_default();
        if serial.is_some() {
            (heard.serial, heard.at_ms) = (serial, Some(self.clock.now_ms()));
        }
        heard.trouble = trouble;
    }

    /// How the documents stand, here and elsewhere.
    pub async fn status(&self) -> Result<DocumentStatus> {
        let last = self.store.read(|snapshot| async move { deployment_document::last(&snapshot).await }).await?;
        let (document, state) = (self.own.document(), self.state.lock());
        let cells = self.own.others().map(|cell| {
            let Heard { serial, at_ms: heard_ts, trouble } = state.heard.get(cell).cloned().unwrap_or_default();
            let by_way_of = self.link.relay_to(cell);
            CellStatus { cell: cell.as_str().to_owned(), serial, heard_ts, trouble, by_way_of }
        });
        Ok(DocumentStatus {
            cell: self.own.name().as_str().to_owned(),
            serial: document.serial,
            taken_ts: last.map(|(_, taken_ts)| taken_ts),
            from: state.from.as_ref().map(Source::shown),
            refused: state.refused.clone(),
            cells: cells.collect(),
        })
    }
}

fn stamp(file: &std::path::Path) -> Option<Stamp> {
    std::fs::metadata(file).ok().and_then(|found| Some((found.modified().ok()?, found.ino(), found.len())))
}
