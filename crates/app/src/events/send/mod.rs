//! Sending: build → authorise → persist → fan out, one file a step.
//!
//! [`Sender::stage`] puts events one after another on a copy of the room; [`Sender::commit`] writes all of them in one batch, shows the new
//! room to its readers and wakes those who wait. Nothing is shown before it is on disk.

mod authorise;
mod build;
mod count;
mod fan_out;
mod listing;
mod message;
mod persist;
mod redaction;
mod relate;

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicI64},
};

use domicile_core::{
    clock::Clock,
    ids::{DeviceNum, EventNum, KeyNum, NodeNum, RoomNum, UserNum},
    rng::Rng,
};
use domicile_room::event::{Pdu, ServerSigner};
pub use domicile_room::{create::raw, event::EventDraft};
use domicile_store::{Batch, Store};
use ruma::RoomVersionId;

use super::{Events, Stored, wake::Wakers};
use crate::{
    Result,
    accounts::Users,
    ephemeral::Presence,
    push::{PushBell, PushClasses},
    rooms::{Member, Room, RoomInfo, RoomView, Rooms, StateKeys, StateTrees},
};

use count::Counted;
pub use message::Transaction;
use relate::Related;

/// Makes the next events of rooms.
pub struct Sender {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    signer: Arc<ServerSigner>,
    users: Arc<Users>,
    events: Arc<Events>,
    keys: Arc<StateKeys>,
    trees: Arc<StateTrees>,
    rooms: Arc<Rooms>,
    wakers: Arc<Wakers>,
    push: Arc<PushClasses>,
    presence: Arc<Presence>,
    bell: Arc<PushBell>,
    /// The time of the last create event.
    last_create: AtomicI64,
}

/// What a sender is made of.
pub struct SenderParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The server's signature.
    pub signer: Arc<ServerSigner>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Events in memory.
    pub events: Arc<Events>,
    /// Interned state keys.
    pub keys: Arc<StateKeys>,
    /// State trees.
    pub trees: Arc<StateTrees>,
    /// Rooms in memory.
    pub rooms: Arc<Rooms>,
    /// Who waits.
    pub wakers: Arc<Wakers>,
    /// Classes of push rules.
    pub push: Arc<PushClasses>,
    /// Who is online.
    pub presence: Arc<Presence>,
    /// Tells the delivery of notifications.
    pub bell: Arc<PushBell>,
}

/// A copy of a room on which new events stand that are not written yet.
pub struct Staging {
    info: Arc<RoomInfo>,
    /// The room as it will be.
    pub view: RoomView,
    /// What else is written with the events.
    pub batch: Batch,
    from_revision: Option<i64>,
    old_extremities: Vec<EventNum>,
    staged: Vec<StagedEvent>,
    /// What was redacted, and what is left of it.
    redacted: Vec<(EventNum, Arc<Pdu>)>,
    /// Whether any of the events notifies somebody.
    notifies: bool,
}

struct StagedEvent {
    event_num: EventNum,
    pdu: Arc<Pdu>,
    sender_num: UserNum,
    state_before: NodeNum,
    key: Option<StagedKey>,
    related: Option<Related>,
    counted: Counted,
}

impl StagedEvent {
    /// The root of the thread that it is in.
    fn thread_num(&self) -> Option<EventNum> {
        self.related.as_ref().and_then(|related| related.thread_num)
    }
}

struct StagedKey {
    key_num: KeyNum,
    member: Option<(UserNum, Member)>,
}

impl Sender {
    /// A sender of its parts.
    pub fn new(parts: SenderParts) -> Self {
        let SenderParts { store, clock, rng, signer, users, events, keys, trees, rooms, wakers, push, presence, bell } =
            parts;
        Self {
            store,
            clock,
            rng,
            signer,
            users,
            events,
            keys,
            trees,
            rooms,
            wakers,
            push,
            presence,
            bell,
            last_create: AtomicI64::new(0),
        }
    }

    /// The rooms that it writes to.
    pub fn rooms(&self) -> &Arc<Rooms> {
        &self.rooms
    }

    /// The events that it writes.
    pub fn events(&self) -> &Arc<Events> {
        &self.events
    }

    /// Who is online, which sending shows.
    pub fn presence(&self) -> &Arc<Presence> {
        &self.presence
    }

    /// A copy of a room for new events. Hold the room's writer while it lives.
    pub fn begin(&self, room: &Room) -> Staging {
        let view = RoomView::clone(&room.view());
        Staging {
            info: Arc::clone(&room.info),
            from_revision: Some(view.revision),
            old_extremities: view.extremities.iter().map(|(event_num, _)| *event_num).collect(),
            view,
            batch: Batch::new(),
            staged: Vec::with_capacity(1),
            redacted: Vec::new(),
            notifies: false,
        }
    }

    /// A room that does not exist yet, with its create event.
    pub async fn begin_room(&self, version: &RoomVersionId, draft: EventDraft) -> Result<Staging> {
        build::begin_room(self, version, draft).await
    }

    /// Builds an event on the copy, checks that it is allowed, and lets the copy show it.
    pub async fn stage(&self, staging: &mut Staging, draft: EventDraft) -> Result<Arc<Pdu>> {
        let pdu = match staging.view.allowed_before(&draft).map(<[_]>::to_vec) {
            Some(auth_events) => Arc::new(build::build(self, staging, draft, auth_events)?),
            None => self.build_and_authorise(staging, draft).await?,
        };
        self.put(staging, Arc::clone(&pdu)).await?;
        Ok(pdu)
    }

    async fn build_and_authorise(&self, staging: &mut Staging, draft: EventDraft) -> Result<Arc<Pdu>> {
        let state = authorise::auth_state(self, staging, &draft).await?;
        let auth_events = build::auth_events(staging, &state);
        let pdu = Arc::new(build::build(self, staging, draft, auth_events.clone())?);
        authorise::authorise(staging, &pdu, &state)?;
        if let Some(sender_num) = self.users.num(pdu.sender()).await? {
            staging.view.note_allowed(&pdu, sender_num, &auth_events);
        }
        Ok(pdu)
    }

    /// Writes what is staged, shows it and wakes who waits for it. Gives the events as they are stored.
    pub async fn commit(
        &self,
        room: Option<&Arc<Room>>,
        mut staging: Staging,
    ) -> Result<(Arc<Room>, Vec<Arc<Stored>>)> {
        self.follow_listing(&mut staging).await?;
        let notifies = staging.notifies;
        let (view, stored) = persist::persist(self, staging).await?;
        let room = fan_out::publish(self, room, view, &stored).await?;
        if notifies {
            self.bell.room(room.info.room_num);
        }
        Ok((room, stored))
    }
}

impl Staging {
    /// The room's constant parts.
    pub fn info(&self) -> &Arc<RoomInfo> {
        &self.info
    }

    /// The room's number.
    pub fn room_num(&self) -> RoomNum {
        self.info.room_num
    }

    fn pdu(&self, event_num: EventNum) -> Option<Arc<Pdu>> {
        let staged = self.staged.iter().find(|event| event.event_num == event_num).map(|event| &event.pdu);
        let left = || self.redacted.iter().find(|(redacted, _)| *redacted == event_num).map(|(_, pdu)| pdu);
        staged.or_else(left).map(Arc::clone)
    }

    /// Notes the transaction that makes the first staged event.
    fn note_transaction(&mut self, device_num: DeviceNum, scope: &[u8], day: i64) {
        if let Some(first) = self.staged.first() {
            domicile_store::table::transactions::insert(&mut self.batch, device_num, scope, first.event_num, day);
        }
    }
}

/// State that allows an event.
type AuthState = HashMap<(ruma::events::StateEventType, String), Arc<Pdu>>;
