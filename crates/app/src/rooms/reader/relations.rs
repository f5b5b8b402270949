//! The children of an event.

use std::{collections::HashSet, sync::Arc};

use domicile_core::ids::{EventNum, Position};
use domicile_store::{
    Snapshot, event_id,
    table::relations::{self, Children},
};
use ruma::{EventId, RoomId};
use serde_json::value::RawValue;

use super::{
    RoomReader, RoomReaderParts,
    page::{LOOKED_AT, LOWEST},
};
use crate::{
    Result,
    accounts::Session,
    events::Stored,
    rooms::{Room, visibility::Eyes},
};

/// How many relations are followed from an event to those that point at it indirectly.
pub const DEPTH: u32 = 3;

/// Which children of an event.
#[derive(Clone, Debug)]
pub struct RelationsRequest {
    /// Only those that point in this way; empty for all.
    pub rel_type: String,
    /// Only those of this type; empty for all.
    pub kind: String,
    /// Where from; none is the newest end backwards, the oldest forwards.
    pub from: Option<Position>,
    /// Where to.
    pub to: Option<Position>,
    /// Which way.
    pub backward: bool,
    /// Events at most.
    pub limit: usize,
    /// Whether those that point at children count as children.
    pub recurse: bool,
}

/// Children of an event.
#[derive(Debug)]
pub struct RelationsPage {
    /// The events, in the order asked for.
    pub events: Vec<Box<RawValue>>,
    /// Where it goes on; none at the end.
    pub end: Option<Position>,
}

impl RoomReader {
    /// Children of an event, as far as the reader may see them.
    pub async fn relations(
        &self,
        session: &Session,
        room_id: &RoomId,
        event_id: &EventId,
        request: RelationsRequest,
    ) -> Result<RelationsPage> {
        let room = self.room_of_event(room_id, event_id).await?;
        let (parts, session, event_id) = (Arc::clone(&self.parts), session.clone(), event_id.to_owned());
        self.parts
            .store
            .read(move |snapshot| async move {
                let parent = parts.seen(&snapshot, &room, &session, &event_id).await?;
                let mut eyes = parts.eyes(&snapshot, &room, &session).await?;
                let (found, end) = parts.children(&snapshot, &room, &mut eyes, &parent, &request).await?;
                let events = parts.present(&snapshot, &room, &session, &mut eyes, &found).await?;
                Ok(RelationsPage { events, end })
            })
            .await
    }
}

impl RoomReaderParts {
    async fn children(
        &self,
        snapshot: &Snapshot,
        room: &Room,
        eyes: &mut Eyes,
        parent: &Stored,
        request: &RelationsRequest,
    ) -> Result<(Vec<Arc<Stored>>, Option<Position>)> {
        let highest = Position(i64::MAX);
        let (mut after, mut upto) = if request.backward {
            (request.to.unwrap_or(LOWEST), request.from.unwrap_or(highest))
        } else {
            (request.from.unwrap_or(LOWEST), request.to.unwrap_or(highest))
        };
        let wanted = Children {
            room_num: room.info.room_num,
            parent: event_id::to_bytes(parent.event_id()),
            rel_type: &request.rel_type,
            kind: &request.kind,
        };
        let mut all = if request.recurse { Some(descendants(snapshot, &wanted).await?) } else { None };
        let (mut events, mut end, mut looked) = (Vec::new(), None, 0);
        while events.len() < request.limit && looked < LOOKED_AT {
            let limit = request.limit + 1;
            let found = if let Some(all) = &mut all {
                all.retain(|(_, position)| *position > after && *position <= upto);
                all.sort_unstable_by_key(|(_, position)| if request.backward { -position.0 } else { position.0 });
                all.iter().take(limit).copied().collect()
            } else {
                let rows = i64::try_from(limit).unwrap_or(i64::MAX);
                relations::children(snapshot, &wanted, (after, upto), request.backward, rows).await?
            };
            let more = found.len() > request.limit;
            let nums: Vec<EventNum> = found.iter().take(request.limit).map(|(num, _)| *num).collect();
            looked += nums.len();
            end = None;
            for event in self.events.load(snapshot, &nums).await? {
                let position = event.position.unwrap_or(highest);
                if request.backward {
                    upto = Position(position.0 - 1);
                    end = Some(upto);
                } else {
                    after = position;
                    end = Some(after);
                }
                if eyes.sees(&self.sight(), snapshot, &event).await? {
                    events.push(event);
                    if events.len() == request.limit {
                        break;
                    }
                }
            }
            if !more {
                // Everything that there was has been looked at, unless the limit was met before.
                let last = found.last().map(|(_, position)| if request.backward { position.0 - 1 } else { position.0 });
                if end.map(|end| end.0) == last {
                    end = None;
                }
                break;
            }
        }
        Ok((events, end))
    }
}

/// Everything that points at an event, directly or over others, down to [`DEPTH`]. Events whose only way there leads over one that the
/// filter does not have are not in it (client-server, *Relationships API*).
async fn descendants(snapshot: &Snapshot, wanted: &Children<'_>) -> Result<Vec<(EventNum, Position)>> {
    let rows = |known: usize| i64::try_from(LOOKED_AT.saturating_sub(known)).unwrap_or(i64::MAX);
    let range = (LOWEST, Position(i64::MAX));
    let mut all = relations::children(snapshot, wanted, range, true, rows(0)).await?;
    let mut known: HashSet<EventNum> = all.iter().map(|(num, _)| *num).collect();
    let mut level: Vec<EventNum> = known.iter().copied().collect();
    for _ in 1..DEPTH {
        if level.is_empty() || rows(all.len()) == 0 {
            break;
        }
        let choice = (wanted.rel_type, wanted.kind);
        let mut next = relations::children_of(snapshot, level, choice, rows(all.len())).await?;
        next.retain(|(num, _)| known.insert(*num));
        level = next.iter().map(|(num, _)| *num).collect();
        all.extend(next);
    }
    Ok(all)
}
