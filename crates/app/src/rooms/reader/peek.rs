//! Looking into a room from outside: what it is now, and what happens in it from now on.

use std::time::Duration;

use domicile_core::ids::Position;
use domicile_store::table::account_data;
use ruma::{EventId, RoomId};
use serde_json::value::RawValue;

use super::{PageRequest, RoomReader, no_such_event, page::LOWEST};
use crate::{Result, accounts::Session, rooms::Membership, sync::filter::EventChoice};

/// Events that are shown of a room at once.
const EVENTS: usize = 20;
/// Events that one answer of the stream carries.
const STREAMED: usize = 100;
/// How often a room in memory is asked whether anything is new in it. Whoever is no member is not woken.
const PAUSE: Duration = Duration::from_millis(200);

/// A room as somebody sees it who looks into it.
#[derive(Debug)]
pub struct Peeked {
    /// Their membership, if they ever had one.
    pub membership: Option<Membership>,
    /// Whether the room is in the public directory.
    pub is_public: bool,
    /// The last events, the oldest first.
    pub events: Vec<Box<RawValue>>,
    /// Where it goes on backwards; none at the beginning.
    pub start: Option<Position>,
    /// Where it goes on forwards.
    pub end: Position,
    /// The state.
    pub state: Vec<Box<RawValue>>,
    /// The reader's own data about the room: type and content.
    pub account_data: Vec<(String, String)>,
}

/// Events of one room.
#[derive(Debug)]
pub struct Streamed {
    /// Where they begin.
    pub start: Position,
    /// Where it goes on.
    pub end: Position,
    /// The events.
    pub events: Vec<Box<RawValue>>,
}

impl RoomReader {
    /// A room at once.
    pub async fn peek(&self, session: &Session, room_id: &RoomId) -> Result<Peeked> {
        let room = self.room(room_id).await?;
        let state = self.state_where(session, room_id, None, None, |_| true).await?;
        let mut page = self.page(session, room_id, all(None, EVENTS, true)).await?;
        page.events.reverse();
        let (room_num, user_num) = (room.info.room_num, session.user_num);
        let account_data = self
            .parts
            .store
            .read(move |snapshot| async move { account_data::of_room(&snapshot, user_num, room_num).await })
            .await?;
        let view = room.view();
        Ok(Peeked {
            membership: view.members.get(&user_num).map(|member| member.membership),
            is_public: view.is_public,
            events: page.events,
            start: page.end,
            end: page.start,
            state,
            account_data,
        })
    }

    /// New events of one room, for members and others who may read it; waits for some as long as `timeout`.
    pub async fn stream(
        &self,
        session: &Session,
        room_id: &RoomId,
        from: Option<Position>,
        timeout: Duration,
    ) -> Result<Streamed> {
        let deadline = tokio::time::Instant::now() + timeout;
        let room = self.room(room_id).await?;
        let start = match from {
            Some(from) => from,
            None => self.parts.store.read(|snapshot| async move { snapshot.head().await }).await?,
        };
        let (mut at, mut ended) = (start, false);
        loop {
            let page = self.page(session, room_id, all(Some(at), STREAMED, false)).await?;
            at = page.end.unwrap_or(page.far).max(at);
            if !page.events.is_empty() || ended {
                return Ok(Streamed { start, end: at, events: page.events });
            }
            while !ended && room.view().last_position <= at {
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => ended = tokio::time::Instant::now() >= deadline,
                    () = self.parts.stopping.cancelled() => ended = true,
                }
            }
        }
    }

    /// One event of any room, if the reader may see it.
    pub async fn event_anywhere(&self, session: &Session, event_id: &EventId) -> Result<Box<RawValue>> {
        let event = self.parts.events.by_id(event_id).await?.ok_or_else(|| no_such_event(event_id))?;
        self.event(session, &event.room.room_id, event_id).await
    }
}

fn all(from: Option<Position>, limit: usize, backward: bool) -> PageRequest {
    let to = backward.then_some(LOWEST);
    PageRequest { from, gap: None, to, backward, limit, choice: EventChoice::default(), lazy_members: false }
}
