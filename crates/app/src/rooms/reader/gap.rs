//! Gaps in the middle of timelines: where this server was not told something, or was not in the room for a while. Whoever pages back through one is
//! shown what other servers have of it, within the time that a client waits; what nobody has is passed over.

use std::sync::Arc;

use domicile_core::{
    ids::{EventNum, Position},
    limits,
};
use domicile_store::{Snapshot, table::timeline_gaps};

use super::{
    RoomReader, RoomReaderParts,
    page::{LOWEST, Page, PageRequest},
    past::Past,
};
use crate::{Result, accounts::Session, federation::history::Fetched, rooms::Room};

/// Events of a gap that are looked at for one answer at most.
const LOOKED_AT: i64 = 1_000;

/// A place within what is missing before the event at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GapPlace {
    /// The position of the event.
    pub position: Position,
    /// How many events of the gap come after the place. [`GapPlace::BEYOND`]: all of them.
    pub rank: i64,
}

impl GapPlace {
    /// The rank of the place before a gap.
    pub const BEYOND: i64 = i64::MAX;
}

/// What a gap shows.
struct Shown {
    page: Page,
    /// Whether anything of the gap was there to look at.
    any: bool,
}

impl RoomReader {
    /// A part of a room's past, which begins in a gap or behind it if the request says so.
    pub(super) async fn page_with_gaps(
        &self,
        session: &Session,
        room: &Arc<Room>,
        past: &Past,
        mut request: PageRequest,
    ) -> Result<Page> {
        if request.gap.is_none() {
            request.gap = self.gap_at(room, &request).await?;
        }
        let Some(place) = request.gap else { return self.page_here(session, room, request).await };
        if request.backward && place.rank != GapPlace::BEYOND {
            loop {
                let shown = self.gap_here(session, room, place, request.clone()).await?;
                if shown.any {
                    return Ok(shown.page);
                }
                let is_member = room.view().is_joined(session.user_num);
                if !is_member || past.left().is_zero() {
                    break;
                }
                match self.history.fetch(room, Some(place.position), past.left()).await? {
                    Fetched::More => {}
                    Fetched::NotNow | Fetched::Everything => break,
                }
            }
        }
        request.from = Some(Position(place.position.0 - i64::from(request.backward)));
        request.gap = Some(GapPlace { rank: GapPlace::BEYOND, ..place });
        self.page_here(session, room, request).await
    }

    /// The gap that lies right before where a page begins: a `prev_batch` names the place by the position alone.
    async fn gap_at(&self, room: &Arc<Room>, request: &PageRequest) -> Result<Option<GapPlace>> {
        let Some(from) = request.from.filter(|_| request.backward) else { return Ok(None) };
        let room_num = room.info.room_num;
        let read = self.parts.store.read(move |snapshot| async move {
            timeline_gaps::newest(&snapshot, room_num, from, Position(from.0.saturating_add(1))).await
        });
        Ok(read.await?.map(|position| GapPlace { position, rank: 0 }))
    }

    async fn gap_here(
        &self,
        session: &Session,
        room: &Arc<Room>,
        place: GapPlace,
        request: PageRequest,
    ) -> Result<Shown> {
        let (parts, room, session) = (Arc::clone(&self.parts), Arc::clone(room), session.clone());
        self.parts
            .store
            .read(move |snapshot| async move { parts.gap(&snapshot, &room, &session, place, &request).await })
            .await
    }
}

impl RoomReaderParts {
    /// The newest gap of a part of the timeline, if the page does not begin behind it.
    pub(super) async fn newest_gap(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        to: Position,
        request: &PageRequest,
        start: Position,
    ) -> Result<Option<Position>> {
        let upto = match request.gap {
            Some(behind) => start.min(Position(behind.position.0 - 1)),
            None => start,
        };
        Ok(timeline_gaps::newest(snapshot, room.info.room_num, to, upto).await?)
    }

    async fn gap(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        session: &Session,
        place: GapPlace,
        request: &PageRequest,
    ) -> Result<Shown> {
        let mut eyes = self.eyes(snapshot, room, session).await?;
        self.visible_state(snapshot, room, session).await?;
        let limit = request.limit.clamp(1, limits::PAGE_EVENTS);
        let choice = request.choice.clone().without(self.ignored.of(snapshot, eyes.user_num()).await?);
        let rows = timeline_gaps::events(snapshot, room.info.room_num, place.position, place.rank, LOOKED_AT).await?;
        let nums: Vec<EventNum> = rows.iter().map(|(_, event_num)| *event_num).collect();
        let (mut events, mut rank) = (Vec::new(), place.rank);
        for (event, (at, _)) in self.events.load(snapshot, &nums).await?.into_iter().zip(&rows) {
            rank = *at;
            if choice.has(&event.pdu) && eyes.sees(&self.sight(), snapshot, &event).await? {
                events.push(event);
                if events.len() == limit {
                    break;
                }
            }
        }
        let mut state = Vec::new();
        if let (true, Some(last)) = (request.lazy_members, events.last()) {
            let speakers = events.iter().map(|event| event.pdu.sender().to_owned()).collect();
            let nums = self.members_of(snapshot, last.state_by_graph(), speakers).await?;
            for event in self.events.load(snapshot, &nums).await? {
                state.push(self.presenter.with_room(snapshot, &event, self.reader(session)).await?);
            }
        }
        let events = self.present(snapshot, room, session, &mut eyes, &events).await?;
        let far = request.to.unwrap_or(LOWEST);
        let gap = Some(GapPlace { position: place.position, rank });
        Ok(Shown { page: Page { events, state, start: place.position, end: None, gap, far }, any: !rows.is_empty() })
    }
}
