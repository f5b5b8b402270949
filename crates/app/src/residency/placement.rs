//! Where new people of a region go: to its emptiest cell, so that a region grows by adding cells.
//!
//! Cells of one region tell each other how many homes they have; no number crosses a border. Who asks a fuller cell for an account is told where to
//! ask. A cell that does not answer is left out: nobody waits for it.

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{
    clock::{Clock, SECOND_MS},
    error::ErrorKind,
    locality::CellName,
};
use domicile_store::{Store, table::reserved_names};
use futures::future::join_all;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::{InnerLink, OwnCell, Tickets};
use crate::Result;

/// Where a cell tells how many homes it has.
pub const LOAD: &str = "/_domicile/inner/v1/load";
/// How long an answer is good.
const KEPT_MS: i64 = 30 * SECOND_MS;
/// A cell is fuller than another one if it has so many homes more, or one in a hundred: else people who come at once are sent back and forth.
const MARGIN: u64 = 10;

/// How many homes a cell has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Accounts whose home it is.
    pub homes: u64,
}

/// A question for that. It says nothing: whose it is stands in its signature.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoadQuestion {}

/// A cell of this region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Its name.
    pub cell: String,
    /// Where its people's clients find it.
    pub client_url: String,
    /// Its homes; none if it did not answer.
    pub homes: Option<u64>,
    /// Whether it is this one.
    pub is_here: bool,
}

/// Knows how full the cells of this region are.
pub struct Placement {
    store: Store,
    clock: Arc<dyn Clock>,
    own: Arc<OwnCell>,
    tickets: Arc<Tickets>,
    link: Arc<InnerLink>,
    /// What the others said last, and when.
    told: Mutex<Option<(i64, BTreeMap<CellName, u64>)>>,
}

impl Placement {
    /// Of a cell among others.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        own: Arc<OwnCell>,
        tickets: Arc<Tickets>,
        link: Arc<InnerLink>,
    ) -> Self {
        Self { store, clock, own, tickets, link, told: Mutex::default() }
    }

    /// What another cell is told, if it is of this region.
    pub async fn load_for(&self, cell: &CellName) -> Result<Load> {
        if self.own.document().region_of(cell) != Some(self.own.region()) {
            return Err(ErrorKind::Forbidden.with("How full a cell is, is for cells of its region.").into());
        }
        self.load().await
    }

    /// The cells of this region, the emptiest first; those that did not answer come last.
    pub async fn places(&self) -> Result<Vec<Place>> {
        let (others, here) = (self.others().await, self.load().await?.homes);
        let mut places: Vec<Place> = Vec::new();
        for (name, cell) in &self.own.document().cells {
            if cell.region != *self.own.region() {
                continue;
            }
            let is_here = name == self.own.name();
            let homes = if is_here { Some(here) } else { others.get(name).copied() };
            let client_url = cell.client_url.to_string();
            places.push(Place { cell: name.as_str().to_owned(), client_url, homes, is_here });
        }
        // This cell before another one that is as empty.
        places.sort_by_key(|place| (place.homes.unwrap_or(u64::MAX), !place.is_here));
        Ok(places)
    }

    /// Where somebody is to make an account in place of here, if another cell of the region is emptier by so much that it matters.
    pub async fn elsewhere(&self) -> Result<Option<Place>> {
        if !self.has_others() {
            return Ok(None);
        }
        let places = self.places().await?;
        let here = places.iter().find(|place| place.is_here).and_then(|place| place.homes).unwrap_or_default();
        let is_emptier = |homes: u64| homes.saturating_add(MARGIN.max(here / 100)) <= here;
        Ok(places.into_iter().next().filter(|place| !place.is_here && place.homes.is_some_and(is_emptier)))
    }

    /// Names that are reserved for newcomers are nobody's home yet.
    async fn load(&self) -> Result<Load> {
        let reserved = self.store.read(|snapshot| async move { reserved_names::count(&snapshot).await }).await?;
        let (_, at_home) = self.tickets.counts();
        Ok(Load { homes: (at_home as u64).saturating_sub(u64::try_from(reserved).unwrap_or_default()) })
    }

    fn has_others(&self) -> bool {
        self.neighbours().next().is_some()
    }

    fn neighbours(&self) -> impl Iterator<Item = &CellName> {
        let cells = self.own.document().cells.iter();
        cells.filter(|(name, cell)| cell.region == *self.own.region() && *name != self.own.name()).map(|(name, _)| name)
    }

    async fn others(&self) -> BTreeMap<CellName, u64> {
        let now_ms = self.clock.now_ms();
        if let Some((at, told)) = &*self.told.lock()
            && now_ms.abs_diff(*at) < KEPT_MS.unsigned_abs()
        {
            return told.clone();
        }
        let asked = self.neighbours().map(|name| async move {
            match self.link.ask_json::<Load>(name, LOAD, &LoadQuestion {}).await {
                Ok(load) => Some((name.clone(), load.homes)),
                Err(error) => {
                    tracing::debug!(%error, cell = name.as_str(), "a cell does not say how full it is");
                    None
                }
            }
        });
        let told: BTreeMap<CellName, u64> = join_all(asked).await.into_iter().flatten().collect();
        *self.told.lock() = Some((now_ms, told.clone()));
        told
    }
}
