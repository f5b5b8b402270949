//! The export ledger: what crosses a border is counted where it goes out. Only sums are kept: class, from, to, flow, basis, by day.
//!
//! Transactions of events are counted in the write with which it is noted that they were taken: neither is on disk without the other, and a crash before
//! it has them told again and counted then. All else, which is asked for, is counted in memory and written about once a second, so a crash loses
//! a second of that.

mod flow;
mod tally;

use std::{collections::HashMap, sync::Arc};

use domicile_core::{
    clock::{Clock, DAY_MS},
    locality::{CellName, Destination},
};
use domicile_store::{Batch, Store, table::export_ledger};
use parking_lot::Mutex;

pub use export_ledger::Crossing;
pub use flow::Flow;
pub use tally::{OuterTally, Tally};

use crate::{
    Result,
    residency::{InnerLink, OwnCell},
};

/// What other servers together are called where a region would stand.
pub const OUTER: &str = "outer";
/// Days that are told at once: ten years.
const LONGEST: i64 = 3_660;

/// What is summed up: the day, the flow, where it went.
type Key = (i64, Flow, String);

/// The ledger.
pub struct Ledger {
    store: Store,
    clock: Arc<dyn Clock>,
    region: String,
    outer_basis: String,
    /// This cell among others, and the way to them; none where it is alone.
    cells: Option<(Arc<OwnCell>, Arc<InnerLink>)>,
    /// What requests have told other servers.
    outer: Arc<OuterTally>,
    sums: Mutex<HashMap<Key, (i64, i64)>>,
    /// One writes at a time.
    writing: tokio::sync::Mutex<()>,
}

impl Ledger {
    /// The ledger of a cell of a region. `outer_basis` is the operator's legal basis for what goes to other servers; that of what goes to another
    /// region stands in the deployment document.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        region: String,
        outer_basis: String,
        cells: Option<(Arc<OwnCell>, Arc<InnerLink>)>,
        outer: Arc<OuterTally>,
    ) -> Self {
        Self {
            store,
            clock,
            region,
            outer_basis,
            cells,
            outer,
            sums: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        }
    }

    /// Counts what goes to a region, or to [`OUTER`].
    pub fn add(&self, destination: &str, flow: Flow, items: usize, bytes: usize) {
        if items == 0 {
            return;
        }
        let sum = (number(items), number(bytes));
        self.add_sum(destination, flow, sum);
    }

    fn add_sum(&self, destination: &str, flow: Flow, sum: (i64, i64)) {
        let day = self.today();
        let mut sums = self.sums.lock();
        tally::add(sums.entry((day, flow, destination.to_owned())).or_default(), sum);
    }

    fn today(&self) -> i64 {
        self.clock.now_ms().div_euclid(DAY_MS)
    }

    /// Counts an answer to another cell.
    pub fn add_answer(&self, cell: &CellName, flow: Flow, bytes: usize) {
        if let Some(region) = self.abroad(cell) {
            self.add(&region, flow, 1, bytes);
        }
    }

    /// The region of a cell, if it is another one.
    fn abroad(&self, cell: &CellName) -> Option<String> {
        let (own, _) = self.cells.as_ref()?;
        let region = own.document().region_of(cell)?.as_str().to_owned();
        (region != self.region).then_some(region)
    }

    /// Adds to the write with which it is noted that a destination has taken something: it is counted if that is written, and not otherwise.
    pub fn enter(&self, batch: &mut Batch, destination: &Destination, flow: Flow, (items, bytes): (usize, usize)) {
        let to = match destination {
            Destination::Server(_) => Some(OUTER.to_owned()),
            Destination::Cell(cell) => self.abroad(cell),
        };
        let Some(to) = to.filter(|_| items > 0) else { return };
        let crossing = self.crossing((self.today(), flow, &to), (number(items), number(bytes)));
        export_ledger::add(batch, &crossing);
    }

    /// Writes what was counted since the last time. What could not be written is kept for the next.
    pub async fn write(&self) -> Result<()> {
        let _one = self.writing.lock().await;
        if let Some((_, link)) = &self.cells {
            for ((cell, flow), sum) in link.tally().take() {
                if let Some(region) = self.abroad(&cell) {
                    self.add_sum(&region, flow, sum);
                }
            }
        }
        for (flow, sum) in self.outer.take() {
            self.add_sum(OUTER, flow, sum);
        }
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
            for (key, sum) in sums {
                tally::add(kept.entry(key).or_default(), sum);
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
            basis: self.basis(destination),
            items,
            bytes,
        }
    }

    /// The operator's legal basis for what goes somewhere.
    fn basis(&self, destination: &str) -> String {
        if destination == OUTER {
            return self.outer_basis.clone();
        }
        let Some((own, _)) = &self.cells else { return String::new() };
        let document = own.document();
        let flow = document
            .flows
            .iter()
            .find(|((from, to), _)| from.as_str() == self.region && to.as_str() == destination)
            .map(|(_, flow)| flow.basis.clone());
        flow.unwrap_or_default()
    }

    /// The sums of days, the first and the last with them, what is in memory too.
    pub async fn between(&self, from: i64, upto: i64) -> Result<Vec<Crossing>> {
        self.write().await?;
        let upto = upto.min(from.saturating_add(LONGEST));
        Ok(self.store.read(move |snapshot| async move { export_ledger::between(&snapshot, from, upto).await }).await?)
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
