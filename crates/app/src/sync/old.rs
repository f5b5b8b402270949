//! What clients asked for before there was `/sync`: a stream of events, and everything at once. Both are made from what `/sync` answers.

use std::{sync::Arc, time::Duration};

use domicile_store::table::memberships;
use ruma::{OwnedRoomId, RoomId, UInt, api::client::filter::FilterDefinition, presence::PresenceState};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    Sync, SyncAnswer, SyncRequest, SyncToken,
    answer::{EventList, Ready, Timeline},
};
use crate::{Error, Result, accounts::Session, rooms::Membership};

/// Events of a room in one answer of the stream.
const EVENTS: u32 = 500;

/// A part of the stream.
#[derive(Debug, Serialize)]
pub struct Listened {
    /// Where it began.
    pub start: String,
    /// Where it goes on.
    pub end: String,
    /// The events.
    pub chunk: Vec<Ready>,
}

/// Everything at once.
#[derive(Debug, Serialize)]
pub struct Everything {
    /// Where the stream goes on.
    pub end: String,
    /// Presence of others.
    pub presence: Vec<Ready>,
    /// The user's own data.
    pub account_data: Vec<Ready>,
    /// The user's rooms.
    pub rooms: Vec<RoomAtOnce>,
}

/// A room at once.
#[derive(Debug, Serialize)]
pub struct RoomAtOnce {
    /// The room.
    pub room_id: OwnedRoomId,
    /// The user's membership.
    pub membership: &'static str,
    /// The end of the timeline.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages: Option<Messages>,
    /// The state.
    pub state: Vec<Ready>,
    /// The member event that invites the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite: Option<Ready>,
    /// Whether the room is in the public directory.
    pub visibility: &'static str,
    /// The user's own data about the room.
    pub account_data: Vec<Ready>,
}

/// The end of a timeline.
#[derive(Debug, Serialize)]
pub struct Messages {
    /// Where `/messages` goes on backwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Where it goes on forwards.
    pub end: String,
    /// The events, the oldest first.
    pub chunk: Vec<Ready>,
}

impl Sync {
    /// New events of all of a user's rooms; waits for some as long as `timeout`. The device's inbox stays as it is.
    pub async fn listen(&self, session: &Session, from: Option<SyncToken>, timeout: Duration) -> Result<Listened> {
        let deadline = tokio::time::Instant::now() + timeout;
        let waiting = self.parts.wakers.park(session.user_num);
        let start = match from {
            Some(from) => from,
            None => self.now().await?,
        };
        let session = Arc::new(session.clone());
        let mut filter = FilterDefinition::default();
        filter.room.timeline.limit = Some(UInt::from(EVENTS));
        let filter = Arc::new(filter);
        let (mut since, mut ended) = (start, timeout.is_zero());
        loop {
            let mut woken = std::pin::pin!(waiting.woken());
            woken.as_mut().enable();
            let request = SyncRequest {
                since: Some(since),
                filter: Arc::clone(&filter),
                full_state: false,
                state_after: false,
                timeout: Duration::ZERO,
                set_presence: PresenceState::Offline,
            };
            let answer = Box::pin(self.compute(&session, &Arc::new(request))).await?;
            since = answer.next_batch.parse()?;
            let chunk = chunk(answer)?;
            if ended || !chunk.is_empty() || self.parts.stopping.is_cancelled() {
                return Ok(Listened { start: start.to_string(), end: since.to_string(), chunk });
            }
            tokio::select! {
                () = woken => {}
                () = self.parts.stopping.cancelled() => {}
                () = tokio::time::sleep_until(deadline) => ended = true,
            }
        }
    }

    /// The end of the stream.
    async fn now(&self) -> Result<SyncToken> {
        let typing = self.parts.typing.head();
        let presence = self.parts.presence.head().number;
        let position = self.parts.store.read(|snapshot| async move { snapshot.head().await }).await?;
        Ok(SyncToken { position, typing, presence })
    }

    /// All of a user's rooms with the last `limit` events of each; `archived` adds those that they have left.
    pub async fn everything(&self, session: &Session, limit: UInt, archived: bool) -> Result<Everything> {
        let mut filter = FilterDefinition::default();
        filter.room.timeline.limit = Some(limit);
        filter.room.include_leave = archived;
        let request = SyncRequest {
            since: None,
            filter: Arc::new(filter),
            full_state: false,
            state_after: true,
            timeout: Duration::ZERO,
            set_presence: PresenceState::Offline,
        };
        let session = Arc::new(session.clone());
        let answer = Box::pin(self.compute(&session, &Arc::new(request))).await?;
        let end = answer.next_batch.clone();
        let mut rooms = Vec::new();
        for (room_id, joined) in answer.rooms.join {
            let messages = Some(messages(&room_id, joined.timeline, end.clone())?);
            let room = self.at_once(room_id, "join", messages, joined.state_after, joined.account_data).await?;
            rooms.push(room);
        }
        for (room_id, _) in answer.rooms.invite {
            let mut room = self.at_once(room_id, "invite", None, None, EventList::default()).await?;
            room.invite = self.own_member_event(&session, &room.room_id).await?;
            rooms.push(room);
        }
        for (room_id, left) in answer.rooms.leave {
            let word = self.membership(&session, &room_id).await?.as_str();
            let messages = Some(messages(&room_id, left.timeline, end.clone())?);
            rooms.push(self.at_once(room_id, word, messages, left.state_after, left.account_data).await?);
        }
        let (presence, account_data) = (answer.presence.events, answer.account_data.events);
        Ok(Everything { end, presence, account_data, rooms })
    }

    async fn at_once(
        &self,
        room_id: OwnedRoomId,
        membership: &'static str,
        messages: Option<Messages>,
        state: Option<EventList>,
        account_data: EventList,
    ) -> Result<RoomAtOnce> {
        let room = self.parts.rooms.get(&room_id).await?;
        let state = state.unwrap_or_default().events;
        Ok(RoomAtOnce {
            membership,
            messages,
            state: state.iter().map(|event| in_room(event, &room_id)).collect::<Result<_>>()?,
            invite: None,
            visibility: if room.view().is_public { "public" } else { "private" },
            account_data: account_data.events,
            room_id,
        })
    }

    async fn membership(&self, session: &Session, room_id: &RoomId) -> Result<Membership> {
        Ok(self.parts.rooms.get(room_id).await?.view().membership(session.user_num))
    }

    /// A user's own member event in a room.
    async fn own_member_event(&self, session: &Session, room_id: &RoomId) -> Result<Option<Ready>> {
        let Some(room_num) = self.parts.rooms.num(room_id).await? else { return Ok(None) };
        let (parts, user_num) = (Arc::clone(&self.parts), session.user_num);
        self.parts
            .store
            .read(move |snapshot| async move {
                let Some(row) = memberships::one(&snapshot, user_num, room_num).await? else { return Ok(None) };
                let event = parts.events.load(&snapshot, &[row.event_num]).await?.into_iter().next();
                event
                    .map(|event| event.client.raw_with_room(&event.room.room_id, None).map_err(Error::internal))
                    .transpose()
            })
            .await
    }
}

fn messages(room_id: &RoomId, timeline: Timeline, end: String) -> Result<Messages> {
    let chunk = timeline.events.iter().map(|event| in_room(event, room_id)).collect::<Result<_>>()?;
    Ok(Messages { start: timeline.prev_batch, end, chunk })
}

/// The events of an answer in one list, each with its room.
fn chunk(answer: SyncAnswer) -> Result<Vec<Ready>> {
    let mut chunk = answer.presence.events;
    for (room_id, room) in answer.rooms.join {
        for event in room.timeline.events.iter().chain(&room.ephemeral.events) {
            chunk.push(in_room(event, &room_id)?);
        }
    }
    for (room_id, room) in answer.rooms.leave {
        for event in &room.timeline.events {
            chunk.push(in_room(event, &room_id)?);
        }
    }
    for (room_id, room) in answer.rooms.invite {
        // The last of the stripped state is the user's own member event.
        if let Some(event) = room.invite_state.events.last() {
            chunk.push(in_room(event, &room_id)?);
        }
    }
    Ok(chunk)
}

/// An event of `/sync` with its room, as everything else has it.
fn in_room(event: &RawValue, room_id: &RoomId) -> Result<Ready> {
    let rest = event.get().strip_prefix('{').unwrap_or_default();
    let room_id = serde_json::Value::from(room_id.as_str());
    RawValue::from_string(format!("{{\"room_id\":{room_id},{rest}")).map_err(Error::internal)
}
