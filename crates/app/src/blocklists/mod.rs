//! Watching registers of what is blocked: each is looked at on its schedule, read if it has changed, and compared with what was known.
//!
//! What the operator must know becomes a row of `blocklist_alerts`, a count and a line of the log. An alert of the kind `appeared` is open for as
//! long as the listing stands, one about a register (`stale`, `damaged`, `unreachable` …) for as long as that is so; `changed` and `disappeared`
//! are over when they are told.

mod alerts;
mod kept;
mod listed;
mod obtain;
mod round;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use domicile_core::clock::{Clock, DAY_MS};
use domicile_egress::Client;
use domicile_residency::blocklist::{Format, Listing, Own};
use domicile_store::{Batch, Store, table::blocklists};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{Result, error::not_found};

pub use listed::{Listed, Trouble};
pub use round::Looked;

/// How often it is asked whether a register is due.
const PAUSE: Duration = Duration::from_secs(30);
/// How long alerts that are over are kept.
const ALERTS_KEPT_MS: i64 = 400 * DAY_MS;
/// Alerts of a page.
const PAGE: i64 = 500;

/// A register that is watched.
#[derive(Clone, Debug)]
pub struct Watched {
    /// What it is called here.
    pub name: String,
    /// Who keeps it.
    pub authority: String,
    /// The country whose register it is.
    pub jurisdiction: String,
    /// Its layout.
    pub format: Format,
    /// Addresses or paths of its parts.
    pub sources: Vec<String>,
    /// Addresses or paths of the SHA-256 of each part; none, or as many as there are parts.
    pub hashes: Vec<String>,
    /// How often it is looked at, in milliseconds.
    pub every_ms: i64,
    /// How old it may be, in milliseconds.
    pub max_age_ms: i64,
}

/// What the watch is made of.
pub struct BlocklistsParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Asks those who publish registers.
    pub client: Client,
    /// A folder for what is downloaded, until it was read.
    pub folder: PathBuf,
    /// What is searched for.
    pub own: Arc<Own>,
    /// The registers.
    pub watched: Vec<Watched>,
}

/// What the metrics say about a register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gauge {
    /// Listings of ours.
    pub listed: u64,
    /// What is near to something listed.
    pub near: u64,
    /// Whether it was whole when it was read last.
    pub whole: bool,
    /// When it was read last, in milliseconds since the epoch.
    pub read_ts: Option<i64>,
    /// Its entries.
    pub entries: i64,
}

/// Watches registers.
pub struct Blocklists {
    parts: BlocklistsParts,
    /// One look at a time: it takes a disk and a core.
    turn: tokio::sync::Mutex<()>,
    gauges: Mutex<BTreeMap<String, Gauge>>,
    counts: Mutex<BTreeMap<(String, String), u64>>,
}

impl Blocklists {
    /// Over its parts.
    pub fn new(parts: BlocklistsParts) -> Self {
        Self { parts, turn: tokio::sync::Mutex::default(), gauges: Mutex::default(), counts: Mutex::default() }
    }

    /// Looks at registers when they are due, until it is told to stop.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        if let Err(error) = self.begin().await {
            tracing::warn!(%error, "what is known of registers of what is blocked cannot be read");
        }
        if self.parts.watched.is_empty() {
            return;
        }
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                done = self.look_at_due() => if let Err(error) = done {
                    tracing::warn!(%error, "registers of what is blocked could not be looked at");
                },
            }
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Forgets registers that are watched no more, and fills the metrics with what is known.
    async fn begin(&self) -> Result<()> {
        let now_ms = self.parts.clock.now_ms();
        let rows = self.parts.store.read(|snapshot| async move { blocklists::all(&snapshot).await }).await?;
        let mut batch = Batch::new();
        for row in rows {
            if self.parts.watched.iter().any(|watched| watched.name == row.name) {
                let known = self.known(&row.name).await?;
                self.gauge(&row, known.values().map(|(listing, _)| listing));
            } else {
                blocklists::remove(&mut batch, &row.name, now_ms);
            }
        }
        blocklists::forget_alerts(&mut batch, now_ms - ALERTS_KEPT_MS);
        self.parts.store.write(batch).await?;
        Ok(())
    }

    async fn look_at_due(&self) -> Result<()> {
        let rows = self.parts.store.read(|snapshot| async move { blocklists::all(&snapshot).await }).await?;
        let now_ms = self.parts.clock.now_ms();
        for watched in &self.parts.watched {
            let due_ts = rows.iter().find(|row| row.name == watched.name).map_or(now_ms, |row| row.due_ts);
            if due_ts <= now_ms
                && let Err(error) = self.look(watched, false).await
            {
                tracing::warn!(%error, register = watched.name, "a register of what is blocked could not be looked at");
            }
        }
        Ok(())
    }

    /// Looks at a register now. `accept_smaller`: it is to be believed although it has lost many of its entries.
    pub async fn fetch(&self, name: &str, accept_smaller: bool) -> Result<Looked> {
        let watched = self.parts.watched.iter().find(|watched| watched.name == name);
        let watched = watched.ok_or_else(|| {
            let names: Vec<&str> = self.parts.watched.iter().map(|watched| watched.name.as_str()).collect();
            not_found(format!(
                "No [[blocklists]] of the configuration is called `{name}`; there are: {}.",
                names.join(", ")
            ))
        })?;
        self.look(watched, accept_smaller).await
    }

    /// All registers with how they stand, as JSON.
    pub async fn status(&self) -> Result<Value> {
        let rows = self.parts.store.read(|snapshot| async move { blocklists::all(&snapshot).await }).await?;
        let mut lists = Vec::new();
        for watched in &self.parts.watched {
            let row = rows.iter().find(|row| row.name == watched.name);
            let name = watched.name.clone();
            let open = self
                .parts
                .store
                .read(move |snapshot| async move { blocklists::open_alerts(&snapshot, &name).await })
                .await?;
            let known = self.known(&watched.name).await?;
            let listed = known.values().filter(|(listing, _)| listing.how.is_listed()).count();
            let about_register: Vec<Value> =
                open.iter().filter(|alert| alert.own.is_none()).map(alerts::shown).collect();
            lists.push(json!({
                "name": watched.name, "authority": watched.authority, "jurisdiction": watched.jurisdiction,
                "format": watched.format.name(), "sources": watched.sources.len(), "listed": listed, "near": known.len() - listed,
                "checked_ts": row.map(|row| row.checked_ts), "due_ts": row.map(|row| row.due_ts),
                "read_ts": row.and_then(|row| row.read_ts), "updated_ts": row.and_then(|row| row.updated_ts),
                "entries": row.map(|row| row.entries), "whole": row.map(|row| row.whole), "alerts": about_register,
            }));
        }
        Ok(json!({ "searched_for": self.parts.own.texts(), "blocklists": lists }))
    }

    /// What of ours stands in registers, as JSON.
    pub async fn listings(&self) -> Result<Value> {
        let mut all = Vec::new();
        for watched in &self.parts.watched {
            for (listing, row) in self.known(&watched.name).await?.values() {
                let mut shown = kept::shown(watched, listing);
                shown["appeared_ts"] = row.appeared_ts.into();
                shown["changed_ts"] = row.changed_ts.into();
                all.push(shown);
            }
        }
        Ok(json!({ "listings": all }))
    }

    /// Alerts after a number, the oldest first, and the number to go on after, if there may be more.
    pub async fn alerts(&self, after: i64) -> Result<Value> {
        let rows = self
            .parts
            .store
            .read(move |snapshot| async move { blocklists::alerts(&snapshot, after, PAGE).await })
            .await?;
        let next =
            if i64::try_from(rows.len()).unwrap_or(PAGE) == PAGE { rows.last().map(|row| row.alert_num) } else { None };
        Ok(json!({ "alerts": rows.iter().map(alerts::shown).collect::<Vec<_>>(), "next": next }))
    }

    /// What the metrics say, by register.
    pub fn gauges(&self) -> BTreeMap<String, Gauge> {
        self.gauges.lock().clone()
    }

    /// How many alerts there were since the start, by register and kind.
    pub fn counts(&self) -> BTreeMap<(String, String), u64> {
        self.counts.lock().clone()
    }

    fn gauge<'a>(&self, row: &blocklists::Blocklist, listings: impl Iterator<Item = &'a Listing>) {
        let mut gauge = Gauge { whole: row.whole, read_ts: row.read_ts, entries: row.entries, ..Gauge::default() };
        for listing in listings {
            if listing.how.is_listed() {
                gauge.listed += 1;
            } else {
                gauge.near += 1;
            }
        }
        self.gauges.lock().insert(row.name.clone(), gauge);
    }
}
