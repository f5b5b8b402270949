//! A room in an answer: timeline, state, who is there, what passes.

use std::sync::Arc;

use domicile_core::ids::{Position, RoomNum, UserNum};
use domicile_store::{
    Snapshot,
    table::{events as event_rows, receipts, sync::RoomOfUser},
};
use ruma::OwnedUserId;
use serde_json::{Value, json, value::RawValue};

use super::{
    SyncParts,
    answer::{EventList, JoinedRoom, LeftRoom, Ready, Summary, Timeline, Unread},
    compute::Context,
    filter::EventChoice,
    frontier::Unseen,
    state::{self, StateRequest},
    timeline::Onlooker,
    token::timeline_token,
};
use crate::{
    Error, Result,
    account_data::ignored::IgnoredUsers,
    events::Stored,
    push::unread::{UnreadRequest, read_by_writing, unread},
    rooms::{Membership, RoomInfo, RoomView},
};

/// Events of a timeline when the filter does not say.
const DEFAULT_LIMIT: u64 = 10;
/// Events of a timeline at most.
const LARGEST_LIMIT: u64 = 500;
/// Members whose names stand for a room's.
const HEROES: usize = 5;

/// The events of a timeline, the oldest first, and whether more of them were before.
pub(super) struct Cut {
    pub(super) events: Vec<Arc<Stored>>,
    pub(super) limited: bool,
}

pub(super) async fn joined(
    context: &Context<'_>,
    info: &Arc<RoomInfo>,
    row: &RoomOfUser,
    account_data: Vec<Ready>,
) -> Result<Option<JoinedRoom>> {
    let view = context.parts.rooms.load(&context.snapshot, row.room_num).await?.view();
    // Of whom their old home told what they had been shown, nothing is shown again.
    let unseen = context.frontiers.as_ref().and_then(|shown| shown.unseen(&info.room_id, &view));
    let is_quiet = unseen.as_ref().is_some_and(|unseen| unseen.events.is_empty()) && !context.request.full_state;
    let (moved, after) = (unseen.is_some(), unseen.as_ref().and_then(Unseen::from));
    let became_whole = row.whole_position > context.since && row.whole_position <= context.upto;
    let fresh = !moved
        && (context.request.since.is_none()
            || row.turned_position > context.since
            || (became_whole && context.is_eager()));
    let whole = fresh || (moved && after.is_none()) || context.request.full_state;
    let upto = context.upto;
    let from = match after {
        _ if fresh => Position::START,
        Some(after) => after,
        None if is_quiet => upto,
        None => context.since,
    };
    let mut cut = match unseen {
        Some(unseen) => cut_of(context, info, unseen.events),
        None if row.last_position > from => cut(context, row, from, upto).await?,
        None => Cut::none(),
    };
    let onlooker = onlooker(context, &view);
    if fresh {
        onlooker.keep_seen(row, &mut cut).await?;
    }
    let limited = cut.limited || (fresh && context.request.since.is_some());
    let request = StateRequest { row, whole, since: from, upto, limited, timeline: &cut.events };
    let state = if is_quiet { Vec::new() } else { state::events(context, info, &request).await? };
    let members_changed = (whole && !is_quiet)
        || became_whole
        || cut.events.iter().chain(&state).any(|event| event.pdu.membership().is_some());
    let mut room = JoinedRoom {
        summary: if members_changed { summary(context, &view).await? } else { Summary::default() },
        timeline: timeline(context, &onlooker, &cut, limited, from).await?,
        ephemeral: ephemeral(context, info, row, fresh || moved).await?,
        account_data: EventList { events: account_data },
        ..JoinedRoom::default()
    };
    count(context, info, row, &mut room).await?;
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
        && room.account_data.is_empty()
        && !became_whole;
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
    let view = context.parts.rooms.load(&context.snapshot, row.room_num).await?.view();
    let mut room = LeftRoom {
        timeline: timeline(context, &onlooker(context, &view), &cut, limited, from).await?,
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

/// Fills in what is unread.
async fn count(context: &Context<'_>, info: &RoomInfo, row: &RoomOfUser, room: &mut JoinedRoom) -> Result<()> {
    let by_thread = context.request.filter.room.timeline.unread_thread_notifications;
    let (parts, user_num) = (context.parts, context.session.user_num);
    let last_position = row.last_position.min(context.upto);
    let view = parts.rooms.load(&context.snapshot, row.room_num).await?.view();
    let places = (row.last_position, last_position);
    let written = read_by_writing(&context.snapshot, info, &view, user_num, places).await?;
    let read_position = row.turned_position.max(written);
    let request = UnreadRequest { user_num, read_position, last_position, by_thread };
    let counts = unread(&context.snapshot, &parts.push, info, request).await?;
    room.unread_notifications = Unread { highlight_count: counts.highlight, notification_count: counts.notify };
    room.unread_thread_notifications = counts
        .threads
        .into_iter()
        .map(|(root, (notify, highlight))| (root, Unread { highlight_count: highlight, notification_count: notify }))
        .collect();
    Ok(())
}

impl Cut {
    fn none() -> Self {
        Self { events: Vec::new(), limited: false }
    }
}

/// Those of some events that the filter chooses, the last of them.
fn cut_of(context: &Context<'_>, info: &RoomInfo, events: Vec<Arc<Stored>>) -> Cut {
    if !context.timeline.has_room(&info.room_id) {
        return Cut::none();
    }
    let is_asked = |event: &Arc<Stored>| {
        event.position.is_some_and(|position| position <= context.upto) && context.timeline.has(&event.pdu)
    };
    let mut events: Vec<_> = events.into_iter().filter(is_asked).collect();
    let limit = limit_of(context);
    let limited = events.len() > limit;
    events.drain(..events.len().saturating_sub(limit));
    Cut { events, limited }
}

/// Events that a timeline of an answer may have.
fn limit_of(context: &Context<'_>) -> usize {
    let limit = context.request.filter.room.timeline.limit.map_or(DEFAULT_LIMIT, u64::from).min(LARGEST_LIMIT);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The last events of a room with `from < position <= upto` that the filter chooses.
async fn cut(context: &Context<'_>, row: &RoomOfUser, from: Position, upto: Position) -> Result<Cut> {
    if !context.timeline.has_room(&context.parts.events.room_info(&context.snapshot, row.room_num).await?.room_id) {
        return Ok(Cut::none());
    }
    last_events(context.parts, &context.snapshot, row, (from, upto), limit_of(context), &context.timeline).await
}

/// The last `limit` events of a room that lie in `range` (after its first, up to its second position) and that `choice` has.
pub(super) async fn last_events(
    parts: &SyncParts,
    snapshot: &Snapshot,
    row: &RoomOfUser,
    range: (Position, Position),
    limit: usize,
    choice: &EventChoice,
) -> Result<Cut> {
    let (from, upto) = range;
    let view = parts.rooms.load(snapshot, row.room_num).await?.view();
    let mut cut_off = false;
    let candidates = if let Some(events) = recent(&view, row, from, upto) {
        events
    } else {
        let rows = i64::try_from(limit.saturating_mul(if choice.is_everything() { 1 } else { 4 }) + 1);
        let rows = rows.unwrap_or(i64::MAX);
        let mut events = Vec::new();
        for row in event_rows::backwards(snapshot, row.room_num, from, upto, rows).await? {
            events.push(parts.events.stored(snapshot, row).await?);
        }
        events.reverse();
        // What was not looked at may have been chosen.
        cut_off = i64::try_from(events.len()).unwrap_or(i64::MAX) >= rows;
        events
    };
    let mut events: Vec<_> = candidates.into_iter().filter(|event| choice.has(&event.pdu)).collect();
    let limited = events.len() > limit || cut_off;
    events.drain(..events.len().saturating_sub(limit));
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

fn onlooker<'a>(context: &'a Context<'_>, view: &'a RoomView) -> Onlooker<'a> {
    Onlooker { parts: context.parts, snapshot: &context.snapshot, session: context.session, view }
}

async fn timeline(
    context: &Context<'_>,
    onlooker: &Onlooker<'_>,
    cut: &Cut,
    limited: bool,
    from: Position,
) -> Result<Timeline> {
    let events = onlooker.present(cut, limited, context.reader).await?;
    let first = cut.events.first().and_then(|event| event.position);
    let prev_batch = first.map_or(from, |position| Position(position.0 - 1));
    Ok(Timeline { events, limited, prev_batch: Some(timeline_token(prev_batch)) })
}

/// Who is there, and whose names stand for the room's.
async fn summary(context: &Context<'_>, view: &RoomView) -> Result<Summary> {
    let heroes = heroes(context.parts, &context.snapshot, view, context.session.user_num).await?;
    Ok(Summary {
        heroes: Some(heroes),
        joined: Some(view.joined_at_least() as u64),
        invited: Some(view.invited as u64),
    })
}

/// Members whose names stand for a room's: a few who are there, else a few who were.
pub(super) async fn heroes(
    parts: &SyncParts,
    snapshot: &Snapshot,
    view: &RoomView,
    me: UserNum,
) -> Result<Vec<OwnedUserId>> {
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
        names.push(parts.users.load_id(snapshot, user_num).await?);
    }
    Ok(names)
}

/// Typing and receipts.
async fn ephemeral(context: &Context<'_>, info: &RoomInfo, row: &RoomOfUser, fresh: bool) -> Result<EventList> {
    let mut events = Vec::new();
    if !context.ephemeral.has_room(&info.room_id) {
        return Ok(EventList { events });
    }
    if context.ephemeral.has_type("m.typing") {
        let since = if fresh { 0 } else { context.request.since.map_or(0, |token| token.typing) };
        events.extend(typing(context.parts, &context.snapshot, row.room_num, since, &context.ignored).await?);
    }
    if context.ephemeral.has_type("m.receipt") {
        let since = if fresh { Position::START } else { context.since };
        let range = (since, context.upto);
        events.extend(
            receipt_event(
                context.parts,
                &context.snapshot,
                row.room_num,
                context.session.user_num,
                range,
                &context.ignored,
            )
            .await?,
        );
    }
    Ok(EventList { events })
}

/// Who types in a room, if that changed; nobody at all is no news for who begins.
pub(super) async fn typing(
    parts: &SyncParts,
    snapshot: &Snapshot,
    room_num: RoomNum,
    since: u64,
    ignored: &IgnoredUsers,
) -> Result<Option<Ready>> {
    let Some(users) = parts.typing.changed(room_num, since) else { return Ok(None) };
    let mut ids = Vec::with_capacity(users.len());
    for user_num in users {
        let user_id = parts.users.load_id(snapshot, user_num).await?;
        if !ignored.has(&user_id) {
            ids.push(user_id.to_string());
        }
    }
    if ids.is_empty() && since == 0 {
        return Ok(None);
    }
    raw(&json!({ "type": "m.typing", "content": { "user_ids": ids } })).map(Some)
}

/// Receipts in a room that changed in `range`, as one event.
pub(super) async fn receipt_event(
    parts: &SyncParts,
    snapshot: &Snapshot,
    room_num: RoomNum,
    reader: UserNum,
    range: (Position, Position),
    ignored: &IgnoredUsers,
) -> Result<Option<Ready>> {
    let rows = receipts::changed(snapshot, room_num, reader, range.0, range.1).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut content = json!({});
    for receipt in rows {
        let user_id = parts.users.load_id(snapshot, receipt.user_num).await?;
        if ignored.has(&user_id) {
            continue;
        }
        let mut told = json!({ "ts": receipt.ts });
        if !receipt.thread.is_empty() {
            told["thread_id"] = Value::from(receipt.thread);
        }
        let place = &mut content[receipt.event_id.as_str()][receipt.kind.as_str()][user_id.as_str()];
        // One user may have read the same event in several threads: the newest is told, which comes first.
        if place.is_null() {
            *place = told;
        }
    }
    let something = content.as_object().is_some_and(|content| !content.is_empty());
    something.then(|| raw(&json!({ "type": "m.receipt", "content": content }))).transpose()
}

fn raw(value: &Value) -> Result<Ready> {
    RawValue::from_string(value.to_string()).map_err(Error::internal)
}
