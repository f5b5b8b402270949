//! Moves that were stopped before anybody was let go: what has come to the new home is forgotten there. A cell that cannot be told is told again, for
//! else it would keep what is somebody's whose home it never became.

use domicile_core::{clock::MINUTE_MS, error::ErrorKind, locality::CellName};
use domicile_store::{
    Batch,
    blob::BlobId,
    table::{
        arrivals,
        moves::{self as rows, Move},
    },
};
use ruma::{OwnedRoomId, UserId};

use super::{
    arrive::{Arrivals, HERE, SETTLED},
    copies::Dropped,
    leave::Leaving,
    messages::{About, CANCEL, Cancel, Done},
    progress::of_row,
    steps,
};
use crate::{Error, Result};

/// When a cell is told again that could not be told, in milliseconds.
const AGAIN_MS: i64 = MINUTE_MS;
/// Moves of which cells are told at one go.
const AT_ONCE: i64 = 50;

impl Leaving {
    /// Tells the new home that somebody does not come. A move that was stopped is due until it was told.
    pub(super) async fn cancel(&self, row: &Move) -> Result<()> {
        let (_, _, user_id) = of_row(row)?;
        let to = CellName::parse(&row.destination).ok_or_else(|| Error::internal("the destination is no cell"))?;
        let rooms = match self.turner.users.num(&user_id).await? {
            Some(user_num) => self.rooms_of(user_num).await?,
            None => Vec::new(),
        };
        // A room's id may be one that nobody can read; such a one has not gone anywhere.
        let rooms = rooms.iter().filter_map(|room| OwnedRoomId::try_from(room.room_id.as_str()).ok()).collect();
        let cancel = Cancel { about: About { move_id: row.move_id.clone(), user_id }, rooms };
        // One that was revoked meanwhile is told nothing any more.
        let is_cell = self.cells()?.own.document().cells.contains_key(&to);
        let due_ts = match self.ask::<Done>(&to, CANCEL, &cancel).await {
            Err(error) if is_cell => {
                tracing::info!(%error, "another cell could not be told that somebody does not move there");
                self.clock.now_ms() + AGAIN_MS
            }
            _ => i64::MAX,
        };
        let mut batch = Batch::new();
        rows::update(&mut batch, &Move { due_ts, ..row.clone() });
        self.turner.store.write(batch).await?;
        Ok(())
    }

    /// Tells those again who could not be told.
    pub(super) async fn cancel_again(&self) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let store = &self.turner.store;
        let read = store.read(move |snapshot| async move { rows::stopped(&snapshot, now_ms, AT_ONCE).await });
        for row in read.await? {
            match self.cancel(&row).await {
                // Somebody else told it in the same moment.
                Err(error) if error.is_conflict() => {}
                told => told?,
            }
        }
        Ok(())
    }
}

impl Arrivals {
    /// Forgets somebody who does not come after all, and lets go of what came with them: their files, and copies of rooms that nobody here needs. While
    /// others are on their way here, whose rooms they may be, or a room has still to be told to a cell, the cell is to say it again.
    pub async fn cancel(&self, cell: &CellName, cancel: &Cancel) -> Result<Done> {
        let Cancel { about, rooms } = cancel;
        if let Ok(row) = self.arrival(cell, about).await {
            if row.state == HERE || row.state == SETTLED {
                return Err(ErrorKind::BadRequest.with(format!("{} is here already.", about.user_id)).into());
            }
            self.coming_files.forget(&about.move_id);
            self.remove_files(&about.user_id).await?;
            let mut batch = Batch::new();
            arrivals::remove(&mut batch, about.user_id.as_str());
            self.turner.store.write(batch).await?;
            steps::is_here(CANCEL);
            if let Some(user_num) = self.turner.users.num(&about.user_id).await? {
                self.vaults.keystore.destroy(user_num).await?;
            }
        }
        self.let_go(rooms).await?;
        Ok(Done {})
    }

    /// Removes the files that have come.
    async fn remove_files(&self, user_id: &UserId) -> Result<()> {
        let (store, wanted) = (&self.turner.store, user_id.to_string());
        let came = store.read(move |snapshot| async move { arrivals::media_of(&snapshot, &wanted).await }).await?;
        for (_, hash) in came {
            self.files.remove(BlobId::from_bytes(&hash)?).await.map_err(Error::internal)?;
        }
        Ok(())
    }

    /// Lets those copies of rooms go that nobody here needs. Whoever says so, nobody loses anything by it.
    async fn let_go(&self, rooms: &[OwnedRoomId]) -> Result<()> {
        let mut held = Vec::new();
        for room_id in rooms {
            if let Some(room_num) = self.turner.rooms.num(room_id).await? {
                held.push((room_id, room_num));
            }
        }
        let store = &self.turner.store;
        let unneeded = self.copies.unneeded(held.iter().map(|(_, room_num)| *room_num).collect()).await?;
        held.retain(|(_, room_num)| unneeded.contains(room_num));
        if held.is_empty() {
            return Ok(());
        }
        if !store.read(|snapshot| async move { arrivals::on_the_way(&snapshot).await }).await?.is_empty() {
            let text = "Copies of rooms that nobody needs are kept until all who are on their way here have come.";
            return Err(ErrorKind::Unavailable.with(text).into());
        }
        for (room_id, room_num) in held {
            let turn = self.rooms_in_work.of(room_id.clone());
            let _turn = turn.lock().await;
            match self.copies.drop_unneeded(room_id, room_num, None).await? {
                Dropped::Gone => steps::happened("the copy of a room of somebody who does not come is gone"),
                Dropped::Needed => {}
                Dropped::NotYet => {
                    let text = format!("What happened in {room_id} has not been told to all cells yet.");
                    return Err(ErrorKind::Unavailable.with(text).into());
                }
            }
        }
        Ok(())
    }
}
