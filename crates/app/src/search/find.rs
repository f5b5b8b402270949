//! Which events a search finds.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};

use domicile_core::ids::{EventNum, RoomNum};
use domicile_room::words;
use domicile_store::{
    Snapshot,
    table::{memberships, search},
};

use super::{CANDIDATES, Cursor, SearchRequest, query};
use crate::{
    Result,
    account_data::ignored::ignored,
    accounts::Session,
    events::Stored,
    rooms::{Membership, Room, reader::RoomReaderParts, visibility::Eyes},
};

/// Rooms that are named in one query.
const ROOMS: usize = 500;

/// An event that was found.
pub(super) struct Hit {
    pub(super) event: Arc<Stored>,
    pub(super) room: Arc<Room>,
    pub(super) rank: f64,
}

/// How many there are, and where it goes on.
pub(super) struct Outcome {
    pub(super) count: usize,
    pub(super) next: Option<Cursor>,
}

/// One search in one snapshot.
pub(super) struct Seeker<'a> {
    parts: &'a RoomReaderParts,
    snapshot: &'a Snapshot,
    session: &'a Session,
    request: &'a SearchRequest,
    words: &'a [String],
}

impl<'a> Seeker<'a> {
    pub(super) fn new(
        parts: &'a RoomReaderParts,
        snapshot: &'a Snapshot,
        session: &'a Session,
        request: &'a SearchRequest,
        words: &'a [String],
    ) -> Self {
        Self { parts, snapshot, session, request, words }
    }

    /// The results of one answer in their order.
    pub(super) async fn find(&self) -> Result<(Vec<Hit>, Outcome)> {
        let from = self.request.from.unwrap_or(Cursor { below: EventNum(i64::MAX), given: 0 });
        let rooms = self.rooms().await?;
        let candidates = self.candidates(&rooms, from.below).await?;
        let all_seen = candidates.len() < CANDIDATES;
        let mut hits = self.visible(&candidates).await?;
        let limit = self.request.limit;
        if self.request.by_rank {
            // The newest candidates are ranked as a whole, whichever part of them is told.
            let count = hits.len();
            hits.sort_by(|a, b| b.rank.total_cmp(&a.rank).then(b.event.event_num.cmp(&a.event.event_num)));
            let hits: Vec<Hit> = hits.into_iter().skip(from.given).take(limit).collect();
            let given = from.given + hits.len();
            // What is written from now on does not move the places of what is left.
            let newest = candidates.first().map_or(from.below, |num| EventNum(num.0 + 1));
            let next = (given < count && !hits.is_empty()).then_some(Cursor { below: newest, given });
            return Ok((hits, Outcome { count, next }));
        }
        let count = from.given + hits.len();
        let more = hits.len() > limit;
        hits.truncate(limit);
        let given = from.given + hits.len();
        let below = match hits.last() {
            Some(last) if more => Some(last.event.event_num),
            _ if all_seen => None,
            _ => candidates.last().copied(),
        };
        Ok((hits, Outcome { count, next: below.map(|below| Cursor { below, given }) }))
    }

    /// The rooms that are searched: those that the user is or was in.
    async fn rooms(&self) -> Result<Vec<RoomNum>> {
        let mut rooms = Vec::new();
        for row in memberships::of_user(self.snapshot, self.session.user_num).await? {
            let membership = Membership::parse(&row.membership);
            if !matches!(membership, Membership::Join | Membership::Leave | Membership::Ban) {
                continue;
            }
            let info = self.parts.events.room_info(self.snapshot, row.room_num).await?;
            if self.request.choice.has_room(&info.room_id) {
                rooms.push(row.room_num);
            }
        }
        Ok(rooms)
    }

    /// The newest events of the rooms that have the words.
    async fn candidates(&self, rooms: &[RoomNum], below: EventNum) -> Result<Vec<EventNum>> {
        let mut found = Vec::new();
        let limit = i64::try_from(CANDIDATES).unwrap_or(i64::MAX);
        for rooms in rooms.chunks(ROOMS) {
            let rooms: Vec<i64> = rooms.iter().map(|room_num| room_num.0).collect();
            let query = query(self.words, &self.request.fields, &rooms);
            found.extend(search::matching(self.snapshot, &query, below, limit).await?);
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.truncate(CANDIDATES);
        Ok(found)
    }

    /// Those of them that the user may see and the filter has.
    async fn visible(&self, candidates: &[EventNum]) -> Result<Vec<Hit>> {
        let ignored: HashSet<_> = ignored(self.snapshot, self.session.user_num).await?.into_iter().collect();
        let mut rooms: HashMap<RoomNum, (Arc<Room>, Eyes)> = HashMap::new();
        let mut hits = Vec::new();
        for event in self.parts.events.load(self.snapshot, candidates).await? {
            let room_num = event.room.room_num;
            if ignored.contains(&event.sender_num) || !self.request.choice.has(&event.pdu) {
                continue;
            }
            let (room, eyes) = match rooms.entry(room_num) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let room = self.parts.rooms.load(self.snapshot, room_num).await?;
                    let eyes = self.parts.eyes(self.snapshot, &room, self.session).await?;
                    place.insert((room, eyes))
                }
            };
            // A room that was encrypted later is searched no more.
            if room.view().facts.encrypted || !eyes.sees(&self.parts.sight(), self.snapshot, &event).await? {
                continue;
            }
            // The index is no proof: an event that does not have the words is no result.
            let Some((field, text)) = words::searchable(&event.pdu) else { continue };
            if self.request.fields.contains(&field) {
                let rank = words::rank(&text, self.words);
                hits.push(Hit { event, room: Arc::clone(room), rank });
            }
        }
        Ok(hits)
    }
}
