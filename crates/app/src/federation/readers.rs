//! Which rooms of this cell another server may read: those with members of it, unless the room's access list shuts it out.

use std::sync::Arc;

use domicile_core::{ids::DestinationNum, locality::Locality};
use domicile_store::{Snapshot, table::destinations};
use ruma::{RoomId, ServerName};

use super::Destinations;
use crate::{
    Error, Result,
    error::forbidden,
    events::ingest::Ingest,
    residency::Localities,
    rooms::{Room, Rooms},
};

/// Knows whom a room is told to.
pub struct Readers {
    localities: Arc<Localities>,
    destinations: Arc<Destinations>,
    rooms: Arc<Rooms>,
}

/// Another server that reads a room.
#[derive(Clone)]
pub struct ServerReader {
    /// The room.
    pub room: Arc<Room>,
    /// The server's number.
    pub destination_num: DestinationNum,
}

impl Readers {
    /// Over the rooms in memory.
    pub fn new(localities: Arc<Localities>, destinations: Arc<Destinations>, rooms: Arc<Rooms>) -> Self {
        Self { localities, destinations, rooms }
    }

    /// A room that a server asks for. Whoever may not read it is not told whether there is such a room.
    pub async fn check(&self, origin: &ServerName, room_id: &RoomId) -> Result<ServerReader> {
        let Some(room_num) = self.rooms.num(room_id).await? else { return Err(stranger(origin)) };
        self.check_room(origin, self.rooms.by_num(room_num).await?).await
    }

    /// The same with a room that is known.
    pub async fn check_room(&self, origin: &ServerName, room: Arc<Room>) -> Result<ServerReader> {
        let view = room.view();
        if !Ingest::is_let_in(&view, origin) {
            return Err(forbidden(format!("{origin} is shut out of this room.")));
        }
        let Some(destination_num) = self.num(origin).await? else { return Err(stranger(origin)) };
        if view.destinations.get(&destination_num).is_none_or(|joined| *joined < 1) {
            return Err(stranger(origin));
        }
        Ok(ServerReader { room, destination_num })
    }

    /// The number of a server, if it ever had anything to do with this cell. Asking writes nothing.
    pub async fn num(&self, origin: &ServerName) -> Result<Option<DestinationNum>> {
        match self.localities.of_server(origin) {
            Locality::Here | Locality::Unknown => Ok(None),
            Locality::Elsewhere(destination) => self.destinations.known(&destination).await,
        }
    }

    /// The other servers with members in a room, those with the most first, and this one.
    pub async fn servers(&self, room: &Room, most: usize) -> Result<Vec<ruma::OwnedServerName>> {
        let view = room.view();
        let mut known: Vec<(i64, DestinationNum)> =
            view.destinations.iter().filter(|(_, joined)| **joined > 0).map(|(num, joined)| (*joined, *num)).collect();
        known.sort_unstable_by(|a, b| b.cmp(a));
        let mut servers = Vec::with_capacity(known.len().min(most));
        for (_, destination_num) in known {
            if servers.len() == most {
                break;
            }
            let destination = self.destinations.name(destination_num).await?;
            if Ingest::is_let_in(&view, destination.peer_name()) {
                servers.push(destination.peer_name().to_owned());
            }
        }
        Ok(servers)
    }

    /// This deployment's name.
    pub fn server_name(&self) -> &ServerName {
        self.localities.server_name()
    }

    /// Where servers are.
    pub fn localities(&self) -> &Localities {
        &self.localities
    }

    /// The same, shared.
    pub fn localities_shared(&self) -> Arc<Localities> {
        Arc::clone(&self.localities)
    }

    /// How many members of a server are joined to a room, whether it is in memory or not.
    pub(super) async fn joined(
        snapshot: &Snapshot,
        destination_num: Option<DestinationNum>,
        room_num: domicile_core::ids::RoomNum,
    ) -> Result<i64> {
        let Some(destination_num) = destination_num else { return Ok(0) };
        let all = destinations::of_room(snapshot, room_num).await.map_err(Error::from)?;
        Ok(all.into_iter().find(|(num, _)| *num == destination_num).map_or(0, |(_, joined)| joined))
    }
}

fn stranger(origin: &ServerName) -> Error {
    forbidden(format!("{origin} is not in this room."))
}
