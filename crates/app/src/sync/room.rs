//! A room in an answer: timeline, state, who is there, what passes.

use std::{collections::HashSet, sync::Arc};

use domicile_core::ids::{Position, UserNum};
use domicile_store::table::{events as event_rows, receipts, sync::RoomOfUser};
use serde_json::{Value, json, value::RawValue};

use super::{
    answer::{EventList, JoinedRoom, LeftRoom, Ready, Summary, Timeline},
    compute::Context,
    state::{self, StateRequest},
    token::timeline_token,
};
use crate::{
    Error, Result,
    events::Stored,
    rooms::{Membership, RoomInfo, RoomView},
};

/// Events of a timeline when the filter does not say.
const DEFAULT_LIMIT: u64 = 10;
/// Events of a timeline at most.
const LARGEST_LIMIT: u64 = 500;
/// Members whose names stand for a room's.
const HEROES: usize = 5;

/// The events of a timeline, the oldest first, and whether more of them were before.
struct Cut {
    events: Vec<Arc<Stored>>,
    limited: bool,
}

pub(super) async fn joined(
    context: &Context<'_>,
    info: &Arc<RoomInfo>,
    row: &RoomOfUser,
    account_data: Vec<Ready>,
) -> Result<Option<JoinedRoom>> {
    let fresh = context.request.since.is_none() || row.turned_position > context.since;
    let whole = fresh || context.request.full_state;
    let from = if fresh { Position::START } else { context.since };
    let upto = context.upto;
    let cut = if row.last_position > from { cut(context, row, from, upto).await? } else { Cut::none() };
    let limited = cut.limited || (fresh && context.request.since.is_some());
    let request = StateRequest { row, whole, since: from, upto, limited, timeline: &cut.events };
    let state = state::events(context, info, &request).await?;
    let view = context.parts.rooms.load(&context.snapshot, row.room_num).await?.view();
    let members_changed = whole || cut.events.iter().chain(&state).any(|event| event.pdu.membership().is_some());
    let mut room = JoinedRoom {
        summary: if members_changed { summary(context, &view).await? } else { Summary::default() },
        timeline: timeline(context, &cut, limited, from).await?,
        ephemeral: ephemeral(context, info, row, fresh).await?,
        account_data: EventList { events: account_data },
        unread_notifications: super::answer::Unread::default(),
        ..JoinedRoom::default()
    };
    let state = state::present(context, &state).await?;
    if context.request.state_after {
        room.state_after = Some(state);
    } else {
        room.state = Some(state);
    }
    let nothing = room.timeline.events.is_empty()
        && !limited
        && room.state.as_ref().is_none_or(EventList::is_empty)
        && room.state_after.as_ref().is_none_or(EventList::is_empty)
        && room.ephemeral.is_empty()
        && room.account_data.is_empty();
    Ok((!nothing).then_some(room))
}

pub(super) async fn left(
    context: &Context<'_>,
    info: &Arc<RoomInfo>,
    row: &RoomOfUser,
    account_data: Vec<Ready>,
) -> Result<Option<LeftRoom>> {
    // Whoever left between two syncs sees the room up to their leaving and nothing after it.
    let upto = row.position.min(context.upto);
    let was_joined = row.turned_position == row.position;
    let from = match (context.request.since, was_joined) {
        (Some(_), true) => context.since,
        _ => Position(upto.0 - 1),
    };
    let cut = cut(context, row, from, upto).await?;
    let limited = cut.limited;
    let state = if was_joined {
        let whole = context.request.full_state || context.request.since.is_none();
        let request = StateRequest { row, whole, since: from, upto, limited, timeline: &cut.events };
        state::events(context, info, &request).await?
    } else {
        Vec::new()
    };
    let mut room = LeftRoom {
        timeline: timeline(context, &cut, limited, from).await?,
        account_data: EventList { events: account_data },
        ..LeftRoom::default()
    };
    let state = state::present(context, &state).await?;
    if context.request.state_after {
        room.state_after = Some(state);
    } else {
        room.state = Some(state);
    }
    Ok(Some(room))
}

impl Cut {
    fn none() -> Self {
        Self { events: Vec::new(), limited: false }
    }
}

/// The last events of a room with `from < position <= upto` that the filter chooses.
async fn cut(context: &Context<'_>, row: &RoomOfUser, from: Position, upto: Position) -> Result<Cut> {
    if !context.timeline.has_room(&context.parts.events.room_info(&context.snapshot, row.room_num).await?.room_id) {
        return Ok(Cut::none());
    }
    let limit = context.request.filter.room.timeline.limit.map_or(DEFAULT_LIMIT, u64::from).min(LARGEST_LIMIT);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let view = context.parts.rooms.load(&context.snapshot, row.room_num).await?.view();
    let candidates = if let Some(events) = recent(&view, row, from, upto) {
        events
    } else {
        let rows = i64::try_from(limit.saturating_mul(if context.timeline.is_everything() { 1 } else { 4 }) + 1);
        let rows = rows.unwrap_or(i64::MAX);
        let mut events = Vec::new();
        for row in event_rows::backwards(&context.snapshot, row.room_num, from, upto, rows).await? {
            events.push(context.parts.events.stored(&context.snapshot, row).await?);
        }
        events.reverse();
        events
    };
    let mut events: Vec<_> = candidates.into_iter().filter(|event| context.timeline.has(&event.pdu)).collect();
    let limited = events.len() > limit;
    if limited {
        events.drain(..events.len() - limit);
    }
    Ok(Cut { events, limited })
}

/// The same events from memory, if memory has all of them.
fn recent(view: &RoomView, row: &RoomOfUser, from: Position, upto: Position) -> Option<Vec<Arc<Stored>>> {
    // The view may be a moment older than the snapshot, or newer.
    if view.last_position < row.last_position {
        return None;
    }
    let whole_room = view.recent.front().is_some_and(|first| first.pdu.prev_events().is_empty());
    let covered = whole_room || view.recent.front().and_then(|first| first.position).is_some_and(|first| first <= from);
    if !covered {
        return None;
    }
    let within = |event: &&Arc<Stored>| event.position.is_some_and(|position| position > from && position <= upto);
    Some(view.recent.iter().filter(within).cloned().collect())
}

async fn timeline(context: &Context<'_>, cut: &Cut, limited: bool, from: Position) -> Result<Timeline> {
    let mut events = Vec::with_capacity(cut.events.len());
    for event in &cut.events {
        events.push(context.parts.presenter.in_sync(&context.snapshot, event, context.reader).await?);
    }
    let first = cut.events.first().and_then(|event| event.position);
    let prev_batch = first.map_or(from, |position| Position(position.0 - 1));
    Ok(Timeline { events, limited, prev_batch: Some(timeline_token(prev_batch)) })
}

async fn summary(context: &Context<'_>, view: &RoomView) -> Result<Summary> {
    let me = context.session.user_num;
    let mut heroes: Vec<UserNum> = view
        .members
        .iter()
        .filter(|(user_num, member)| {
            **user_num != me && matches!(member.membership, Membership::Join | Membership::Invite)
        })
        .map(|(user_num, _)| *user_num)
        .take(if view.joined + view.invited > 50 { HEROES } else { usize::MAX })
        .collect();
    if heroes.is_empty() {
        heroes = view.members.keys().copied().filter(|user_num| *user_num != me).collect();
    }
    heroes.sort_unstable();
    let mut names = Vec::with_capacity(HEROES);
    for user_num in heroes.into_iter().take(HEROES) {
        names.push(context.parts.users.load_id(&context.snapshot, user_num).await?);
    }
    Ok(Summary { heroes: Some(names), joined: Some(view.joined as u64), invited: Some(view.invited as u64) })
}

/// Typing and receipts.
async fn ephemeral(context: &Context<'_>, info: &RoomInfo, row: &RoomOfUser, fresh: bool) -> Result<EventList> {
    let mut events = Vec::new();
    if !context.ephemeral.has_room(&info.room_id) {
        return Ok(EventList { events });
    }
    if context.ephemeral.has_type("m.typing") {
        let since = if fresh { 0 } else { context.request.since.map_or(0, |token| token.typing) };
        if let Some(users) = context.parts.typing.changed(row.room_num, since) {
            let mut ids = Vec::with_capacity(users.len());
            for user_num in users {
                ids.push(context.parts.users.load_id(&context.snapshot, user_num).await?.to_string());
            }
            if !(ids.is_empty() && fresh) {
                events.push(raw(&json!({ "type": "m.typing", "content": { "user_ids": ids } }))?);
            }
        }
    }
    if context.ephemeral.has_type("m.receipt") {
        let since = if fresh { Position::START } else { context.since };
        let rows =
            receipts::changed(&context.snapshot, row.room_num, context.session.user_num, since, context.upto).await?;
        if !rows.is_empty() {
            let mut content = json!({});
            let mut seen = HashSet::new();
            for receipt in rows {
                if !seen.insert((receipt.user_num, receipt.kind.clone(), receipt.thread.clone())) {
                    continue;
                }
                let user_id = context.parts.users.load_id(&context.snapshot, receipt.user_num).await?;
                let mut told = json!({ "ts": receipt.ts });
                if !receipt.thread.is_empty() {
                    told["thread_id"] = Value::from(receipt.thread);
                }
                content[receipt.event_id.as_str()][receipt.kind.as_str()][user_id.as_str()] = told;
            }
            events.push(raw(&json!({ "type": "m.receipt", "content": content }))?);
        }
    }
    Ok(EventList { events })
}

fn raw(value: &Value) -> Result<Ready> {
    RawValue::from_string(value.to_string()).map_err(Error::internal)
}
