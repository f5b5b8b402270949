//! What stands around an event.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use domicile_core::ids::{EventNum, NodeNum, Position};
use domicile_store::{Snapshot, table::sync as sync_rows};
use ruma::{EventId, RoomId};
use serde_json::value::RawValue;

use super::{
    RoomReader, RoomReaderParts,
    page::{LOWEST, Walk},
    past::{Beyond, Past},
};
use crate::{
    Result,
    accounts::Session,
    events::Stored,
    rooms::{Room, visibility::Eyes},
    sync::filter::EventChoice,
};

/// How much of what stands around an event.
#[derive(Clone, Debug)]
pub struct ContextRequest {
    /// Events before it at most.
    pub before: usize,
    /// Events after it at most.
    pub after: usize,
    /// Which events, and which state.
    pub choice: EventChoice,
    /// Whether the state's member events are only those of who speaks.
    pub lazy_members: bool,
}

/// An event with what stands around it.
#[derive(Debug)]
pub struct EventContext {
    /// Events before it, the newest first.
    pub before: Vec<Box<RawValue>>,
    /// The event.
    pub event: Box<RawValue>,
    /// Events after it, the oldest first.
    pub after: Vec<Box<RawValue>>,
    /// The state after the last of them.
    pub state: Vec<Box<RawValue>>,
    /// Where it goes on backwards.
    pub start: Position,
    /// Where it goes on forwards.
    pub end: Position,
    /// Whether nothing before it is here.
    pub is_beginning: bool,
}

/// The same before it is made ready for a client.
pub(crate) struct Surroundings {
    pub(crate) before: Vec<Arc<Stored>>,
    pub(crate) after: Vec<Arc<Stored>>,
    pub(crate) start: Position,
    pub(crate) end: Position,
    /// Whether nothing before it is here.
    pub(crate) is_beginning: bool,
}

impl RoomReader {
    /// What stands around an event, as far as the reader may see it.
    pub async fn context(
        &self,
        session: &Session,
        room_id: &RoomId,
        event_id: &EventId,
        request: ContextRequest,
    ) -> Result<EventContext> {
        let room = self.room_of_event(room_id, event_id).await?;
        if !request.lazy_members {
            self.with_members(session, &room).await?;
        }
        let past = Past::new();
        loop {
            let context = self.context_here(session, &room, event_id, request.clone()).await?;
            let all_asked_for = context.before.len() >= request.before || !context.is_beginning;
            if all_asked_for || self.beyond(session, &room, &past).await? != Beyond::More {
                return Ok(context);
            }
        }
    }

    async fn context_here(
        &self,
        session: &Session,
        room: &Arc<Room>,
        event_id: &EventId,
        request: ContextRequest,
    ) -> Result<EventContext> {
        let (parts, session, event_id) = (Arc::clone(&self.parts), session.clone(), event_id.to_owned());
        let room = Arc::clone(room);
        self.parts
            .store
            .read(move |snapshot| async move {
                let event = parts.seen(&snapshot, &room, &session, &event_id).await?;
                let mut eyes = parts.eyes(&snapshot, &room, &session).await?;
                parts.context(&snapshot, &room, &session, &mut eyes, event, &request).await
            })
            .await
    }
}

impl RoomReaderParts {
    async fn context(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        session: &Session,
        eyes: &mut Eyes,
        event: Arc<Stored>,
        request: &ContextRequest,
    ) -> Result<EventContext> {
        let around = self.surroundings(snapshot, room, eyes, &event, request).await?;
        let last = around.after.last().unwrap_or(&event);
        let state = self.state_with(snapshot, room, last, &event, &around, request).await?;
        let mut all = around.before;
        let before = all.len();
        all.push(event);
        all.extend(around.after);
        let mut shown = self.present(snapshot, room, session, eyes, &all).await?;
        let after = shown.split_off(before + 1);
        let event = shown.pop().ok_or_else(|| crate::Error::internal("an event is lost"))?;
        let mut ready = Vec::with_capacity(state.len());
        for event in self.events.load(snapshot, &state).await? {
            if request.choice.has(&event.pdu) {
                ready.push(self.presenter.with_room(snapshot, &event, self.reader(session)).await?);
            }
        }
        let (start, end, is_beginning) = (around.start, around.end, around.is_beginning);
        Ok(EventContext { before: shown, event, after, state: ready, start, end, is_beginning })
    }

    /// The events around an event.
    pub(crate) async fn surroundings(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        eyes: &mut Eyes,
        event: &Stored,
        request: &ContextRequest,
    ) -> Result<Surroundings> {
        let here = event.position.unwrap_or(Position::START);
        let start = Position(here.0 - 1);
        let mut around = Surroundings { before: Vec::new(), after: Vec::new(), start, end: here, is_beginning: false };
        if request.before > 0 {
            let walk = Walk { from: around.start, to: LOWEST, backward: true, limit: request.before };
            let walked = self.walk(snapshot, room, eyes, walk, &request.choice).await?;
            let first = walked.events.last().and_then(|event| event.position);
            around.is_beginning = walked.end.is_none();
            around.start = walked.end.or(first.map(|first| Position(first.0 - 1))).unwrap_or(around.start);
            around.before = walked.events;
        }
        if request.after > 0 {
            let head = snapshot.head().await?;
            let walk = Walk { from: here, to: head, backward: false, limit: request.after };
            let walked = self.walk(snapshot, room, eyes, walk, &request.choice).await?;
            let last = walked.events.last().and_then(|event| event.position);
            around.end = walked.end.or(last).unwrap_or(here);
            around.after = walked.events;
        }
        Ok(around)
    }

    /// The state after the last event of a context.
    async fn state_with(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        last: &Stored,
        event: &Stored,
        around: &Surroundings,
        request: &ContextRequest,
    ) -> Result<Vec<EventNum>> {
        let root = self.state_after(snapshot, room, last).await?;
        let all = self.trees.all(snapshot, root).await?;
        let mut nums: Vec<EventNum> = all.into_iter().map(|(_, event_num)| event_num).collect();
        if request.lazy_members {
            let view = room.view();
            let members: HashSet<EventNum> = view.members.values().map(|member| member.event_num).collect();
            nums.retain(|num| !members.contains(num));
            // The view knows current members only; what is left of older ones is told apart by its type.
            let rest = self.events.load(snapshot, &nums).await?;
            nums = rest.iter().filter(|event| event.pdu.membership().is_none()).map(|event| event.event_num).collect();
            let speakers = around.before.iter().chain(&around.after).map(|event| event.pdu.sender().to_owned());
            let speakers: BTreeSet<_> = speakers.chain([event.pdu.sender().to_owned()]).collect();
            nums.extend(self.members_of(snapshot, root, speakers).await?);
        }
        nums.sort_unstable();
        nums.dedup();
        Ok(nums)
    }

    /// Root of the state after an event.
    pub(super) async fn state_after(&self, snapshot: &Snapshot, room: &Room, event: &Stored) -> Result<NodeNum> {
        let position = event.position.unwrap_or(Position::START);
        let next = sync_rows::state_before_next(snapshot, room.info.room_num, position).await?;
        Ok(next.unwrap_or(room.view().state_root))
    }
}
