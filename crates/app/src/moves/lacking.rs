//! What the new home of somebody who comes lacks of rooms of which it has a copy already: what was said before its copy begins, and the content of
//! events that was not for those who were here before.
//!
//! A cell is told of a room what its people may see of it and the rules let through. Whoever comes may see more: as much is asked for before they come.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domicile_core::{
    ids::{EventNum, RoomNum, UserNum},
    locality::{CellName, Destination},
};
use domicile_store::{
    event_id,
    table::{arrivals, graph, withheld_events},
};
use ruma::{OwnedEventId, OwnedRoomId, OwnedServerName, UserId};

use super::{
    arrive::Arrivals,
    bundle::Bundle,
    keep,
    messages::{About, Absent, CONTENT, Content, Emptied, InRoom, LACKING, Lacking, Lacks, PAST, PastTaken, Taken},
    steps,
};
use crate::{Error, Result, error::not_found, rooms::Room};

/// How long a room's past is fetched at one go.
const TIME: Duration = Duration::from_secs(20);
/// Events that are named at one go.
const EVENTS: i64 = 200;

impl Arrivals {
    /// What this cell lacks of rooms of somebody who comes. Rooms with which they have nothing to do, as far as is known here, are passed over; all of
    /// them where nothing is known of the move: a cell that was restored from a backup ends one that was over before.
    pub async fn lacking(&self, cell: &CellName, lacking: Lacking) -> Result<Lacks> {
        steps::comes(LACKING);
        match self.arrival(cell, &lacking.about).await {
            Ok(_) => {}
            Err(Error::Matrix(_)) => return Ok(Lacks::default()),
            Err(error) => return Err(error),
        }
        let user_num = self.turner.users.num(&lacking.about.user_id).await?;
        let mut rooms: Vec<(OwnedRoomId, RoomNum)> = Vec::with_capacity(lacking.rooms.len());
        // The past is told to those who are in a room.
        let mut entered: Vec<RoomNum> = Vec::new();
        for room_id in lacking.rooms {
            if let Some(room_num) = self.turner.rooms.num(&room_id).await? {
                let room = self.turner.rooms.by_num(room_num).await?;
                if user_num.is_some_and(|user_num| room.view().members.contains_key(&user_num)) {
                    if room.view().here > 0 {
                        entered.push(room_num);
                    }
                    rooms.push((room_id, room_num));
                }
            }
        }
        let nums: Vec<RoomNum> = rooms.iter().map(|(_, room_num)| *room_num).collect();
        let read = self.turner.store.read(move |snapshot| async move {
            let past = graph::rooms_with_gaps(&snapshot, entered).await?;
            Ok::<_, crate::Error>((past, withheld_events::rooms(&snapshot, nums).await?))
        });
        let (past, content) = read.await?;
        let named = |nums: &[RoomNum]| {
            rooms.iter().filter(|(_, num)| nums.contains(num)).map(|(room_id, _)| room_id.clone()).collect()
        };
        Ok(Lacks { past: named(&past), content: named(&content) })
    }

    /// What a vault names and is not here: files, and rooms that its owner is in, as far as this cell knows them to be.
    pub(super) async fn absent(&self, user_id: &UserId, bundle: &Bundle) -> Result<Absent> {
        let wanted = user_id.to_string();
        let store = &self.turner.store;
        let come = store.read(move |snapshot| async move { arrivals::media_of(&snapshot, &wanted).await }).await?;
        let come: HashSet<String> = come.into_iter().map(|(media_id, _)| media_id).collect();
        let media = keep::files(bundle).into_iter().map(|(media_id, _)| media_id);
        let media = media.filter(|media_id| !come.contains(media_id)).collect();
        let rooms = match self.turner.users.num(user_id).await? {
            Some(user_num) => self.absent_rooms(user_num, bundle).await?,
            None => bundle.joined()?,
        };
        Ok(Absent { rooms, media })
    }

    /// Those rooms of a vault whose owner is in them of which there is no copy here, or one in which they never were.
    pub(super) async fn absent_rooms(&self, user_num: UserNum, bundle: &Bundle) -> Result<Vec<OwnedRoomId>> {
        let mut absent = Vec::new();
        for room_id in bundle.joined()? {
            let is_in = match self.turner.rooms.num(&room_id).await? {
                Some(num) => {
                    let view = self.turner.rooms.by_num(num).await?.view();
                    // Of whose members not all are known yet, nobody can say.
                    view.is_partial() || view.members.contains_key(&user_num)
                }
                None => false,
            };
            if !is_in {
                absent.push(room_id);
            }
        }
        Ok(absent)
    }

    /// Fetches what of a room is missing here from the cell that somebody leaves.
    pub async fn fetch_past(&self, cell: &CellName, of: InRoom) -> Result<PastTaken> {
        steps::comes(PAST);
        let room = self.room_of(cell, &of.about, &of.room_id).await?;
        let from: OwnedServerName = Destination::Cell(cell.clone()).peer_name().to_owned();
        let (events, more) = self.past.fetch_all(&room, &from, TIME).await?;
        steps::is_here(PAST);
        Ok(PastTaken { events, more })
    }

    /// Events of a room that are here without their content.
    pub async fn emptied(&self, cell: &CellName, of: InRoom) -> Result<Emptied> {
        let room = self.room_of(cell, &of.about, &of.room_id).await?;
        let (room_num, after) = (room.info.room_num, EventNum(of.after));
        let read = self
            .turner
            .store
            .read(move |snapshot| async move { withheld_events::of_room(&snapshot, room_num, after, EVENTS).await });
        let found = read.await?;
        let is_full = i64::try_from(found.len()).unwrap_or(EVENTS) >= EVENTS;
        let next = found.last().filter(|_| is_full).map(|(event_num, _)| event_num.0);
        let ids = found.iter().map(|(_, id)| Ok(event_id::from_bytes(id)?));
        Ok(Emptied { events: ids.collect::<Result<Vec<OwnedEventId>>>()?, next })
    }

    /// Takes the content of such events.
    pub async fn take_content(&self, cell: &CellName, content: Content) -> Result<Taken> {
        let room = self.room_of(cell, &content.about, &content.room_id).await?;
        self.cells()?.tickets.learn(content.tickets).await?;
        let told = content.events.len();
        steps::comes(CONTENT);
        let events = self.ingest.fill(&room, content.events).await?;
        steps::is_here(CONTENT);
        Ok(Taken { events, left_out: told.saturating_sub(events) })
    }

    /// A room of somebody who comes from a cell, of which there is a copy here.
    async fn room_of(&self, cell: &CellName, about: &About, room_id: &OwnedRoomId) -> Result<Arc<Room>> {
        self.arrival(cell, about).await?;
        let missing = || not_found(format!("There is no room {room_id} of {} here.", about.user_id));
        let user_num = self.turner.users.num(&about.user_id).await?.ok_or_else(missing)?;
        let room_num = self.turner.rooms.num(room_id).await?.ok_or_else(missing)?;
        let room = self.turner.rooms.by_num(room_num).await?;
        if room.view().members.contains_key(&user_num) { Ok(room) } else { Err(missing()) }
    }
}
