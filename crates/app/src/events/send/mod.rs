//! Sending: build → authorise → persist → fan out, one file a step.
//!
//! [`Sender::stage`] puts events one after another on a copy of the room; [`Sender::commit`] writes all of them in one batch, shows the new
//! room to its readers and wakes those who wait. Nothing is shown before it is on disk.

mod accept;
mod authorise;
mod build;
mod count;
mod cross;
mod fan_out;
mod follow;
mod listing;
mod message;
mod persist;
mod policy;
mod redaction;
mod relate;
mod tie;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock, atomic::AtomicI64},
};

use domicile_core::{
    clock::Clock,
    ids::{DestinationNum, DeviceNum, EventNum, KeyNum, NodeNum, RoomNum, UserNum},
    rng::Rng,
};
use domicile_room::event::Pdu;
pub use domicile_room::{create::raw, event::EventDraft};
use domicile_store::{Batch, Store, table::events::Status};
use ruma::{OwnedUserId, RoomVersionId};

use super::{EarlyRedactions, Events, Stored, wake::Wakers};
use crate::{
    Result,
    accounts::Users,
    ephemeral::Presence,
    federation::{Destinations, OutboundBell, OwnKeys},
    push::{PushBell, PushClasses},
    rooms::{Member, Room, RoomInfo, RoomView, Rooms, StateKeys, StateTrees},
};

pub use accept::{Accepted, Refused, Resolved};
use count::Counted;
pub use message::Transaction;
pub use policy::PolicySigner;
pub use redaction::takes_effect;
use relate::Related;
pub(super) use tie::MANY;

/// Makes the next events of rooms.
pub struct Sender {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    signer: Arc<OwnKeys>,
    users: Arc<Users>,
    events: Arc<Events>,
    keys: Arc<StateKeys>,
    trees: Arc<StateTrees>,
    rooms: Arc<Rooms>,
    wakers: Arc<Wakers>,
    push: Arc<PushClasses>,
    presence: Arc<Presence>,
    bell: Arc<PushBell>,
    destinations: Arc<Destinations>,
    outbound: Arc<OutboundBell>,
    /// The time of the last create event.
    last_create: AtomicI64,
    policy_signer: OnceLock<Arc<dyn PolicySigner>>,
    early_redactions: EarlyRedactions,
}

/// What a sender is made of.
pub struct SenderParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// The keys with which the server signs.
    pub signer: Arc<OwnKeys>,
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
    /// Other servers and cells.
    pub destinations: Arc<Destinations>,
    /// Tells the delivery to other servers.
    pub outbound: Arc<OutboundBell>,
}

/// A copy of a room on which new events stand that are not written yet.
pub struct Staging {
    info: Arc<RoomInfo>,
    /// The room as it will be.
    pub view: RoomView,
    /// What else is written with the events.
    pub batch: Batch,
    from_revision: Option<i64>,
    /// Ends of the graph that stand on disk beside the one in the room's row.
    further_ends: usize,
    staged: Vec<StagedEvent>,
    /// What was redacted, and what is left of it.
    redacted: Vec<(EventNum, Arc<Pdu>)>,
    /// Whether any of the events notifies somebody.
    notifies: bool,
    /// Types of state with an empty key that resolution changed.
    resolved: Vec<String>,
    /// Events that are kept without being part of the room.
    aside: Vec<Aside>,
    /// Who of other cells has come in without having been invited on this copy, and by which event: it is looked at by whoever took the event.
    pub(super) newcomers: Vec<(UserNum, OwnedUserId, EventNum)>,
    /// Destinations of which the first member has come in on this copy: looked at likewise.
    pub(super) first_of: Vec<DestinationNum>,
}

struct StagedEvent {
    event_num: EventNum,
    pdu: Arc<Pdu>,
    sender_num: UserNum,
    state_before: NodeNum,
    graph_state: Option<NodeNum>,
    key_num: Option<KeyNum>,
    /// The events that allow it, if it is a state event.
    auths: Vec<EventNum>,
    /// Whose membership changes with it.
    members: Vec<(UserNum, Member)>,
    /// How many members other servers have with it, where that changes.
    destinations: Vec<(DestinationNum, i64)>,
    /// Other servers that are told this event and no other of the room.
    told_once: Vec<DestinationNum>,
    related: Option<Related>,
    counted: Counted,
    /// Whether other servers hear of it from here.
    tell: bool,
    /// Whether its row is there already, as an outlier.
    known: bool,
}

/// An event that is kept without being part of the room.
struct Aside {
    event_num: EventNum,
    pdu: Arc<Pdu>,
    sender_num: UserNum,
    graph_state: NodeNum,
    key_num: Option<KeyNum>,
    auths: Vec<EventNum>,
    status: Status,
    known: bool,
}

impl StagedEvent {
    /// The root of the thread that it is in.
    fn thread_num(&self) -> Option<EventNum> {
        self.related.as_ref().and_then(|related| related.thread_num)
    }
}

impl Sender {
    /// A sender of its parts.
    pub fn new(parts: SenderParts) -> Self {
        let SenderParts {
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
            destinations,
            outbound,
        } = parts;
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
            destinations,
            outbound,
            last_create: AtomicI64::new(0),
            policy_signer: OnceLock::new(),
            early_redactions: EarlyRedactions::default(),
        }
    }

    /// Rooms with redactions that came before what they redact.
    pub fn early_redactions(&self) -> &EarlyRedactions {
        &self.early_redactions
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
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
            further_ends: view.extremities.len().saturating_sub(1),
            view,
            batch: Batch::new(),
            staged: Vec::with_capacity(1),
            redacted: Vec::new(),
            notifies: false,
            resolved: Vec::new(),
            aside: Vec::new(),
            newcomers: Vec::new(),
            first_of: Vec::new(),
        }
    }

    /// A room that does not exist yet, with its create event.
    pub async fn begin_room(&self, version: &RoomVersionId, draft: EventDraft) -> Result<Staging> {
        build::begin_room(self, version, draft).await
    }

    /// Builds an event on the copy, checks that it is allowed, and lets the copy show it.
    pub async fn stage(&self, staging: &mut Staging, draft: EventDraft) -> Result<Arc<Pdu>> {
        self.may_cross(staging, &draft).await?;
        let (pdu, auths) = match staging.view.allowed_before(&draft).map(<[_]>::to_vec) {
            Some(auth_events) => (Arc::new(build::build(self, staging, draft, auth_events).await?), Vec::new()),
            None => self.build_and_authorise(staging, draft).await?,
        };
        let pdu = self.signed_by_policy_server(staging, pdu).await?;
        self.put(staging, Arc::clone(&pdu), auths).await?;
        Ok(pdu)
    }

    /// The event, and the numbers of those that allow it, if it is a state event.
    async fn build_and_authorise(&self, staging: &mut Staging, draft: EventDraft) -> Result<(Arc<Pdu>, Vec<EventNum>)> {
        let state = authorise::auth_state(self, staging, &draft).await?;
        let auth_events = build::auth_events(staging, &state);
        let pdu = Arc::new(build::build(self, staging, draft, auth_events.clone()).await?);
        authorise::authorise(staging, &pdu, &state)?;
        if let Some(sender_num) = self.users.num(pdu.sender()).await? {
            staging.view.note_allowed(&pdu, sender_num, &auth_events);
        }
        let auths = if pdu.is_state() { self.auth_nums(staging, state.values()).await? } else { Vec::new() };
        Ok((pdu, auths))
    }

    /// An event as it would be made on the room as it is now, if it is allowed. Hold the room's writer. Nothing is written.
    pub async fn draft(&self, room: &Room, draft: EventDraft) -> Result<Arc<Pdu>> {
        let mut staging = self.begin(room);
        self.may_cross(&staging, &draft).await?;
        Ok(self.build_and_authorise(&mut staging, draft).await?.0)
    }

    /// Somebody of this server has come into a room through another server.
    pub fn joined_elsewhere(&self, room: &Room, user_num: UserNum) {
        self.push.forget(room.info.room_num);
        self.presence.introduce(user_num);
        self.bell.user(user_num);
    }

    /// All members of a room are known: those of this server are shown them, and the other servers hear of ours.
    pub fn became_whole(&self, room: &Room) {
        self.push.forget(room.info.room_num);
        let view = room.view();
        self.wakers.wake_members(
            view.joined,
            |visit| view.joined_members().for_each(visit),
            |user_num| view.is_joined(user_num),
        );
        self.outbound.room(room.info.room_num);
    }

    /// Something came for a user that may notify them.
    pub fn ring_for(&self, user_num: UserNum) {
        self.bell.user(user_num);
    }

    /// Writes what is staged, shows it and wakes who waits for it. Gives the events as they are stored.
    pub async fn commit(
        &self,
        room: Option<&Arc<Room>>,
        mut staging: Staging,
    ) -> Result<(Arc<Room>, Vec<Arc<Stored>>)> {
        self.follow_listing(&mut staging).await?;
        let notifies = staging.notifies;
        let tells = staging.staged.iter().any(|event| event.tell);
        let gone = staging.gone();
        let (view, stored) = persist::persist(self, staging).await?;
        let room = fan_out::publish(self, room, view, &stored).await?;
        if notifies {
            self.bell.room(room.info.room_num);
        }
        if tells {
            self.outbound.room(room.info.room_num);
        }
        // The room does not know them any more, and they are to hear how their last member left.
        for destination_num in gone {
            self.outbound.destination(destination_num);
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

    /// The destinations that have no members left, or never had, and are told of an event nevertheless.
    fn gone(&self) -> Vec<DestinationNum> {
        let changed = self.staged.iter().flat_map(|event| &event.destinations);
        let gone = changed.filter(|(num, joined)| *joined == 0 && !self.view.destinations.contains_key(num));
        let told_once = self.staged.iter().flat_map(|event| event.told_once.iter().copied());
        gone.map(|(num, _)| *num).chain(told_once).collect()
    }

    fn pdu(&self, event_num: EventNum) -> Option<Arc<Pdu>> {
        let staged = self.staged.iter().find(|event| event.event_num == event_num).map(|event| &event.pdu);
        let left = || self.redacted.iter().find(|(redacted, _)| *redacted == event_num).map(|(_, pdu)| pdu);
        // What is not part of the room is named by others all the same.
        let aside = || self.aside.iter().find(|event| event.event_num == event_num).map(|event| &event.pdu);
        staged.or_else(left).or_else(aside).map(Arc::clone)
    }

    /// Notes the transaction that makes the first staged event, and gives the number of that.
    fn note_transaction(&mut self, device_num: DeviceNum, scope: &[u8], day: i64) -> Option<EventNum> {
        let event_num = self.staged.first()?.event_num;
        domicile_store::table::transactions::insert(&mut self.batch, device_num, scope, event_num, day);
        Some(event_num)
    }
}

/// State that allows an event.
type AuthState = HashMap<(ruma::events::StateEventType, String), Arc<Pdu>>;
