//! Aliases: names of rooms in this deployment.

use std::{sync::Arc, time::Duration};

use domicile_core::{error::ErrorKind, locality::is_cell};
use domicile_store::{Batch, Store, table::aliases};
use ruma::{
    OwnedRoomId, OwnedServerName, RoomAliasId, RoomId, RoomOrAliasId, api::federation::query::get_room_information,
    events::StateEventType,
};

use super::Rooms;
use crate::{
    Error, Result,
    accounts::{Session, Users},
    error::{forbidden, not_found},
    federation::{Bounds, Peers, Readers},
};

/// What the answer of another server about an alias may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(15), bytes: 256 * 1024 };
/// Servers that are told with an alias.
const SERVERS: usize = 50;

/// A room that was named, and servers that are in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The room.
    pub room_id: OwnedRoomId,
    /// Servers that are likely to be in it, this one perhaps among them. None where an id was given.
    pub servers: Vec<OwnedServerName>,
}

/// Aliases.
pub struct Directory {
    store: Store,
    users: Arc<Users>,
    rooms: Arc<Rooms>,
    readers: Arc<Readers>,
    peers: Arc<Peers>,
}

impl Directory {
    /// Over a store; aliases of other servers are asked of them.
    pub fn new(store: Store, users: Arc<Users>, rooms: Arc<Rooms>, readers: Arc<Readers>, peers: Arc<Peers>) -> Self {
        Self { store, users, rooms, readers, peers }
    }

    /// The room of an id or an alias.
    pub async fn resolve(&self, name: &RoomOrAliasId) -> Result<Named> {
        if let Ok(room_id) = <&RoomId>::try_from(name) {
            return Ok(Named { room_id: room_id.to_owned(), servers: Vec::new() });
        }
        let alias = <&RoomAliasId>::try_from(name)
            .map_err(|_| ErrorKind::InvalidParam.with(format!("{name} is neither a room id nor an alias.")))?;
        self.room_of(alias).await
    }

    /// The room of an alias, of whatever server.
    pub async fn room_of(&self, alias: &RoomAliasId) -> Result<Named> {
        let server_name = alias.server_name();
        if self.users.localities().is_ours(server_name) {
            return self.ours(alias).await;
        }
        if is_cell(server_name) {
            return Err(not_found(format!("There is no room with the alias {alias}.")));
        }
        let request = get_room_information::v1::Request::new(alias.to_owned());
        let answer = self.peers.ask(server_name, request, BOUNDS).await.map_err(|error| error.told(server_name))?;
        let mut servers = answer.servers;
        servers.truncate(SERVERS);
        Ok(Named { room_id: answer.room_id, servers })
    }

    /// The room of an alias of this server.
    pub async fn ours(&self, alias: &RoomAliasId) -> Result<Named> {
        let missing = || not_found(format!("There is no room with the alias {alias}."));
        if !self.users.localities().is_ours(alias.server_name()) {
            return Err(missing());
        }
        let wanted = alias.to_string();
        let found = self.store.read(move |snapshot| async move { aliases::by_alias(&snapshot, &wanted).await }).await?;
        let (room_num, _) = found.ok_or_else(missing)?;
        let room = self.rooms.by_num(room_num).await?;
        let mut servers = vec![self.users.server_name().to_owned()];
        servers.extend(self.readers.servers(&room, SERVERS - 1).await?.into_iter().filter(|server| !is_cell(server)));
        Ok(Named { room_id: room.info.room_id.clone(), servers })
    }

    /// Gives a room an alias.
    pub async fn add(&self, by: &Session, alias: &RoomAliasId, room_id: &RoomId) -> Result<()> {
        if alias.server_name() != self.users.server_name() {
            return Err(ErrorKind::InvalidParam.with(format!("{alias} is not an alias of this server.")).into());
        }
        let room = self.rooms.get(room_id).await?;
        if !room.view().is_joined(by.user_num) {
            return Err(forbidden("You are not in this room."));
        }
        let mut batch = Batch::new();
        aliases::insert(&mut batch, alias.as_str(), room.info.room_num, by.user_num);
        match self.store.write(batch).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() => {
                Err(ErrorKind::RoomInUse.with(format!("The alias {alias} is taken.")).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes an alias away: whoever made it may, and whoever may set the room's canonical alias.
    pub async fn remove(&self, by: &Session, alias: &RoomAliasId) -> Result<()> {
        let wanted = alias.to_string();
        let found = self.store.read(move |snapshot| async move { aliases::by_alias(&snapshot, &wanted).await }).await?;
        let (room_num, creator) =
            found.ok_or_else(|| not_found(format!("There is no room with the alias {alias}.")))?;
        if creator != by.user_num {
            let view = self.rooms.by_num(room_num).await?.view();
            let levels = &view.facts.power_levels;
            let may = levels.user_can_send_state(&by.user_id, StateEventType::RoomCanonicalAlias);
            if !view.is_joined(by.user_num) || !may {
                return Err(forbidden("Only who made the alias or runs the room may remove it."));
            }
        }
        let mut batch = Batch::new();
        aliases::remove(&mut batch, alias.as_str());
        self.store.write(batch).await?;
        Ok(())
    }

    /// The aliases of a room, for its members and where all the world reads.
    pub async fn of_room(&self, by: &Session, room_id: &RoomId) -> Result<Vec<String>> {
        let room = self.rooms.get(room_id).await?;
        let view = room.view();
        let world = view
            .facts
            .history_visibility
            .as_ref()
            .is_some_and(|pdu| pdu.content().get().contains("\"world_readable\""));
        if !view.is_joined(by.user_num) && !world {
            return Err(forbidden("You are not in this room."));
        }
        let room_num = room.info.room_num;
        self.store
            .read(move |snapshot| async move { aliases::of_room(&snapshot, room_num).await.map_err(Error::from) })
            .await
    }
}
