//! The export ledger: what crosses a border is counted in memory where it goes out, and written about once a minute.
//!
//! Only sums are kept: class, from, to, flow, basis, by day. A crash loses the last minute; the ledger is a measure, no proof of each message.

use std::{collections::HashMap, sync::Arc};

use domicile_core::clock::{Clock, DAY_MS};
use domicile_store::{Batch, Store, catalogue::Class, table::export_ledger};
use parking_lot::Mutex;

pub use export_ledger::Crossing;

use crate::Result;

/// What other servers together are called where a region would stand.
pub const OUTER: &str = "outer";
/// Days that are told at once: ten years.
const LONGEST: i64 = 3_660;

/// In which way something goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flow {
    /// Events that were told as they came.
    Events,
    /// Typing, receipts, presence, changes of devices, messages to devices.
    Ephemeral,
    /// Events and state that were asked for.
    History,
    /// Joins, invites and knocks, with the state that goes with them.
    Membership,
    /// Profiles.
    Profiles,
    /// Public keys of devices and people.
    Keys,
    /// Files.
    Media,
    /// The public directory, spaces, aliases.
    Directory,
}

impl Flow {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Ephemeral => "ephemeral",
            Self::History => "history",
            Self::Membership => "membership",
            Self::Profiles => "profiles",
            Self::Keys => "keys",
            Self::Media => "media",
            Self::Directory => "directory",
        }
    }

    /// The class of data that it carries.
    pub fn class(self) -> Class {
        match self {
            Self::Events | Self::History => Class::Content,
            Self::Ephemeral => Class::Activity,
            Self::Membership => Class::Room,
            Self::Profiles => Class::Profile,
            Self::Keys => Class::Keys,
            Self::Media => Class::Media,
            Self::Directory => Class::Directory,
        }
    }
}

/// What is summed up: the day, the flow, where it went.
type Key = (i64, Flow, String);

/// The ledger.
pub struct Ledger {
    store: Store,
    clock: Arc<dyn Clock>,
    region: String,
    basis: String,
    sums: Mutex<HashMap<Key, (i64, i64)>>,
    /// One writes at a time.
    writing: tokio::sync::Mutex<()>,
}

impl Ledger {
    /// The ledger of a cell of a region. `basis` is the operator's legal basis for what goes to other servers.
    pub fn new(store: Store, clock: Arc<dyn Clock>, region: String, basis: String) -> Self {
        Self { store, clock, region, basis, sums: Mutex::default(), writing: tokio::sync::Mutex::default() }
    }

    /// Counts what goes to a region, or to [`OUTER`].
    pub fn add(&self, destination: &str, flow: Flow, items: usize, bytes: usize) {
        if items == 0 {
            return;
        }
        let day = self.clock.now_ms().div_euclid(DAY_MS);
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        let mut sums = self.sums.lock();
        let sum = sums.entry((day, flow, destination.to_owned())).or_default();
        *sum = (sum.0.saturating_add(number(items)), sum.1.saturating_add(number(bytes)));
    }

    /// Writes what was counted since the last time. What could not be written is kept for the next.
    pub async fn write(&self) -> Result<()> {
        let _one = self.writing.lock().await;
        let sums = std::mem::take(&mut *self.sums.lock());
        if sums.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.low_priority();
        for ((day, flow, destination), (items, bytes)) in &sums {
            export_ledger::add(&mut batch, &self.crossing((*day, *flow, destination), (*items, *bytes)));
        }
        if let Err(error) = self.store.write(batch).await {
            let mut kept = self.sums.lock();
            for (key, (items, bytes)) in sums {
                let sum = kept.entry(key).or_default();
                *sum = (sum.0.saturating_add(items), sum.1.saturating_add(bytes));
            }
            return Err(error.into());
        }
        Ok(())
    }

    fn crossing(&self, (day, flow, destination): (i64, Flow, &str), (items, bytes): (i64, i64)) -> Crossing {
        Crossing {
            day,
            class: flow.class().name().to_owned(),
            origin: self.region.clone(),
            destination: destination.to_owned(),
            flow: flow.name().to_owned(),
            basis: self.basis.clone(),
            items,
            bytes,
        }
    }

    /// The sums of days, the first and the last with them, what is in memory too.
    pub async fn between(&self, from: i64, upto: i64) -> Result<Vec<Crossing>> {
        self.write().await?;
        let upto = upto.min(from.saturating_add(LONGEST));
        Ok(self.store.read(move |snapshot| async move { export_ledger::between(&snapshot, from, upto).await }).await?)
    }
}
