//! Reading rooms: events, their past, state, members; each as far as the reader may see it.

mod context;
mod gap;
mod listing;
mod members;
mod page;
mod past;
mod peek;
mod relations;
mod threads;
mod timestamp;

use std::{collections::HashSet, sync::Arc};

use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    ids::{EventNum, KeyNum, NodeNum, Position},
    limits,
};
use domicile_room::event::ClientEvent;
use domicile_store::{
    Snapshot, Store,
    table::{state as state_rows, sync as sync_rows},
};
use ruma::{EventId, RoomId, UserId, api::Direction};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

pub use context::{ContextRequest, EventContext};
pub use gap::GapPlace;
pub use listing::Listing;
pub use members::JoinedMember;
pub use page::{Page, PageRequest};
pub use peek::{Peeked, Streamed};
pub use relations::{DEPTH, RelationsPage, RelationsRequest};
pub use threads::{ThreadsPage, ThreadsRequest};
pub use timestamp::Onlooker;

use listing::Gather;

use super::{
    Membership, Room, Rooms, StateKeys, StateTrees,
    visibility::{Eyes, HistoryVisibility, Sight, last_leaving},
};
use crate::{
    Error, Result,
    account_data::Ignored,
    accounts::{Session, Users},
    error::{forbidden, not_found},
    events::{Events, Presenter, Reader, Stored},
    federation::History,
    residency::Spans,
};

/// State events that are read at once where there may be very many.
const PART: usize = 500;
/// Members of a room for whose names other cells are asked when its state is read.
const NAMED: usize = 200;

/// What a reader is made of.
pub struct RoomReaderParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Events in memory.
    pub events: Arc<Events>,
    /// Events as a reader sees them.
    pub presenter: Arc<Presenter>,
    /// Rooms in memory.
    pub rooms: Arc<Rooms>,
    /// Interned state keys.
    pub keys: Arc<StateKeys>,
    /// State trees.
    pub trees: Arc<StateTrees>,
    /// Ends long polls when the server stops.
    pub stopping: CancellationToken,
    /// Who ignores whom.
    pub ignored: Arc<Ignored>,
    /// Which tokens are this cell's own.
    pub spans: Arc<Spans>,
}

/// Reads rooms for users.
pub struct RoomReader {
    parts: Arc<RoomReaderParts>,
    /// Fetches what is not here.
    history: Arc<History>,
}

impl RoomReaderParts {
    /// What is needed to look at history.
    pub fn sight(&self) -> Sight<'_> {
        Sight { events: &self.events, keys: &self.keys, trees: &self.trees }
    }

    /// A session as a reader of events.
    pub fn reader(&self, session: &Session) -> Reader {
        Reader { user_num: session.user_num, device_num: session.device_num, now_ms: self.clock.now_ms() }
    }

    /// The state that a user sees: the current one for members and where all the world reads, that of their leaving for who has left.
    pub async fn visible_state(&self, snapshot: &Snapshot, room: &Room, session: &Session) -> Result<NodeNum> {
        let view = room.view();
        let world = view.facts.history_visibility.as_ref().is_some_and(|pdu| {
            pdu.content().get().contains("world_readable") && HistoryVisibility::WorldReadable == visibility_word(pdu)
        });
        match view.members.get(&session.user_num) {
            Some(member) if member.membership == Membership::Join => Ok(view.state_root),
            _ if world => Ok(view.state_root),
            Some(member) if matches!(member.membership, Membership::Leave | Membership::Ban) => {
                let left = last_leaving(&self.sight(), snapshot, &session.user_id, member.event_num).await?;
                let left = left.ok_or_else(|| forbidden("You were never in this room."))?;
                let position = left.position.unwrap_or(Position::START);
                let next = sync_rows::state_before_next(snapshot, room.info.room_num, position).await?;
                Ok(next.unwrap_or(view.state_root))
            }
            _ => Err(forbidden("You are not in this room.")),
        }
    }
}

fn visibility_word(pdu: &domicile_room::event::Pdu) -> HistoryVisibility {
    #[derive(serde::Deserialize)]
    struct Content {
        history_visibility: String,
    }
    pdu.content_as::<Content>()
        .map_or(HistoryVisibility::Shared, |content| HistoryVisibility::parse(&content.history_visibility))
}

impl RoomReader {
    /// Over its parts; what is not here is fetched by `history`.
    pub fn new(parts: Arc<RoomReaderParts>, history: Arc<History>) -> Self {
        Self { parts, history }
    }

    /// The parts, for services that read more.
    pub fn parts(&self) -> &Arc<RoomReaderParts> {
        &self.parts
    }

    /// The room of an event that is asked for. Whether there is such a room is not told to who may not see the event.
    async fn room_of_event(&self, room_id: &RoomId, event_id: &EventId) -> Result<Arc<Room>> {
        match self.parts.rooms.num(room_id).await? {
            Some(room_num) => self.parts.rooms.by_num(room_num).await,
            None => Err(no_such_event(event_id)),
        }
    }

    /// The room of an id.
    pub async fn room(&self, room_id: &RoomId) -> Result<Arc<Room>> {
        match self.parts.rooms.num(room_id).await? {
            Some(room_num) => self.parts.rooms.by_num(room_num).await,
            // Whether a room exists is nobody's business who is not in it.
            None => Err(forbidden("You are not in this room.")),
        }
    }

    /// One state event.
    pub async fn state_event(
        &self,
        session: &Session,
        room_id: &RoomId,
        kind: &str,
        state_key: &str,
    ) -> Result<Arc<Stored>> {
        let room = self.room(room_id).await?;
        let view = room.view();
        // Of members alone it is not known who they are; nobody else has to wait for them.
        if view.is_partial() && kind == "m.room.member" && view.is_joined(session.user_num) {
            let user_num = match <&UserId>::try_from(state_key) {
                Ok(user_id) => self.parts.users.num(user_id).await?,
                Err(_) => None,
            };
            if user_num.is_none_or(|user_num| !view.members.contains_key(&user_num)) {
                self.parts.rooms.with_members(&room).await?;
            }
        }
        let (parts, session) = (Arc::clone(&self.parts), session.clone());
        let (kind, state_key) = (kind.to_owned(), state_key.to_owned());
        self.parts
            .store
            .read(move |snapshot| async move {
                let root = parts.visible_state(&snapshot, &room, &session).await?;
                let missing = || not_found(format!("The room has no {kind} with this state key."));
                let key_num = parts.keys.load(&snapshot, &kind, &state_key).await?.ok_or_else(missing)?;
                let event_num = parts.trees.get(&snapshot, root, key_num).await?.ok_or_else(missing)?;
                parts.events.load(&snapshot, &[event_num]).await?.into_iter().next().ok_or_else(missing)
            })
            .await
    }

    /// All state.
    pub async fn state(&self, session: &Session, room_id: &RoomId) -> Result<Listing> {
        self.state_where(session, room_id, None, None, |_| true).await
    }

    /// Member events that `wanted` picks, now or at a place in the timeline.
    pub async fn members(
        &self,
        session: &Session,
        room_id: &RoomId,
        at: Option<Position>,
        wanted: impl Fn(Membership) -> bool + Send + 'static,
    ) -> Result<Listing> {
        self.state_where(session, room_id, at, Some("m.room.member"), move |event| {
            event.pdu.membership().is_some_and(|word| wanted(Membership::parse(&word)))
        })
        .await
    }

    /// State events that `wanted` picks; if there is a `kind`, of that type only. A part of them is parsed at a time: a large room has tens of
    /// thousands.
    async fn state_where<G: Gather>(
        &self,
        session: &Session,
        room_id: &RoomId,
        at: Option<Position>,
        kind: Option<&'static str>,
        wanted: impl Fn(&Stored) -> bool + Send + 'static,
    ) -> Result<G> {
        let room = self.room(room_id).await?;
        self.with_members(session, &room).await?;
        self.learn_names(&room).await?;
        let (parts, session) = (Arc::clone(&self.parts), session.clone());
        self.parts
            .store
            .read(move |snapshot| async move {
                let mut root = parts.visible_state(&snapshot, &room, &session).await?;
                if let Some(position) = at {
                    // Whoever has left sees no later state than that of their leaving.
                    let position = position.min(parts.eyes(&snapshot, &room, &session).await?.until());
                    let next = sync_rows::state_before_next(&snapshot, room.info.room_num, position).await?;
                    root = next.unwrap_or(root);
                }
                let all = parts.trees.all(&snapshot, root).await?;
                let mut nums = match kind {
                    Some(kind) => of_kind(&snapshot, kind, &all).await?,
                    None => all.into_iter().map(|(_, event_num)| event_num).collect(),
                };
                nums.sort_unstable();
                let reader = parts.reader(&session);
                let mut gathered = G::default();
                for part in nums.chunks(PART) {
                    let mut ready = Vec::with_capacity(part.len());
                    for event in parts.load_part(&snapshot, part, nums.len()).await? {
                        if wanted(&event) {
                            ready.push(parts.presenter.with_room(&snapshot, &event, reader).await?);
                        }
                    }
                    gathered.add(ready);
                }
                Ok(gathered)
            })
            .await
    }

    /// Asks for the names of people of other cells that stand in no event, where a room is small enough to show all of them.
    async fn learn_names(&self, room: &Room) -> Result<()> {
        let view = room.view();
        if self.parts.users.localities().cells().is_none() || view.destinations.is_empty() || view.joined > NAMED {
            return Ok(());
        }
        let mut people = Vec::with_capacity(view.joined);
        for user_num in view.joined_members() {
            people.push(self.parts.users.id(user_num).await?);
        }
        self.parts.presenter.names().ask_for(people).await;
        Ok(())
    }

    /// Waits until all members of a room are known, for somebody who may see them.
    async fn with_members(&self, session: &Session, room: &Room) -> Result<()> {
        if room.view().is_joined(session.user_num) {
            self.parts.rooms.with_members(room).await?;
        }
        Ok(())
    }

    /// One event, if the reader may see it.
    pub async fn event(&self, session: &Session, room_id: &RoomId, event_id: &EventId) -> Result<Box<RawValue>> {
        let room = self.room_of_event(room_id, event_id).await?;
        let (parts, session, event_id) = (Arc::clone(&self.parts), session.clone(), event_id.to_owned());
        self.parts
            .store
            .read(move |snapshot| async move {
                let event = parts.seen(&snapshot, &room, &session, &event_id).await?;
                let mut eyes = parts.eyes(&snapshot, &room, &session).await?;
                let shown = parts.present(&snapshot, &room, &session, &mut eyes, &[event]).await?;
                shown.into_iter().next().ok_or_else(|| no_such_event(&event_id))
            })
            .await
    }
}

impl RoomReaderParts {
    /// An event of a room, if the reader may see it.
    pub async fn seen(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        session: &Session,
        event_id: &EventId,
    ) -> Result<Arc<Stored>> {
        let missing = || no_such_event(event_id);
        let event = self.events.load_by_id(snapshot, event_id).await?.ok_or_else(missing)?;
        if event.room.room_num != room.info.room_num || event.status.is_hidden() {
            return Err(missing());
        }
        let mut eyes = self.eyes(snapshot, room, session).await?;
        if eyes.sees(&self.sight(), snapshot, &event).await? { Ok(event) } else { Err(missing()) }
    }

    /// A part of `count` events. Those of a small room stay in memory, since they are asked for again.
    async fn load_part(&self, snapshot: &Snapshot, part: &[EventNum], count: usize) -> Result<Vec<Arc<Stored>>> {
        if count > PART {
            self.events.load_passing(snapshot, part).await
        } else {
            self.events.load(snapshot, part).await
        }
    }

    /// A reader's eyes.
    pub async fn eyes(&self, snapshot: &Snapshot, room: &Room, session: &Session) -> Result<Eyes> {
        Eyes::new(&self.sight(), snapshot, &room.view(), session.user_num, session.user_id.clone()).await
    }
}

/// The events of a state that are of one type.
async fn of_kind(snapshot: &Snapshot, kind: &str, state: &[(KeyNum, EventNum)]) -> Result<Vec<EventNum>> {
    let mut nums = Vec::new();
    for part in state.chunks(PART) {
        let keys = state_rows::keys_of_kind(snapshot, kind, part.iter().map(|(key_num, _)| *key_num)).await?;
        let keys: HashSet<KeyNum> = keys.into_iter().map(|(key_num, _)| key_num).collect();
        nums.extend(part.iter().filter(|(key_num, _)| keys.contains(key_num)).map(|(_, event_num)| *event_num));
    }
    Ok(nums)
}

fn no_such_event(event_id: &EventId) -> Error {
    not_found(format!("There is no event {event_id} in this room that you may see."))
}

/// Whether a direction is backwards.
pub fn is_backward(direction: Direction) -> bool {
    matches!(direction, Direction::Backward)
}

/// A state event as it stands with a content, for who wants it whole.
pub fn whole(event: &Stored, content: &RawValue) -> Result<Box<RawValue>> {
    let client = ClientEvent::with_content(&event.pdu, content);
    client.raw_with_room(&event.room.room_id, None).map_err(Error::internal)
}

/// A limit that a client named, within bounds.
pub fn bounded(limit: u64) -> Result<usize> {
    usize::try_from(limit)
        .map_err(|_| ErrorKind::InvalidParam.with("`limit` is too large.").into())
        .map(|limit| limit.min(limits::PAGE_EVENTS))
}
