//! The event of a time.
//!
//! Events stand in the order of their arrival, which is nearly that of their times, so a bisection of the timeline finds the place without an
//! index of its own that every message would have to pay for. Where clocks disagreed, the nearest within a few events around the place is the
//! answer.

use std::sync::Arc;

use domicile_core::ids::{Position, RoomNum};
use domicile_store::{Snapshot, table::events as event_rows};
use ruma::{MilliSecondsSinceUnixEpoch, OwnedEventId, RoomId, UInt, api::Direction};

use super::{
    RoomReader, RoomReaderParts,
    page::{LOOKED_AT, LOWEST},
};
use crate::{
    Result,
    accounts::Session,
    error::not_found,
    events::Stored,
    federation::{History, ServerEyes},
    rooms::{Room, visibility::Eyes},
};

/// Events around the place that are compared.
const AROUND: i64 = 64;

impl RoomReader {
    /// The event nearest to a time, before it or after it: its id and its own time.
    pub async fn event_at(
        &self,
        session: &Session,
        room_id: &RoomId,
        ts: i64,
        backward: bool,
    ) -> Result<(OwnedEventId, i64)> {
        let missing = move || {
            let which = if backward { "at or before" } else { "at or after" };
            not_found(format!("There is no event {which} {ts} in this room that you may see."))
        };
        let Some(room_num) = self.parts.rooms.num(room_id).await? else { return Err(missing()) };
        let room = self.parts.rooms.by_num(room_num).await?;
        let here = self.event_here(session, &room, ts, backward).await?;
        let is_member = room.view().is_joined(session.user_num);
        let known = here.as_deref().map(time);
        if is_member && self.may_be_nearer(&room, here.as_deref(), backward).await? {
            fetch_nearer(&self.history, &room, ts, backward, known).await?;
            if let Some(event) = self.event_here(session, &room, ts, backward).await? {
                return Ok((event.event_id().to_owned(), time(&event)));
            }
        }
        let event = here.ok_or_else(missing)?;
        Ok((event.event_id().to_owned(), time(&event)))
    }

    async fn event_here(
        &self,
        session: &Session,
        room: &Arc<Room>,
        ts: i64,
        backward: bool,
    ) -> Result<Option<Arc<Stored>>> {
        let (parts, room, session) = (Arc::clone(&self.parts), Arc::clone(room), session.clone());
        self.parts
            .store
            .read(move |snapshot| async move {
                let eyes = parts.eyes(&snapshot, &room, &session).await?;
                parts.nearest(&snapshot, &room, &mut Onlooker::User(Box::new(eyes)), ts, backward).await
            })
            .await
    }

    /// Whether what other servers have may be nearer than what was found here: it is nothing, or stands at the beginning of what is here.
    async fn may_be_nearer(&self, room: &Room, found: Option<&Stored>, backward: bool) -> Result<bool> {
        let room_num = room.info.room_num;
        let ends = self.parts.store.read(move |snapshot| async move { event_rows::ends(&snapshot, room_num).await });
        let first = ends.await?.map(|(first, _)| first);
        let at_the_edge = found.is_none_or(|event| !backward && event.position == first);
        Ok(at_the_edge && self.history.is_missing(room_num).await?)
    }
}

/// Has an event come that is nearer to a time than `known`, if another server in the room has one.
async fn fetch_nearer(history: &History, room: &Arc<Room>, ts: i64, backward: bool, known: Option<i64>) -> Result<()> {
    let Ok(wanted) = UInt::try_from(ts) else { return Ok(()) };
    let direction = if backward { Direction::Backward } else { Direction::Forward };
    let found = history.nearest(room, MilliSecondsSinceUnixEpoch(wanted), direction).await?;
    let Some((server, event_id, found_ts)) = found else { return Ok(()) };
    let distance = |known: i64| known.abs_diff(ts);
    if known.is_none_or(|known| distance(found_ts) < distance(known)) {
        history.fetch_event(room, &server, &event_id).await?;
    }
    Ok(())
}

/// Who looks for an event: somebody of ours, or another server.
pub enum Onlooker {
    /// A user.
    User(Box<Eyes>),
    /// A server.
    Server(Box<ServerEyes>),
}

impl Onlooker {
    async fn sees(&mut self, parts: &RoomReaderParts, snapshot: &Snapshot, event: &Stored) -> Result<bool> {
        match self {
            Self::User(eyes) => eyes.sees(&parts.sight(), snapshot, event).await,
            Self::Server(eyes) => eyes.sees(parts, snapshot, event).await,
        }
    }
}

fn time(event: &Stored) -> i64 {
    i64::from(event.pdu.origin_server_ts().0)
}

/// The first place whose event is not older than `ts`, as far as times grow with places.
async fn place(snapshot: &Snapshot, room_num: RoomNum, ts: i64) -> Result<Position> {
    let Some((mut low, mut high)) = event_rows::ends(snapshot, room_num).await? else { return Ok(Position::START) };
    high.0 += 1;
    while low < high {
        let middle = Position(low.0 + (high.0 - low.0) / 2);
        match event_rows::time_at(snapshot, room_num, middle).await? {
            Some((position, found)) if position < high && found < ts => low = Position(position.0 + 1),
            _ => high = middle,
        }
    }
    Ok(low)
}

impl RoomReaderParts {
    /// The event nearest to a time, before it or after it, that the onlooker may see.
    pub(crate) async fn nearest(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        eyes: &mut Onlooker,
        ts: i64,
        backward: bool,
    ) -> Result<Option<Arc<Stored>>> {
        let room_num = room.info.room_num;
        let place = place(snapshot, room_num, ts).await?;
        let highest = Position(i64::MAX);
        // A little before the place, seen in the direction of the search.
        let lead = if backward {
            event_rows::forwards(snapshot, room_num, Position(place.0 - 1), highest, AROUND / 2).await?
        } else {
            event_rows::backwards(snapshot, room_num, LOWEST, Position(place.0 - 1), AROUND / 2).await?
        };
        let lead = lead.last().and_then(|event| event.position);
        let mut at = match lead {
            Some(lead) if backward => lead,
            Some(lead) => Position(lead.0 - 1),
            None => Position(place.0 - 1),
        };
        let (mut best, mut looked): (Option<Arc<Stored>>, usize) = (None, 0);
        while looked < LOOKED_AT {
            let rows = if backward {
                event_rows::backwards(snapshot, room_num, LOWEST, at, AROUND).await?
            } else {
                event_rows::forwards(snapshot, room_num, at, highest, AROUND).await?
            };
            let Some(last) = rows.last().and_then(|row| row.position) else { break };
            at = if backward { Position(last.0 - 1) } else { last };
            looked += rows.len();
            for row in rows {
                let event = self.events.stored(snapshot, row).await?;
                let (found, known) = (time(&event), best.as_deref().map(time));
                let fits = if backward { found <= ts } else { found >= ts };
                let nearer = known.is_none_or(|known| if backward { found > known } else { found < known });
                if fits && nearer && eyes.sees(self, snapshot, &event).await? {
                    best = Some(event);
                }
            }
            if best.is_some() {
                break;
            }
        }
        Ok(best)
    }
}
