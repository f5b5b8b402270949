//! Paging through a room's past.

use std::{collections::BTreeSet, sync::Arc};

use domicile_core::{
    ids::{NodeNum, Position},
    limits,
};
use domicile_store::{Snapshot, table::events as event_rows};
use ruma::{OwnedUserId, RoomId};
use serde_json::value::RawValue;

use super::{
    RoomReader, RoomReaderParts,
    gap::GapPlace,
    past::{Beyond, Past},
};
use crate::{
    Result,
    accounts::Session,
    events::{Form, Stored},
    rooms::{Room, visibility::Eyes},
    sync::filter::EventChoice,
};

/// A part of a room's past.
#[derive(Debug)]
pub struct Page {
    /// The events, in the order asked for.
    pub events: Vec<Box<RawValue>>,
    /// Member events of those who speak, if asked for.
    pub state: Vec<Box<RawValue>>,
    /// Where it began.
    pub start: Position,
    /// Where it goes on; none at the end.
    pub end: Option<Position>,
    /// The gap in which it goes on instead.
    pub gap: Option<GapPlace>,
    /// The far side of what was asked for: what lies before it was looked at, where there is no `end`.
    pub far: Position,
}

/// Which part of a room's past.
#[derive(Clone, Debug)]
pub struct PageRequest {
    /// Where from; none is the newest end backwards, the oldest forwards.
    pub from: Option<Position>,
    /// The gap from which it goes on, instead of `from`.
    pub gap: Option<GapPlace>,
    /// Where to.
    pub to: Option<Position>,
    /// Which way.
    pub backward: bool,
    /// Events at most.
    pub limit: usize,
    /// Which events.
    pub choice: EventChoice,
    /// Whether to add the member events of those who speak.
    pub lazy_members: bool,
}

/// Events that a walk found.
pub(crate) struct Walked {
    /// The events, in the order asked for.
    pub(crate) events: Vec<Arc<Stored>>,
    /// Where it goes on; none at the end.
    pub(crate) end: Option<Position>,
}

/// Where a walk goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk {
    /// From here: what lies before or after it.
    pub(crate) from: Position,
    /// To here.
    pub(crate) to: Position,
    /// Which way.
    pub(crate) backward: bool,
    /// Events at most.
    pub(crate) limit: usize,
}

/// The position before everything, history that was fetched later included.
pub(super) const LOWEST: Position = Position(i64::MIN);
/// Events that are looked at for one answer at most: what a filter or the past hides does not count towards its limit.
pub(super) const LOOKED_AT: usize = 10 * limits::PAGE_EVENTS;

impl RoomReader {
    /// A part of a room's past.
    pub async fn page(&self, session: &Session, room_id: &RoomId, mut request: PageRequest) -> Result<Page> {
        // A place that another cell named is none here: paging begins anew, at the end where it would have begun there.
        request.from = request.from.filter(|from| self.parts.spans.is_own(*from));
        request.to = request.to.filter(|to| self.parts.spans.is_own(*to));
        let room = self.room(room_id).await?;
        let past = Past::new();
        let mut page = self.page_with_gaps(session, &room, &past, request.clone()).await?;
        if page.gap.is_some() {
            return Ok(page);
        }
        // Whoever comes to the beginning of what is here, and wants more, gets what others have.
        while request.backward
            && request.to.is_none()
            && page.end.is_none()
            && page.gap.is_none()
            && page.events.len() < request.limit
        {
            match self.beyond(session, &room, &past).await? {
                Beyond::More => page = self.page_with_gaps(session, &room, &past, request.clone()).await?,
                Beyond::Later(place) => page.end = Some(place),
                Beyond::Nothing => break,
            }
        }
        Ok(page)
    }

    pub(super) async fn page_here(&self, session: &Session, room: &Arc<Room>, request: PageRequest) -> Result<Page> {
        let (parts, room, session) = (Arc::clone(&self.parts), Arc::clone(room), session.clone());
        self.parts
            .store
            .read(move |snapshot| async move { parts.page(&snapshot, &room, &session, request).await })
            .await
    }
}

impl RoomReaderParts {
    pub(super) async fn page(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        session: &Session,
        request: PageRequest,
    ) -> Result<Page> {
        let head = snapshot.head().await?;
        let mut eyes = self.eyes(snapshot, room, session).await?;
        // Whoever sees neither present nor past is told so instead of being shown an empty room.
        self.visible_state(snapshot, room, session).await?;
        let start = request.from.unwrap_or(if request.backward { head } else { LOWEST });
        let to = request.to.unwrap_or(if request.backward { LOWEST } else { head });
        let limit = request.limit.clamp(1, limits::PAGE_EVENTS);
        let newest_gap =
            if request.backward { self.newest_gap(snapshot, room, to, &request, start).await? } else { None };
        // What is missing comes before anything older.
        let bound = newest_gap.map_or(to, |gap| Position(gap.0 - 1));
        let walk = Walk { from: start, to: bound, backward: request.backward, limit };
        let walked = self.walk(snapshot, room, &mut eyes, walk, &request.choice).await?;
        let gap = newest_gap.filter(|gap| walked.end.is_none_or(|end| end.0 < gap.0));
        let mut state = Vec::new();
        if let (true, Some(last)) = (request.lazy_members, walked.events.last()) {
            let speakers = walked.events.iter().map(|event| event.pdu.sender().to_owned()).collect();
            let mut nums = self.members_of(snapshot, last.state_before, speakers).await?;
            if room.view().is_partial() && nums.is_empty() {
                for event in &walked.events {
                    nums.extend(self.events.sender_by_auth(snapshot, event).await?);
                }
                nums.sort_unstable();
                nums.dedup();
            }
            for event in self.events.load(snapshot, &nums).await? {
                state.push(self.presenter.with_room(snapshot, &event, self.reader(session)).await?);
            }
        }
        let events = self.present(snapshot, room, session, &mut eyes, &walked.events).await?;
        let gap = gap.map(|position| GapPlace { position, rank: 0 });
        let end = if gap.is_some() { None } else { walked.end };
        Ok(Page { events, state, start, end, gap, far: to })
    }

    /// The events of a part of a room's timeline that the reader sees and `choice` has.
    pub(crate) async fn walk(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        eyes: &mut Eyes,
        walk: Walk,
        choice: &EventChoice,
    ) -> Result<Walked> {
        let Walk { from: mut at, to, backward, limit } = walk;
        let choice = choice.clone().without(self.ignored.of(snapshot, eyes.user_num()).await?);
        let (mut events, mut end, mut looked) = (Vec::new(), None, 0);
        while events.len() < limit && looked < LOOKED_AT {
            let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
            let found = if backward {
                event_rows::backwards(snapshot, room.info.room_num, to, at, rows).await?
            } else {
                event_rows::forwards(snapshot, room.info.room_num, at, to, rows).await?
            };
            let more = found.len() > limit;
            end = None;
            for row in found.into_iter().take(limit) {
                looked += 1;
                let event = self.events.stored(snapshot, row).await?;
                let position = event.position.unwrap_or(at);
                at = if backward { Position(position.0 - 1) } else { position };
                end = Some(at);
                if choice.has(&event.pdu) && eyes.sees(&self.sight(), snapshot, &event).await? {
                    events.push(event);
                    if events.len() == limit {
                        break;
                    }
                }
            }
            if !more {
                if events.len() < limit {
                    end = None;
                }
                break;
            }
        }
        Ok(Walked { events, end })
    }

    /// Events of one room as the reader sees them, with what there is to tell about their children.
    pub(crate) async fn present(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        session: &Session,
        eyes: &mut Eyes,
        events: &[Arc<Stored>],
    ) -> Result<Vec<Box<RawValue>>> {
        let bundles = if room.view().has_relations {
            self.presenter.bundles(snapshot, eyes, events).await?
        } else {
            crate::events::Bundles::default()
        };
        let how = (self.reader(session), Form::WithRoom);
        let mut ready = Vec::with_capacity(events.len());
        for event in events {
            ready.push(self.presenter.bundled(snapshot, event, how, &bundles).await?);
        }
        Ok(ready)
    }

    /// The member events of users in a state.
    pub(crate) async fn members_of(
        &self,
        snapshot: &Snapshot,
        root: NodeNum,
        users: BTreeSet<OwnedUserId>,
    ) -> Result<Vec<domicile_core::ids::EventNum>> {
        let mut nums = Vec::with_capacity(users.len());
        for user_id in users {
            if let Some(key_num) = self.keys.load(snapshot, "m.room.member", user_id.as_str()).await? {
                nums.extend(self.trees.get(snapshot, root, key_num).await?);
            }
        }
        Ok(nums)
    }
}
