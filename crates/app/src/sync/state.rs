//! The state that comes with a timeline: all of it for who sees the room for the first time, else what changed outside the timeline.

use std::{collections::HashSet, sync::Arc};

use domicile_core::ids::{EventNum, NodeNum, Position};
use domicile_store::{
    Snapshot,
    table::sync::{self as table, RoomOfUser},
};

use super::{answer::EventList, compute::Context};
use crate::{Result, events::Stored, rooms::RoomInfo};

/// What decides which state is needed.
pub(super) struct StateRequest<'a> {
    /// The user's room.
    pub(super) row: &'a RoomOfUser,
    /// Whether all of it.
    pub(super) whole: bool,
    /// What the client has seen.
    pub(super) since: Position,
    /// What it is to see.
    pub(super) upto: Position,
    /// Whether the timeline has a gap before it.
    pub(super) limited: bool,
    /// The timeline, the oldest event first.
    pub(super) timeline: &'a [Arc<Stored>],
}

/// The state events of an answer.
pub(super) async fn events(
    context: &Context<'_>,
    info: &RoomInfo,
    request: &StateRequest<'_>,
) -> Result<Vec<Arc<Stored>>> {
    if !context.state.has_room(&info.room_id) {
        return Ok(Vec::new());
    }
    let after = context.request.state_after;
    let end = match request.timeline.first() {
        Some(first) if !after => first.state_before,
        _ => state_at(&context.snapshot, request.row, request.upto).await?,
    };
    let lazy = !context.is_eager();
    let mut nums: Vec<EventNum> = if request.whole {
        context.parts.trees.all(&context.snapshot, end).await?.into_iter().map(|(_, event_num)| event_num).collect()
    } else if request.limited || after {
        let start = state_at(&context.snapshot, request.row, request.since).await?;
        let added = context.parts.trees.added(&context.snapshot, start, end).await?;
        added.into_iter().map(|(_, event_num)| event_num).collect()
    } else if request.timeline.iter().any(|event| event.graph_state.is_some()) {
        // Branches met: the state changed in more than what the timeline says.
        let start = state_at(&context.snapshot, request.row, request.since).await?;
        let now = state_at(&context.snapshot, request.row, request.upto).await?;
        let added = context.parts.trees.added(&context.snapshot, start, now).await?;
        let told: HashSet<EventNum> = request.timeline.iter().map(|event| event.event_num).collect();
        added.into_iter().map(|(_, event_num)| event_num).filter(|event_num| !told.contains(event_num)).collect()
    } else {
        Vec::new()
    };
    if lazy {
        nums = without_idle_members(context, request, end, nums).await?;
    }
    nums.sort_unstable();
    nums.dedup();
    let events = context.parts.events.load(&context.snapshot, &nums).await?;
    Ok(events.into_iter().filter(|event| context.state.has(&event.pdu)).collect())
}

/// The root of a room's state after everything up to a position.
pub(super) async fn state_at(snapshot: &Snapshot, row: &RoomOfUser, position: Position) -> Result<NodeNum> {
    if row.last_position <= position {
        return Ok(row.state_root);
    }
    let next = table::state_before_next(snapshot, row.room_num, position).await?;
    Ok(next.unwrap_or(row.state_root))
}

/// Leaves out the member events of those who say nothing in the timeline, and adds those of all who do (client-server, *Lazy-loading room
/// members*). Changes of membership since the last time stay.
async fn without_idle_members(
    context: &Context<'_>,
    request: &StateRequest<'_>,
    end: NodeNum,
    nums: Vec<EventNum>,
) -> Result<Vec<EventNum>> {
    let parts = context.parts;
    let view = parts.rooms.load(&context.snapshot, request.row.room_num).await?.view();
    let mut wanted: HashSet<EventNum> = HashSet::new();
    let mut speakers: HashSet<&ruma::UserId> = request.timeline.iter().map(|event| event.pdu.sender()).collect();
    speakers.insert(&context.session.user_id);
    for user_id in speakers {
        let key_num = parts.keys.load(&context.snapshot, "m.room.member", user_id.as_str()).await?;
        let member = match key_num {
            Some(key_num) => parts.trees.get(&context.snapshot, end, key_num).await?,
            None => None,
        };
        match member {
            None if view.is_partial() => {
                let said = request.timeline.iter().find(|event| event.pdu.sender() == user_id);
                wanted.extend(match said {
                    Some(event) => parts.events.sender_by_auth(&context.snapshot, event).await?,
                    None => None,
                });
            }
            member => wanted.extend(member),
        }
    }
    let is_member: HashSet<EventNum> =
        if request.whole { view.members.values().map(|member| member.event_num).collect() } else { HashSet::new() };
    let mut kept: Vec<EventNum> = nums.into_iter().filter(|num| !is_member.contains(num)).collect();
    // The view knows current members only; whatever older member event is left is told apart by its type.
    if request.whole {
        let events = parts.events.load(&context.snapshot, &kept).await?;
        kept = events.iter().filter(|event| event.pdu.membership().is_none()).map(|event| event.event_num).collect();
    }
    if !context.request.state_after {
        // What the timeline itself says about its speakers need not be said twice.
        let told: HashSet<EventNum> = request.timeline.iter().map(|event| event.event_num).collect();
        wanted.retain(|num| !told.contains(num));
    }
    let quiet = !request.whole && !request.limited && request.timeline.is_empty();
    if !quiet {
        kept.extend(wanted);
    }
    Ok(kept)
}

/// The events as the reader sees them.
pub(super) async fn present(context: &Context<'_>, events: &[Arc<Stored>]) -> Result<EventList> {
    let mut ready = Vec::with_capacity(events.len());
    for event in events {
        ready.push(context.parts.presenter.in_sync(&context.snapshot, event, context.reader).await?);
    }
    Ok(EventList { events: ready })
}
