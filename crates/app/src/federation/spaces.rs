//! A space for another server: the room and its children in short, as far as the server's users could join them or look into them.

use std::sync::Arc;

use domicile_core::ids::DestinationNum;
use domicile_room::event::acl::ServerAcl;
use domicile_store::{
    Snapshot,
    table::{memberships, rooms},
};
use ruma::{OwnedRoomId, OwnedServerName, RoomId, ServerName};

use super::Readers;
use crate::{
    Error, Result,
    error::not_found,
    rooms::{
        Hierarchies, Summaries,
        hierarchy::HierarchyRoom,
        summary::{ALLOWED_LOOKED_AT, Summary},
    },
};

/// Children that one answer tells of.
const CHILDREN: usize = 500;

/// A space and its children.
#[derive(Debug)]
pub struct Space {
    /// The room that was asked for.
    pub room: HierarchyRoom,
    /// Its children that the server's users could get into.
    pub children: Vec<Summary>,
    /// Its children that they could not.
    pub inaccessible: Vec<OwnedRoomId>,
}

/// Reads spaces for other servers.
pub struct Spaces {
    summaries: Arc<Summaries>,
    hierarchies: Arc<Hierarchies>,
    readers: Arc<Readers>,
}

/// Another server that looks at rooms in which it may have nobody.
struct Visitor {
    name: OwnedServerName,
    destination_num: Option<DestinationNum>,
}

impl Spaces {
    /// Over summaries.
    pub fn new(summaries: Arc<Summaries>, hierarchies: Arc<Hierarchies>, readers: Arc<Readers>) -> Self {
        Self { summaries, hierarchies, readers }
    }

    /// A space with its children.
    pub async fn get(self: &Arc<Self>, origin: &ServerName, room_id: &RoomId, suggested_only: bool) -> Result<Space> {
        let destination_num = self.readers.num(origin).await?;
        let visitor = Visitor { name: origin.to_owned(), destination_num };
        let listed = self.readers.localities().listed_to(origin);
        let (this, room_id) = (Arc::clone(self), room_id.to_owned());
        self.summaries
            .store()
            .read(move |snapshot| async move {
                let missing = || not_found("There is no such room, or your users could not join it.");
                let row = rooms::by_id(&snapshot, room_id.as_str()).await?;
                let row = row.filter(|row| row.has_copy).ok_or_else(missing)?;
                let summary = this.accessible(&snapshot, &visitor, &row).await?.ok_or_else(missing)?;
                let (mut room, mut named) = this.hierarchies.room(&snapshot, &row, summary, suggested_only).await?;
                if !listed.children {
                    (room.children, named) = (Vec::new(), Vec::new());
                }
                let (mut children, mut inaccessible) = (Vec::new(), Vec::new());
                for room_id in named.into_iter().take(CHILDREN) {
                    // Of a room that is not here nothing can be told.
                    let row = rooms::by_id(&snapshot, room_id.as_str()).await?;
                    let Some(row) = row.filter(|row| row.has_copy) else { continue };
                    match this.accessible(&snapshot, &visitor, &row).await? {
                        Some(summary) => children.push(summary),
                        None => inaccessible.push(room_id),
                    }
                }
                Ok::<_, Error>(Space { room, children, inaccessible })
            })
            .await
    }

    /// A room in short, if users of a server could join it or look into it.
    async fn accessible(&self, snapshot: &Snapshot, by: &Visitor, row: &rooms::Room) -> Result<Option<Summary>> {
        let summary = self.summaries.load(snapshot, row).await?;
        if !self.is_let_in(snapshot, by, row).await? {
            return Ok(None);
        }
        let localities = self.readers.localities();
        let told = self.summaries.told_to(snapshot, row, (localities, &by.name)).await?;
        let Some(told) = told.filter(|_| localities.listed_to(&by.name).rooms) else { return Ok(None) };
        let summary = told.of(summary);
        let open = summary.world_readable || summary.join_rule == "public" || summary.is_knockable();
        let mut accessible = open || Readers::joined(snapshot, by.destination_num, row.room_num).await? > 0;
        if !accessible {
            accessible = memberships::any_invited_of(snapshot, row.room_num, by.name.as_str()).await?;
        }
        for room_id in summary.allowed.iter().take(ALLOWED_LOOKED_AT) {
            if accessible {
                break;
            }
            if let Some(other) = rooms::by_id(snapshot, room_id.as_str()).await? {
                accessible = Readers::joined(snapshot, by.destination_num, other.room_num).await? > 0;
            }
        }
        Ok(accessible.then_some(summary))
    }

    async fn is_let_in(&self, snapshot: &Snapshot, by: &Visitor, row: &rooms::Room) -> Result<bool> {
        let acl = self.summaries.state_event(snapshot, row, "m.room.server_acl").await?;
        let Some(acl) = acl else { return Ok(true) };
        Ok(ServerAcl::of(&acl).allows(&by.name))
    }
}
