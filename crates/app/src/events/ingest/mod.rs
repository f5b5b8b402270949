//! Events of other servers, from the wire into the room. Each check of the specification (server-server, *Checks performed on receipt of a
//! PDU*) is a file; [`Ingest::take`] asks them in its order.
//!
//! 1 to 3 (form, signatures, hashes) need no room: `domicile_room::event::receive`, with the keys that [`verify`] fetches. 4: [`auth_events`].
//! 5: [`state_before`]. 6: [`room_state`], which also says what the room's state is with the event.
//!
//! An event whose predecessors are not here waits on disk; [`missing`] fetches them.

mod acl;
mod auth_events;
mod before_join;
mod complete;
mod fill;
mod former_homes;
mod history;
mod missing;
mod new_regions;
mod outliers;
mod own_signatures;
mod policy;
mod replay;
mod room_state;
mod round;
mod state_before;
mod state_elsewhere;
pub(crate) mod told;
mod uninvited;
mod verify;
mod waiting;

use std::{collections::HashMap, sync::Arc};

use domicile_core::{
    clock::Clock,
    ids::{EventNum, NodeNum},
};
use domicile_room::event::Pdu;
use domicile_store::{Store, StoreError, table::events::Status};
use ruma::{OwnedEventId, events::TimelineEventType};

use super::{
    Events, Stored,
    send::{self, Accepted, Refused, Sender},
};
use crate::{
    Error, Result,
    accounts::Users,
    ephemeral::WaitingReceipts,
    federation::{Destinations, Peers, ServerKeys},
    rooms::{Resolution, Room, RoomView, Rooms, StateKeys, StateTrees},
};

pub use complete::Completed;
use round::Round;
pub use verify::Verified;

/// How often a write is tried again that somebody else's write to the room made void.
const TRIES: usize = 5;

/// Takes events of other servers.
pub struct Ingest {
    store: Store,
    clock: Arc<dyn Clock>,
    sender: Arc<Sender>,
    users: Arc<Users>,
    rooms: Arc<Rooms>,
    events: Arc<Events>,
    keys: Arc<StateKeys>,
    trees: Arc<StateTrees>,
    resolution: Arc<Resolution>,
    peers: Arc<Peers>,
    server_keys: Arc<ServerKeys>,
    destinations: Arc<Destinations>,
    waiting_receipts: Arc<WaitingReceipts>,
    waiting: waiting::Waiting,
    unvouched: former_homes::Unvouched,
}

/// What it is made of.
pub struct IngestParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Puts events on rooms.
    pub sender: Arc<Sender>,
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
    /// State resolution.
    pub resolution: Arc<Resolution>,
    /// Asks other servers.
    pub peers: Arc<Peers>,
    /// Keys of other servers.
    pub server_keys: Arc<ServerKeys>,
    /// Other servers and cells.
    pub destinations: Arc<Destinations>,
    /// Receipts that come before their events.
    pub waiting_receipts: Arc<WaitingReceipts>,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is part of the room.
    Accepted,
    /// It was here before.
    Known,
    /// It is kept, but not shown.
    SoftFailed(String),
    /// It is not allowed. What depends on it is not either.
    Rejected(String),
    /// Events that it names are not here.
    Lacks(Vec<OwnedEventId>),
}

impl Outcome {
    /// Whether the event is here now.
    pub fn is_here(&self) -> bool {
        !matches!(self, Self::Rejected(_) | Self::Lacks(_))
    }
}

/// How events come.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// Whether other servers hear of them from here: they came to this server alone.
    pub tell: bool,
    /// The state after events that are not here and that these name, as another server tells it.
    pub states: HashMap<OwnedEventId, NodeNum>,
    /// Whether events of other rooms are taken at the same moment.
    pub in_company: bool,
}

/// What is to be done with an event.
enum Step {
    /// It is on the copy of the room.
    Done(Outcome),
    /// What is on the copy has to be written first.
    WriteFirst,
}

impl Ingest {
    /// Of its parts.
    pub fn new(parts: IngestParts) -> Self {
        let IngestParts {
            store,
            clock,
            sender,
            users,
            rooms,
            events,
            keys,
            trees,
            resolution,
            peers,
            server_keys,
            destinations,
            waiting_receipts,
        } = parts;
        Self {
            store,
            clock,
            sender,
            users,
            rooms,
            events,
            keys,
            trees,
            resolution,
            peers,
            server_keys,
            destinations,
            waiting_receipts,
            waiting: waiting::Waiting::default(),
            unvouched: former_homes::Unvouched::default(),
        }
    }

    /// Takes events of one room, in an order in which each comes after those that it names. Says what became of each.
    pub async fn take(&self, room: &Arc<Room>, events: &[Arc<Pdu>], way: &Way) -> Result<Vec<Outcome>> {
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(events.len());
        let (mut tries, mut is_again) = (0, false);
        while outcomes.len() < events.len() {
            let writer = room.writer_for_told().await;
            let (from, before) = (outcomes.len(), room.view());
            match self.take_some(room, &events[from..], way, is_again).await {
                Ok(more) => {
                    outcomes.extend(more);
                    drop(writer);
                    is_again = false;
                    self.follow(room, &before).await;
                }
                // First the disk is asked what is here already, which costs less than to read the room again.
                Err(Error::Store(StoreError::Conflict(_))) if !is_again => is_again = true,
                Err(Error::Store(StoreError::Conflict(_))) if tries < TRIES => {
                    tries += 1;
                    self.rooms.reload(room).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(outcomes)
    }

    /// What follows when events are taken: what was taken is taken, whether this succeeds or not.
    async fn follow(&self, room: &Arc<Room>, before: &RoomView) {
        let most = if self.is_untold(&room.view(), before) { 1 } else { send::MANY };
        match self.sender.tie_ends(room, most).await {
            Ok(true) => tracing::debug!(room_id = %room.info.room_id, "the ends of a room's graph are tied together"),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the ends of a room's graph could not be tied together"),
        }
        if let Err(error) = self.waiting_receipts.settle(room).await {
            tracing::warn!(%error, "receipts that waited for events could not be taken");
        }
    }

    /// Whether another server has come into a room while somebody here spoke: it was not there to be told, and hears of it with what is said next.
    fn is_untold(&self, now: &RoomView, before: &RoomView) -> bool {
        let is_own_end = |event: &Arc<Stored>| {
            now.extremities.iter().any(|(num, _)| *num == event.event_num) && self.users.is_local(event.pdu.sender())
        };
        now.extremities.len() > 1
            && now.destinations.len() > before.destinations.len()
            && now.recent.iter().any(is_own_end)
    }

    /// As many of the events as can be written at once, at least one.
    async fn take_some(
        &self,
        room: &Arc<Room>,
        events: &[Arc<Pdu>],
        way: &Way,
        is_again: bool,
    ) -> Result<Vec<Outcome>> {
        let mut round = Round::begin(self, room, events, is_again).await?;
        let mut outcomes = Vec::with_capacity(events.len());
        for pdu in events {
            match self.one(&mut round, pdu, way).await? {
                Step::Done(outcome) => outcomes.push(outcome),
                Step::WriteFirst => break,
            }
        }
        let reload = round.reload;
        if round.wrote {
            if way.in_company {
                round.staging.batch.in_company();
            }
            self.sender.commit(Some(room), round.staging).await?;
        }
        if reload {
            self.rooms.reload(room).await?;
        }
        Ok(outcomes)
    }

    /// All checks of one event that need its room.
    async fn one(&self, round: &mut Round<'_>, pdu: &Arc<Pdu>, way: &Way) -> Result<Step> {
        let known = round.known(pdu.event_id());
        if let Some((_, status)) = known
            && !status.has(Status::OUTLIER)
        {
            return Ok(Step::Done(Outcome::Known));
        }
        let known = known.map(|(event_num, _)| event_num);
        let auths = match self.auth_events(round, pdu).await? {
            Ok(auths) => auths,
            Err(missing) => return Ok(Step::Done(Outcome::Lacks(missing))),
        };
        let Some(before) = self.state_before(round, pdu, way).await? else { return Ok(Step::WriteFirst) };
        let before = match before {
            Ok(before) => before,
            Err(missing) => return Ok(Step::Done(Outcome::Lacks(missing))),
        };
        let allowed = match auths.allow(pdu, &round.room.info.rules) {
            Ok(()) => self.allowed_by(round, pdu, before).await?,
            Err(reason) => Err(reason),
        };
        if let Err(reason) = allowed {
            self.put_aside(round, pdu, known, before, auths.nums(), Status::REJECTED).await?;
            return Ok(Step::Done(Outcome::Rejected(reason)));
        }
        let mut soft = if before == round.staging.view.state_root {
            Ok(())
        } else {
            let now = round.staging.view.state_root;
            self.allowed_by(round, pdu, now).await?
        };
        if soft.is_ok() {
            soft = self.allowed_by_policy_server(round, pdu).await?;
        }
        if let Err(reason) = soft {
            self.put_aside(round, pdu, known, before, auths.nums(), Status::SOFT_FAILED).await?;
            return Ok(Step::Done(Outcome::SoftFailed(reason)));
        }
        let Some(resolved) = self.room_state_with(round, pdu, known, before).await? else {
            return Ok(Step::WriteFirst);
        };
        let comes_next = state_before::comes_next(&round.staging.view, pdu);
        round.state_moves |= resolved.as_ref().is_some_and(|resolved| resolved.root != round.staging.view.state_root);
        let accepted = Accepted {
            pdu: Arc::clone(pdu),
            known,
            graph_state: before,
            auths: auths.nums(),
            resolved,
            tell: way.tell,
        };
        let facts = Arc::clone(&round.staging.view.facts);
        let event_num = self.sender.accept(&mut round.staging, accepted).await?;
        self.look_at_newcomers(round, &facts).await?;
        self.look_at_new_regions(round).await?;
        round.added(pdu, event_num, Status::ACCEPTED, before);
        if !comes_next {
            Self::note_what_is_missing(round, pdu, event_num);
        }
        if *pdu.kind() == TimelineEventType::RoomRedaction {
            round.reload |= self.sender.follow_redaction(&mut round.staging, pdu, event_num).await?;
        }
        round.reload |= self.follow_early_redactions(round, pdu).await?;
        Ok(Step::Done(Outcome::Accepted))
    }

    async fn put_aside(
        &self,
        round: &mut Round<'_>,
        pdu: &Arc<Pdu>,
        known: Option<EventNum>,
        graph_state: NodeNum,
        auths: Vec<EventNum>,
        status: Status,
    ) -> Result<()> {
        self.look_at_refused(round, pdu).await?;
        let refused = Refused { pdu: Arc::clone(pdu), known, graph_state, auths, status };
        let event_num = self.sender.refuse(&mut round.staging, refused).await?;
        round.added(pdu, event_num, status, graph_state);
        Ok(())
    }

    /// Redactions that came before the event that they redact.
    async fn follow_early_redactions(&self, round: &mut Round<'_>, pdu: &Arc<Pdu>) -> Result<bool> {
        let Some(redactions) = round.early.remove(pdu.event_id()) else { return Ok(false) };
        let mut any = false;
        for event_num in redactions {
            let redaction = Arc::clone(&self.events.get(event_num).await?.pdu);
            any |= self.sender.follow_redaction(&mut round.staging, &redaction, event_num).await?;
        }
        Ok(any)
    }
}
