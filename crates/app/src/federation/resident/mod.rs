//! What this server does for others in rooms that it holds: lets their people join, leave and knock, and takes invites for its own.

mod invite;
mod join;
mod leave;
mod templates;

use std::sync::Arc;

use domicile_core::error::{ErrorKind, MatrixError};
use domicile_room::event::Pdu;
use domicile_store::Store;
use ruma::{EventId, RoomId, ServerName, events::TimelineEventType};
use serde_json::value::RawValue;

pub use invite::Invite;

use super::{Destinations, OwnKeys, RemoteRooms};
use crate::{
    Error, Result,
    accounts::Users,
    error::forbidden,
    events::{
        Events, Ingest,
        ingest::{Outcome, Way},
        send::Sender,
        wake::Wakers,
    },
    moves::Departures,
    rooms::{Graph, Members, Room, Rooms, StateKeys, StateTrees},
};

/// The serving side of memberships.
pub struct Resident {
    pub(super) store: Store,
    pub(super) own_keys: Arc<OwnKeys>,
    pub(super) users: Arc<Users>,
    pub(super) rooms: Arc<Rooms>,
    pub(super) events: Arc<Events>,
    pub(super) keys: Arc<StateKeys>,
    pub(super) trees: Arc<StateTrees>,
    pub(super) graph: Arc<Graph>,
    pub(super) sender: Arc<Sender>,
    pub(super) ingest: Arc<Ingest>,
    pub(super) destinations: Arc<Destinations>,
    pub(super) members: Arc<Members>,
    pub(super) remote: Arc<RemoteRooms>,
    pub(super) wakers: Arc<Wakers>,
    pub(super) departures: Arc<Departures>,
}

/// What it is made of.
pub struct ResidentParts {
    /// The database.
    pub store: Store,
    /// Our signature.
    pub own_keys: Arc<OwnKeys>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Rooms in memory.
    pub rooms: Arc<Rooms>,
    /// Events in memory.
    pub events: Arc<Events>,
    /// Interned state keys.
    pub keys: Arc<StateKeys>,
    /// State trees.
    pub trees: Arc<StateTrees>,
    /// Auth chains.
    pub graph: Arc<Graph>,
    /// Makes events.
    pub sender: Arc<Sender>,
    /// Takes events.
    pub ingest: Arc<Ingest>,
    /// Other servers and cells.
    pub destinations: Arc<Destinations>,
    /// Comings and goings here.
    pub members: Arc<Members>,
    /// Rooms that are known by an invite only.
    pub remote: Arc<RemoteRooms>,
    /// Who waits.
    pub wakers: Arc<Wakers>,
    /// Who is on the way to another cell.
    pub departures: Arc<Departures>,
}

impl Resident {
    /// Of its parts.
    pub fn new(parts: ResidentParts) -> Self {
        let ResidentParts {
            store,
            own_keys,
            users,
            rooms,
            events,
            keys,
            trees,
            graph,
            sender,
            ingest,
            destinations,
            members,
            remote,
            wakers,
            departures,
        } = parts;
        Self {
            store,
            own_keys,
            users,
            rooms,
            events,
            keys,
            trees,
            graph,
            sender,
            ingest,
            destinations,
            members,
            remote,
            wakers,
            departures,
        }
    }

    /// A room in which somebody of this server is, and whose ACL lets the other server in.
    async fn room(&self, room_id: &RoomId, origin: &ServerName) -> Result<Arc<Room>> {
        let room = self.rooms.get(room_id).await?;
        let view = room.view();
        if !view.has_local_members() {
            return Err(ErrorKind::NotFound.with(format!("Nobody of this server is in {room_id}.")).into());
        }
        if !Ingest::is_let_in(&view, origin) {
            return Err(forbidden(format!("The room's access list does not let {origin} in.")));
        }
        if view.is_partial() {
            let text =
                format!("This server has just come into {room_id} and does not know its members: ask another one.");
            return Err(ErrorKind::NotFound.with(text).into());
        }
        Ok(room)
    }

    /// A member event that another server made of its own user, checked and put into the room. Other servers hear of it from here.
    async fn take_member(
        &self,
        room: &Arc<Room>,
        origin: &ServerName,
        event_id: &EventId,
        membership: &str,
        pdu: Box<RawValue>,
    ) -> Result<Arc<Pdu>> {
        let verified = self.ingest.verify_one(&room.info.rules, &room.info.room_id, pdu).await?;
        let pdu =
            verified.map_err(|reason| ErrorKind::InvalidParam.with(format!("The event is wrong: {reason}.")))?.pdu;
        check_member(&pdu, event_id, membership)?;
        if !self.users.localities().speaks_for(origin, pdu.sender()) {
            return Err(forbidden("The event is about somebody of another server."));
        }
        if membership == "join" {
            self.sender.may_join(room, pdu.sender()).await?;
        }
        let pdu = Arc::new(pdu);
        let way = Way { tell: true, ..Way::default() };
        match self.ingest.take(room, std::slice::from_ref(&pdu), &way).await?.into_iter().next() {
            Some(Outcome::Accepted | Outcome::Known) => Ok(pdu),
            Some(Outcome::Rejected(reason) | Outcome::SoftFailed(reason)) => {
                Err(forbidden(format!("The room does not allow this: {reason}.")))
            }
            Some(Outcome::Lacks(_)) => Err(ErrorKind::InvalidParam
                .with("The event names others that are not here: ask for a new draft.")
                .into()),
            None => Err(Error::internal("an event came to nothing")),
        }
    }
}

/// Whether an event is the member event that it must be.
fn check_member(pdu: &Pdu, event_id: &EventId, membership: &str) -> std::result::Result<(), MatrixError> {
    let wrong = |what: &str| Err(ErrorKind::InvalidParam.with(format!("The event's {what} is not what it should be.")));
    if pdu.event_id() != event_id {
        return wrong("id");
    }
    if *pdu.kind() != TimelineEventType::RoomMember || pdu.membership().as_deref() != Some(membership) {
        return wrong("membership");
    }
    if pdu.state_key() != Some(pdu.sender().as_str()) {
        return wrong("state key");
    }
    Ok(())
}
