//! Aliases: names of rooms in this deployment.

use std::sync::Arc;

use domicile_core::error::ErrorKind;
use domicile_store::{Batch, Store, table::aliases};
use ruma::{OwnedRoomId, RoomAliasId, RoomId, RoomOrAliasId, events::StateEventType};

use super::Rooms;
use crate::{
    Error, Result,
    accounts::{Session, Users},
    error::{forbidden, not_found},
};

/// Aliases.
pub struct Directory {
    store: Store,
    users: Arc<Users>,
    rooms: Arc<Rooms>,
}

impl Directory {
    /// Over a store.
    pub fn new(store: Store, users: Arc<Users>, rooms: Arc<Rooms>) -> Self {
        Self { store, users, rooms }
    }

    /// The room of an id or an alias.
    pub async fn resolve(&self, name: &RoomOrAliasId) -> Result<OwnedRoomId> {
        if let Ok(room_id) = <&RoomId>::try_from(name) {
            return Ok(room_id.to_owned());
        }
        let alias = <&RoomAliasId>::try_from(name)
            .map_err(|_| ErrorKind::InvalidParam.with(format!("{name} is neither a room id nor an alias.")))?;
        self.room_of(alias).await
    }

    /// The room of an alias.
    pub async fn room_of(&self, alias: &RoomAliasId) -> Result<OwnedRoomId> {
        let wanted = alias.to_string();
        let found = self.store.read(move |snapshot| async move { aliases::by_alias(&snapshot, &wanted).await }).await?;
        let (room_num, _) = found.ok_or_else(|| not_found(format!("There is no room with the alias {alias}.")))?;
        Ok(self.rooms.by_num(room_num).await?.info.room_id.clone())
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
