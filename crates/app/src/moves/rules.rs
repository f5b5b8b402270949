//! What the deployment's rules say of somebody's rooms at their new home, and what becomes of those.

use std::sync::Arc;

use domicile_core::{
    ids::{RoomNum, UserNum},
    locality::{CellName, Destination},
};
use domicile_residency::{planner::Planner, standing::Catalogue};
use domicile_store::table::{notice_rooms, portable::RoomOf, stripped_states, user_jurisdictions};
use ruma::UserId;
use serde_json::{Map, json};

use super::{copies::Traveller, progress::ForbiddenRoom};
use crate::{
    Error, Result,
    accounts::{Session, Users},
    events::{Events, send::Sender},
    federation::stripped,
    rooms::{
        Members, Membership, Room, Rooms, StateKeys, StateTrees,
        members::MemberExtras,
        visibility::{Sight, last_leaving},
    },
};

/// Asks them.
pub(super) struct Rules {
    pub(super) users: Arc<Users>,
    pub(super) rooms: Arc<Rooms>,
    pub(super) events: Arc<Events>,
    pub(super) keys: Arc<StateKeys>,
    pub(super) trees: Arc<StateTrees>,
    pub(super) sender: Arc<Sender>,
    pub(super) members: Arc<Members>,
    pub(super) laws: Arc<Catalogue>,
}

impl Rules {
    /// The rooms that somebody could not be in from another cell, each with the sentence that says why.
    pub(super) async fn forbidden(
        &self,
        to: &CellName,
        user_num: UserNum,
        rooms: &[RoomOf],
    ) -> Result<Vec<ForbiddenRoom>> {
        let cells = self.users.localities().among_cells()?;
        let document = cells.own.document();
        let Some(region) = document.region_of(to) else {
            return Err(Error::internal("the cell to which somebody is to move has no region"));
        };
        let mut forbidden = Vec::new();
        if region == cells.own.region() {
            return Ok(forbidden);
        }
        for room in self.coming_along(user_num, rooms).await? {
            let live = self.rooms.by_num(room.room_num).await?;
            if let Err(decision) = self.sender.may_stay(&live, region, user_num).await? {
                forbidden.push(ForbiddenRoom { room_id: room.room_id.clone(), reason: decision.reason });
            }
        }
        Ok(forbidden)
    }

    /// The rooms that somebody is in and takes along. The room of notices stays here whatever the rules say.
    pub(super) async fn coming_along<'r>(&self, user_num: UserNum, rooms: &'r [RoomOf]) -> Result<Vec<&'r RoomOf>> {
        let notices = self.notice_room(user_num).await?;
        let joined = rooms.iter().filter(|room| is_joined(room));
        Ok(joined.filter(|room| notices.as_deref() != Some(room.room_id.as_str())).collect())
    }

    /// The rooms that somebody was in and has not forgotten, whose past comes along, and those of them whose past the rules keep here.
    pub(super) async fn left(
        &self,
        to: &CellName,
        (user_num, user_id): (UserNum, &UserId),
        rooms: &[RoomOf],
    ) -> Result<Left> {
        let cells = self.users.localities().among_cells()?;
        let region = cells.own.document().region_of(to);
        let region = region.ok_or_else(|| Error::internal("the cell to which somebody is to move has no region"))?;
        let mut left = Left::default();
        let rooms: Vec<&RoomOf> = rooms.iter().filter(|room| room.has_copy && has_left(room)).collect();
        if rooms.is_empty() {
            return Ok(left);
        }
        let notices = self.notice_room(user_num).await?;
        for room in rooms {
            if notices.as_deref() == Some(room.room_id.as_str()) {
                continue;
            }
            let live = self.rooms.by_num(room.room_num).await?;
            if !self.was_in(user_num, user_id, &live).await? {
                continue;
            }
            match self.sender.may_stay(&live, region, user_num).await? {
                Err(decision) if region != cells.own.region() => {
                    left.kept.push(ForbiddenRoom { room_id: room.room_id.clone(), reason: decision.reason });
                }
                _ => left.coming.push(room.clone()),
            }
        }
        Ok(left)
    }

    /// Whether somebody was in a room that they are not in.
    async fn was_in(&self, user_num: UserNum, user_id: &UserId, room: &Room) -> Result<bool> {
        let Some(member) = room.view().members.get(&user_num).copied() else { return Ok(false) };
        let (events, keys, trees) = (Arc::clone(&self.events), Arc::clone(&self.keys), Arc::clone(&self.trees));
        let user_id = user_id.to_owned();
        let read = self.sender.store().read(move |snapshot| async move {
            let sight = Sight { events: &events, keys: &keys, trees: &trees };
            last_leaving(&sight, &snapshot, &user_id, member.event_num).await
        });
        Ok(read.await?.is_some())
    }

    /// The room in which this cell's server tells somebody something.
    async fn notice_room(&self, user_num: UserNum) -> Result<Option<String>> {
        let store = self.sender.store();
        Ok(store.read(move |snapshot| async move { notice_rooms::of_user(&snapshot, user_num).await }).await?)
    }

    /// Takes somebody out of that room: at their new home another account tells them things, in another room. Says whether they were in it.
    pub(super) async fn leave_notices(&self, user_num: UserNum, user_id: &UserId) -> Result<bool> {
        let Some(room_id) = self.notice_room(user_num).await? else { return Ok(false) };
        let room_id = ruma::OwnedRoomId::try_from(room_id).map_err(Error::internal)?;
        let Ok(room) = self.rooms.get(&room_id).await else { return Ok(false) };
        let is_in = matches!(room.view().membership(user_num), Membership::Join | Membership::Invite);
        if is_in {
            let session = Session::without_device(user_num, user_id.to_owned());
            let content = Map::from_iter([("membership".to_owned(), json!("leave"))]);
            self.members.change(&session, &room, user_id, content, MemberExtras::default()).await?;
        }
        Ok(is_in)
    }

    /// Takes somebody out of rooms that they could not be in.
    pub(super) async fn leave(&self, user_num: UserNum, user_id: &UserId, rooms: &[ForbiddenRoom]) -> Result<()> {
        let session = Session::without_device(user_num, user_id.to_owned());
        for room in rooms {
            let room_id = ruma::OwnedRoomId::try_from(room.room_id.as_str()).map_err(Error::internal)?;
            let room = self.rooms.get(&room_id).await?;
            let content = Map::from_iter([("membership".to_owned(), json!("leave"))]);
            self.members.change(&session, &room, user_id, content, MemberExtras::default()).await?;
        }
        Ok(())
    }

    /// What is shown of a room to whom is invited there or has knocked, for a cell that has no copy of it. Where this cell has none either, it
    /// is a row that goes along.
    pub(super) async fn shown(&self, traveller: &Traveller, room: &RoomOf) -> Result<Option<String>> {
        if !room.has_copy || !matches!(room.membership.as_str(), "invite" | "knock") {
            return Ok(None);
        }
        let (user_num, room_num): (UserNum, RoomNum) = (traveller.user_num, room.room_num);
        let store = self.sender.store().clone();
        let known = store
            .read(move |snapshot| async move { stripped_states::get(&snapshot, user_num, room_num).await })
            .await?;
        if known.is_some() {
            return Ok(None);
        }
        let live = self.rooms.by_num(room_num).await?;
        let Some(member) = live.view().members.get(&user_num).copied() else { return Ok(None) };
        let event = self.events.get(member.event_num).await?;
        let peer = Destination::Cell(traveller.to.clone());
        let whom = (self.users.localities(), peer.peer_name());
        let shown = stripped::of_room(&live, &event.pdu, &self.events, &self.keys, whom).await?;
        let kept = stripped::kept(&shown, &stripped::own(&event.pdu)?, &live.info);
        kept.map(Some).map_err(Error::internal)
    }

    /// The regions under a law under which somebody wants nothing of theirs to be, each with that law.
    pub(super) fn ruled_out(&self, never_in: &[String]) -> Vec<(String, String)> {
        let Some(cells) = self.users.localities().cells() else { return Vec::new() };
        let document = cells.own.document();
        let planner = Planner::new(document, &self.laws);
        let regions = document.regions.keys();
        let barred = regions.filter_map(|region| Some((region, planner.barred(region, never_in)?)));
        barred.map(|(region, law)| (region.as_str().to_owned(), law.to_owned())).collect()
    }

    /// Why somebody's home cannot be in a cell: it is under a law under which they want nothing of theirs to be.
    pub(super) async fn barred(&self, to: &CellName, user_num: UserNum) -> Result<Option<String>> {
        let document = self.users.localities().among_cells()?.own.document();
        let Some(region) = document.region_of(to) else {
            return Ok(Some(format!("The deployment has no cell {} at work.", to.as_str())));
        };
        let store = self.sender.store();
        let read = store.read(move |snapshot| async move { user_jurisdictions::of_user(&snapshot, user_num).await });
        let noted = read.await?;
        let law = Planner::new(document, &self.laws).barred(region, noted.never()).map(str::to_owned);
        Ok(law.map(|law| {
            format!(
                "The region {} is under the law of {law}, and this person has said that nothing of theirs may be there.",
                region.as_str()
            )
        }))
    }
}

/// Rooms that somebody was in.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Those whose past comes along.
    pub(super) coming: Vec<RoomOf>,
    /// Those whose past the rules keep where it is, with the reason.
    pub(super) kept: Vec<ForbiddenRoom>,
}

/// Whether somebody has left a room, and has not forgotten it.
pub(super) fn has_left(room: &RoomOf) -> bool {
    !room.forgotten && matches!(room.membership.as_str(), "leave" | "ban")
}

/// Whether somebody is in a room of which there is a copy.
pub(super) fn is_joined(room: &RoomOf) -> bool {
    room.has_copy && room.membership == "join"
}
