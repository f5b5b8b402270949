//! Turning somebody over to another home, in every cell that knows them: their tickets, and who is told what of their rooms, change in one write.

use std::sync::Arc;

use domicile_core::{
    ids::{DestinationNum, RoomNum, UserNum},
    locality::{CellName, Destination},
};
use domicile_residency::directory::{History, Ticket};
use domicile_store::{
    Batch, Store,
    table::{destinations, portable, rooms},
};
use ruma::{OwnedUserId, UserId};

use super::{messages::Ends, rules::is_joined};
use crate::{
    Error, Result,
    accounts::Users,
    federation::{Destinations, OutboundBell},
    push::PushClasses,
    residency::{Cells, Tickets},
    rooms::{Room, RoomView, Rooms},
};

/// How often it is tried again when others wrote to the rooms meanwhile.
const TRIES: usize = 20;

/// Turns people over.
pub(super) struct Turner {
    pub(super) store: Store,
    pub(super) users: Arc<Users>,
    pub(super) destinations: Arc<Destinations>,
    pub(super) rooms: Arc<Rooms>,
    pub(super) push: Arc<PushClasses>,
    pub(super) outbound: Arc<OutboundBell>,
}

impl Turner {
    fn cells(&self) -> Result<&Cells> {
        self.users.localities().among_cells()
    }

    /// Learns tickets that somebody tells, with all that follows from them for rooms here. Gives the ends of the user's rooms.
    pub(super) async fn learn(&self, tickets: Vec<Ticket>) -> Result<Ends> {
        let cells = self.cells()?;
        let Some(history) = cells.tickets.check(tickets)? else { return Ok(Ends::default()) };
        let Some(user_id) = history.tickets().first().map(|ticket| ticket.user_id.clone()) else {
            return Ok(Ends::default());
        };
        let home = history.home();
        // Only the two homes turn somebody over who comes or goes: with the vault.
        let concerns_us = |home: Option<CellName>| home.as_ref() == Some(cells.own.name());
        let known = cells.tickets.get(&user_id);
        let Some(known) = known else {
            cells.tickets.learn(history.tickets().to_vec()).await?;
            return Ok(Ends::default());
        };
        if concerns_us(home.clone()) || concerns_us(known.home()) {
            return Ok(Ends::default());
        }
        let rooms = self.turn(&user_id, history, &Batch::new()).await?;
        Ok(ends(&rooms))
    }

    /// Writes that somebody's home is another one, together with `extra`. Gives the rooms that they are in and of which there is a copy here.
    pub(super) async fn turn(&self, user_id: &UserId, history: History, extra: &Batch) -> Result<Vec<Arc<Room>>> {
        let cells = self.cells()?;
        let before = cells.tickets.get(user_id).and_then(|known| known.home());
        let (from, to) = (self.destination(before.as_ref()).await?, self.destination(history.home().as_ref()).await?);
        let user_num = self.users.num(user_id).await?;
        for _ in 0..TRIES {
            let nums = self.joined(user_num).await?;
            let mut rooms = Vec::with_capacity(nums.len());
            for room_num in &nums {
                rooms.push(self.rooms.by_num(*room_num).await?);
            }
            // In the order of their numbers, so that two who do this do not wait for each other.
            let mut writers = Vec::with_capacity(rooms.len());
            for room in &rooms {
                writers.push(room.writer().await);
            }
            if self.joined(user_num).await? != nums {
                continue;
            }
            let mut batch = extra.clone();
            let position = batch.position();
            Tickets::write(&mut batch, user_id, &history)?;
            let mut views: Vec<(&Arc<Room>, RoomView)> = Vec::with_capacity(rooms.len());
            for room in &rooms {
                let mut view = (*room.view()).clone();
                let room_num = room.info.room_num;
                rooms::touch(&mut batch, room_num, view.revision);
                view.revision += 1;
                if from != to {
                    for (destination, difference) in [(from, -1), (to, 1)] {
                        let Some(destination) = destination else {
                            view.here = (view.here + difference).max(0);
                            continue;
                        };
                        let joined = (view.destinations.get(&destination).copied().unwrap_or(0) + difference).max(0);
                        if joined > 0 {
                            view.destinations.insert(destination, joined);
                        } else {
                            view.destinations.remove(&destination);
                        }
                        destinations::set_joined(&mut batch, room_num, destination, joined, position.clone());
                    }
                }
                views.push((room, view));
            }
            match self.store.write(batch).await {
                Ok(_) => {}
                Err(error) if error.is_conflict() => {
                    for room in &rooms {
                        self.rooms.reload(room).await?;
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            cells.tickets.know(user_id, history);
            for (room, view) in views {
                room.publish(Arc::new(view));
                self.push.forget(room.info.room_num);
            }
            drop(writers);
            // What waits for the one is looked at again: messages for their devices go to the other.
            for destination in [from, to].into_iter().flatten() {
                self.outbound.destination(destination);
            }
            return Ok(rooms);
        }
        Err(Error::internal("others wrote to the rooms of somebody who moves each time they were to be turned over"))
    }

    /// The destination of a home; none for this cell.
    async fn destination(&self, home: Option<&CellName>) -> Result<Option<DestinationNum>> {
        let own = self.cells()?.own.name();
        match home.filter(|home| *home != own) {
            Some(home) => self.destinations.num(&Destination::Cell(home.clone())).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn joined(&self, user_num: Option<UserNum>) -> Result<Vec<RoomNum>> {
        let Some(user_num) = user_num else { return Ok(Vec::new()) };
        let rooms =
            self.store.read(move |snapshot| async move { portable::rooms_of(&snapshot, user_num).await }).await?;
        Ok(rooms.iter().filter(|room| is_joined(room)).map(|room| room.room_num).collect())
    }

    /// The other cells that are in rooms with somebody.
    pub(super) async fn cells_of(&self, user_num: UserNum) -> Result<Vec<CellName>> {
        let read =
            self.store.read(move |snapshot| async move { destinations::of_users(&snapshot, [user_num]).await }).await?;
        let mut cells = Vec::new();
        for (_, destination_num) in read {
            if let Destination::Cell(cell) = self.destinations.name(destination_num).await? {
                cells.push(cell);
            }
        }
        cells.sort_unstable();
        cells.dedup();
        Ok(cells)
    }

    /// Turns those over of whom other requests told that they have moved.
    pub(super) async fn catch_up(&self) -> Result<()> {
        for tickets in self.cells()?.tickets.take_turned() {
            self.learn(tickets).await?;
        }
        Ok(())
    }
}

/// The ends of rooms.
pub(super) fn ends(rooms: &[Arc<Room>]) -> Ends {
    let of_room = |room: &Arc<Room>| {
        let ends = room.view().extremities.iter().map(|(_, id)| id.clone()).collect();
        (room.info.room_id.clone(), ends)
    };
    Ends { rooms: rooms.iter().map(of_room).collect() }
}

/// The tickets of people, as far as they are known here.
pub(super) fn tickets_of<'u>(cells: &Cells, users: impl Iterator<Item = &'u UserId>) -> Vec<Ticket> {
    let mut ids: Vec<OwnedUserId> = users.map(ToOwned::to_owned).collect();
    ids.sort_unstable();
    ids.dedup();
    let known = ids.iter().filter_map(|user_id| cells.tickets.get(user_id));
    known.flat_map(|history| history.tickets().to_vec()).collect()
}
