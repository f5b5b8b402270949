//! The first copy of a room in a region: before it goes there, people who are in the room are told, those of this cell and, as far as they are reached, of
//! the others. Here that is noted and waited for; `standing::region_notices` tells people.
//!
//! Who has been invited from another region has no copy yet, and nobody is told of them: whoever invites somebody would learn where their home is. A copy
//! goes when they come in, or when somebody in the room moves.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    ids::RoomNum,
    locality::{CellName, Destination},
    region::Region,
};
use domicile_store::{
    Batch, Store,
    table::{
        new_regions::{self, Fresh},
        room_cells,
    },
};
use futures::future::join_all;
use ruma::OwnedRoomId;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use super::{InnerLink, OwnCell};
use crate::{Error, Result, federation::Bounds};

/// Where a cell asks another one to tell its people.
pub const NEW_REGION: &str = "/_domicile/inner/v1/new_region";
/// How long a copy waits until people are told; the rest of them are told while it goes.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same at another cell, with the way there and back.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(6), bytes: 4 * 1024 };
/// Rooms that another cell can name at once.
const ROOMS: usize = 1_000;

/// Rooms of which a region is about to get the first copy.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewRegion {
    region: Region,
    rooms: Vec<OwnedRoomId>,
}

/// That people were told, or will be.
#[derive(Debug, Serialize, Deserialize)]
pub struct Announced {}

/// What is to be told before copies of rooms go to a region.
pub(crate) struct Announcement {
    region: Region,
    fresh: Vec<Fresh>,
    /// The other cells whose people are in these rooms.
    elsewhere: BTreeMap<CellName, Vec<OwnedRoomId>>,
}

/// Sees to it that people are told.
pub struct NewRegions {
    store: Store,
    clock: Arc<dyn Clock>,
    own: Arc<OwnCell>,
    link: Arc<InnerLink>,
    /// Whether people here are told at all.
    is_told: bool,
    /// Rung when there is somebody to tell.
    noted: Notify,
    /// Changes whenever some have been told.
    told: watch::Sender<()>,
}

impl NewRegions {
    /// Over a store and the link to the others. Without `is_told` people here hear of nothing.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        (own, link): (Arc<OwnCell>, Arc<InnerLink>),
        is_told: bool,
    ) -> Self {
        Self { store, clock, own, link, is_told, noted: Notify::new(), told: watch::channel(()).0 }
    }

    /// The region of a cell, if it is another one than this cell's.
    fn region_of(&self, cell: &CellName) -> Option<Region> {
        let region = self.own.document().cells.get(cell)?.region.clone();
        (region != *self.own.region()).then_some(region)
    }

    /// The cells of a region, as destinations.
    pub(crate) fn cells_of(&self, region: &Region) -> Vec<Destination> {
        let document = self.own.document();
        let cells = document.cells.iter().filter(|(_, cell)| cell.region == *region);
        cells.map(|(name, _)| Destination::Cell(name.clone())).collect()
    }

    /// The region of which people in a room are to be told when a cell gets a copy of it, if it is the first there.
    pub(crate) fn told_of(&self, cell: &CellName) -> Option<Region> {
        self.region_of(cell).filter(|_| self.is_told)
    }

    /// Notes that people in a room are to be told of a region.
    pub(crate) fn note(&self, batch: &mut Batch, room_num: RoomNum, region: &Region) {
        new_regions::note(batch, room_num, region.as_str(), self.clock.now_ms());
    }

    /// What is to be told before copies of rooms go to a cell; nothing if its region has copies of all of them.
    pub(crate) async fn before(&self, rooms: Vec<RoomNum>, to: &CellName) -> Result<Option<Announcement>> {
        let Some(region) = self.region_of(to).filter(|_| !rooms.is_empty()) else { return Ok(None) };
        let fresh = self.fresh(rooms, &region).await?;
        if fresh.is_empty() {
            return Ok(None);
        }
        let elsewhere = self.elsewhere(&fresh, to).await?;
        Ok(Some(Announcement { region, fresh, elsewhere }))
    }

    /// Has people told, here and in other cells, and waits until they are, for [`PATIENCE`] at most. Nothing that goes wrong here keeps anybody out of a
    /// room.
    pub(crate) async fn announce(&self, announcement: Announcement) {
        let Announcement { region, fresh, elsewhere } = announcement;
        let asked = elsewhere.iter().map(|(cell, rooms)| self.ask(cell, &region, rooms));
        if let (Err(error), _) = tokio::join!(self.tell(&fresh, &region), join_all(asked)) {
            tracing::warn!(%error, "people could not be told before the copy of a room goes to another region");
        }
    }

    async fn fresh(&self, rooms: Vec<RoomNum>, region: &Region) -> Result<Vec<Fresh>> {
        let (name, cells) = (region.as_str().to_owned(), self.cells_of(region));
        let cells: Vec<String> = cells.iter().map(ToString::to_string).collect();
        let read =
            self.store.read(move |snapshot| async move { new_regions::fresh(&snapshot, rooms, &name, cells).await });
        Ok(read.await?)
    }

    /// The other cells that are in some rooms.
    async fn elsewhere(&self, fresh: &[Fresh], to: &CellName) -> Result<BTreeMap<CellName, Vec<OwnedRoomId>>> {
        let ids: Vec<String> = fresh.iter().map(|room| room.room_id.clone()).collect();
        let read = self.store.read(move |snapshot| async move {
            let mut all = Vec::new();
            for room_id in ids {
                if let Some(cells) = room_cells::others(&snapshot, &room_id).await? {
                    all.push((room_id, cells));
                }
            }
            Ok::<_, Error>(all)
        });
        let mut by_cell: BTreeMap<CellName, Vec<OwnedRoomId>> = BTreeMap::new();
        for (room_id, cells) in read.await? {
            let Ok(room_id) = OwnedRoomId::try_from(room_id) else { continue };
            let cells = cells.iter().filter_map(|cell| CellName::parse(cell)).filter(|cell| cell != to);
            for cell in cells.filter(|cell| self.link.may_ask(cell).is_ok()) {
                by_cell.entry(cell).or_default().push(room_id.clone());
            }
        }
        Ok(by_cell)
    }

    /// Has another cell tell its people. One that is not reached tells them when it hears of what has happened.
    async fn ask(&self, cell: &CellName, region: &Region, rooms: &[OwnedRoomId]) {
        for rooms in rooms.chunks(ROOMS) {
            let body = NewRegion { region: region.clone(), rooms: rooms.to_vec() };
            if let Err(error) = self.link.ask_json_within::<Announced>(cell, NEW_REGION, &body, BOUNDS).await {
                tracing::info!(%error, cell = cell.as_str(), "a cell could not be asked to tell its people of a new region");
                return;
            }
        }
    }

    /// Notes that people here are to be told, and waits until they are.
    async fn tell(&self, fresh: &[Fresh], region: &Region) -> Result<()> {
        if !self.is_told {
            return Ok(());
        }
        let mut told = self.told.subscribe();
        let mut batch = Batch::new();
        for room in fresh.iter().filter(|room| !room.is_noted) {
            self.note(&mut batch, room.room_num, region);
        }
        if !batch.is_empty() {
            self.store.write(batch).await?;
        }
        self.noted.notify_one();
        let rooms: Vec<RoomNum> = fresh.iter().map(|room| room.room_num).collect();
        let waiting = async {
            while self.is_waiting(rooms.clone(), region).await? {
                if told.changed().await.is_err() {
                    break;
                }
            }
            Ok(())
        };
        // Who has not been told by then is told later: a large room keeps nobody waiting for long.
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or(Ok(()))
    }

    async fn is_waiting(&self, rooms: Vec<RoomNum>, region: &Region) -> Result<bool> {
        let region = region.as_str().to_owned();
        let read =
            self.store.read(move |snapshot| async move { new_regions::waiting(&snapshot, rooms, &region).await });
        Ok(read.await? > 0)
    }

    /// Another cell is about to let the first copy of rooms go to a region: people here who are in them are told. It can only speak of rooms in which it
    /// has people itself.
    pub async fn asked(&self, cell: &CellName, asked: NewRegion) -> Result<Announced> {
        let NewRegion { region, rooms } = asked;
        if rooms.len() > ROOMS || !self.own.document().regions.contains_key(&region) {
            return Err(ErrorKind::InvalidParam.with("There is no such region, or there are too many rooms.").into());
        }
        if region == *self.own.region() {
            return Ok(Announced {});
        }
        let destination = Destination::Cell(cell.clone()).to_string();
        let ids: Vec<String> = rooms.iter().map(ToString::to_string).collect();
        let read = self
            .store
            .read(move |snapshot| async move { new_regions::shared_with(&snapshot, ids, &destination).await });
        let fresh = self.fresh(read.await?, &region).await?;
        if !fresh.is_empty() {
            self.tell(&fresh, &region).await?;
        }
        Ok(Announced {})
    }

    /// Until somebody is to be told.
    pub(crate) async fn noted(&self) {
        self.noted.notified().await;
    }

    /// Some have been told.
    pub(crate) fn told(&self) {
        self.told.send_replace(());
    }
}
