//! Aliases: names of rooms in this deployment.

use std::{sync::Arc, time::Duration};

use domicile_core::{
    error::ErrorKind,
    ids::{RoomNum, UserNum},
    locality::{CellName, Destination, is_cell},
};
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
    residency::AliasAdoption,
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
    /// Servers that are likely to be in it, this one perhaps among them, and cells by the names that stand for them. None where an id was given.
    pub servers: Vec<OwnedServerName>,
}

impl Named {
    /// The servers as anybody may hear of them: the deployment is one.
    pub fn shown(self) -> Vec<OwnedServerName> {
        self.servers.into_iter().filter(|server| !is_cell(server)).collect()
    }
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
            return match self.ours(alias).await {
                Err(Error::Matrix(why)) if why.kind == ErrorKind::NotFound => self.of_other_cells(alias).await,
                found => found,
            };
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

    /// The room of an alias that another cell has: the directory knows which one, and that one the room.
    async fn of_other_cells(&self, alias: &RoomAliasId) -> Result<Named> {
        let missing = || not_found(format!("There is no room with the alias {alias}."));
        let cells = self.users.localities().cells().ok_or_else(missing)?;
        let home = cells.names.alias_home(alias).await?.filter(|home| home != cells.own.name()).ok_or_else(missing)?;
        let home = Destination::Cell(home);
        let request = get_room_information::v1::Request::new(alias.to_owned());
        let answer = self.peers.ask(home.peer_name(), request, BOUNDS).await;
        let answer = answer.map_err(|error| error.told(home.peer_name()))?;
        let others = answer.servers.into_iter().filter(|server| !is_cell(server));
        let mut servers = vec![home.peer_name().to_owned(), self.users.server_name().to_owned()];
        for server in others.take(SERVERS) {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        Ok(Named { room_id: answer.room_id, servers })
    }

    /// The room of an alias of this cell.
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
        claim(&self.users, alias).await?;
        self.insert(alias, room.info.room_num, by.user_num).await
    }

    async fn insert(&self, alias: &RoomAliasId, room_num: RoomNum, creator: UserNum) -> Result<()> {
        let mut batch = Batch::new();
        aliases::insert(&mut batch, alias.as_str(), room_num, creator);
        match self.store.write(batch).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_conflict() => Err(taken(alias)),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes an alias that comes along with a room from another cell, whose alias it is by the directory.
    pub async fn adopt(&self, from: &CellName, adoption: &AliasAdoption) -> Result<()> {
        let AliasAdoption { alias, room_id, creator } = adoption;
        let missing = || not_found("This server is no cell of a deployment.");
        let cells = self.users.localities().cells().ok_or_else(missing)?;
        let room = self.rooms.get(room_id).await?;
        let wanted = alias.to_string();
        let held = self.store.read(move |snapshot| async move { aliases::by_alias(&snapshot, &wanted).await }).await?;
        if held.is_some_and(|(room_num, _)| room_num == room.info.room_num) {
            return Ok(());
        }
        if cells.names.alias_home(alias).await?.as_ref() != Some(from) {
            return Err(forbidden("The alias is another cell's."));
        }
        let creator = match creator {
            Some(creator) => self.users.num(creator).await?,
            None => None,
        };
        let creator = creator.unwrap_or(UserNum::NOBODY);
        self.insert(alias, room.info.room_num, creator).await
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
        let cells = self.users.localities().cells();
        if let Some(cells) = cells {
            cells.names.note_freed(&mut batch, alias);
        }
        self.store.write(batch).await?;
        if let Some(cells) = cells
            && let Err(error) = cells.names.free_alias(alias.to_owned()).await
        {
            tracing::warn!(%error, "an alias that was removed is still this cell's in the directory, which is told later");
        }
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

/// Takes an alias in the whole deployment.
pub(super) async fn claim(users: &Users, alias: &RoomAliasId) -> Result<()> {
    let Some(cells) = users.localities().cells() else { return Ok(()) };
    let refused = cells.names.claim_aliases(vec![alias.to_owned()]).await?;
    if refused.is_empty() { Ok(()) } else { Err(taken(alias)) }
}

pub(super) fn taken(alias: &RoomAliasId) -> Error {
    ErrorKind::RoomInUse.with(format!("The alias {alias} is taken.")).into()
}
