//! One answer from one snapshot.

use std::collections::HashMap;

use domicile_core::{
    ids::{NodeNum, Position, RoomNum},
    limits,
};
use domicile_room::event::client_json;
use domicile_store::{
    Snapshot,
    table::{self, sync::RoomOfUser},
};
use ruma::{OwnedRoomId, api::client::filter::Filter, serde::Raw};
use serde_json::value::RawValue;

use super::{
    SyncAnswer, SyncParts, SyncRequest, SyncToken,
    answer::{EventList, InvitedRoom, KnockedRoom, LeftRoom, Ready},
    filter::{EventChoice, fits},
    frontier::Frontiers,
    presence, room,
};
use crate::{
    Error, Result,
    account_data::ignored::IgnoredUsers,
    accounts::Session,
    e2ee::{device_lists, one_time_keys, to_device},
    ephemeral::presence::Seen,
    events::Reader,
    rooms::{Membership, stripped_state},
};

/// What every part of an answer is made from.
pub(super) struct Context<'a> {
    pub(super) parts: &'a SyncParts,
    pub(super) snapshot: Snapshot,
    pub(super) session: &'a Session,
    pub(super) request: &'a SyncRequest,
    pub(super) since: Position,
    /// Up to where the device has its inbox.
    pub(super) inbox_since: Position,
    pub(super) upto: Position,
    pub(super) reader: Reader,
    pub(super) timeline: EventChoice,
    pub(super) state: EventChoice,
    pub(super) ephemeral: EventChoice,
    pub(super) account_data: EventChoice,
    pub(super) ignored: IgnoredUsers,
    /// What the client had been shown where it was before, if its token is from there.
    pub(super) frontiers: Option<Frontiers>,
}

impl Context<'_> {
    /// Whether the reader is shown all members with a room, not only those who speak.
    pub(super) fn is_eager(&self) -> bool {
        self.request.filter.room.state.lazy_load_options.is_disabled()
    }

    fn wants_room(&self, room_id: &ruma::RoomId) -> bool {
        let filter = &self.request.filter.room;
        filter.rooms.as_ref().is_none_or(|rooms| rooms.iter().any(|known| known == room_id))
            && !filter.not_rooms.iter().any(|known| known == room_id)
    }
}

/// From where a device goes on.
struct Place {
    since: Position,
    inbox: Position,
    frontiers: Option<Frontiers>,
}

impl Place {
    fn start() -> Self {
        Self { since: Position::START, inbox: Position::START, frontiers: None }
    }
}

/// A token that another cell gave, or this one before it was restored, names a place that is none here: everything is shown as it is now, as after a
/// gap, but for the messages of the inbox that the device is known to have, and what it is known to have been shown of rooms.
async fn place_of(
    parts: &SyncParts,
    snapshot: &Snapshot,
    session: &Session,
    request: &SyncRequest,
    head: Position,
) -> Result<Place> {
    let Some(token) = request.since else { return Ok(Place::start()) };
    if parts.spans.is_own(token.position) {
        let since = token.position.min(head);
        let inbox = parts.spans.in_inbox(snapshot, session.device_num, since).await?;
        return Ok(Place { since, inbox, frontiers: None });
    }
    let inbox = parts.spans.in_inbox(snapshot, session.device_num, token.position).await?;
    let frontiers = Frontiers::of(snapshot, session.user_num, token.position).await?;
    Ok(Place { inbox, frontiers, ..Place::start() })
}

pub(super) async fn compute(
    parts: &SyncParts,
    snapshot: Snapshot,
    session: &Session,
    request: &SyncRequest,
    presence_seen: Seen,
) -> Result<SyncAnswer> {
    let typing_head = parts.typing.head();
    let head = snapshot.head().await?;
    let Place { since, inbox: inbox_since, frontiers } = place_of(parts, &snapshot, session, request, head).await?;
    let inbox = to_device::page(&snapshot, session.device_num, inbox_since, head, limits::TO_DEVICE_PAGE).await?;
    // Where the inbox is cut, everything else stops too: a message is never shown before its key.
    let upto = inbox.last;
    let filter = &request.filter.room;
    let ignored = parts.ignored.of(&snapshot, session.user_num).await?;
    let context = Context {
        parts,
        session,
        request,
        since,
        inbox_since,
        upto,
        reader: Reader { user_num: session.user_num, device_num: session.device_num, now_ms: parts.clock.now_ms() },
        timeline: EventChoice::from(&filter.timeline).without(ignored.clone()),
        state: EventChoice::from(&filter.state),
        ephemeral: EventChoice::from(&filter.ephemeral),
        account_data: EventChoice::from(&filter.account_data),
        ignored,
        frontiers,
        snapshot,
    };
    let inbox_is_whole = upto == head && inbox.events.is_empty();
    let mut answer = SyncAnswer::default();
    answer.to_device.events = inbox.events.into_iter().map(Raw::into_json).collect();
    encryption(&context, &mut answer).await?;
    let room_data = account_data(&context, &mut answer).await?;
    let entered = rooms(&context, &mut answer, room_data).await?;
    let presence = presence::fill(&context, &mut answer, &entered, presence_seen).await?;
    answer.token = SyncToken { position: upto, typing: typing_head, presence };
    answer.next_batch = answer.token.to_string();
    answer.is_whole = inbox_is_whole && !answer.more_presence;
    Ok(answer)
}

/// Whose devices changed, and what is left of this device's keys.
async fn encryption(context: &Context<'_>, answer: &mut SyncAnswer) -> Result<()> {
    let (snapshot, session) = (&context.snapshot, context.session);
    // Who syncs for the first time asks for the keys of everybody anyway.
    if context.request.since.is_some() {
        let changes = device_lists::changes_since(snapshot, session.user_num, context.since).await?;
        for user_num in changes.changed {
            answer.device_lists.changed.push(context.parts.users.load_id(snapshot, user_num).await?);
        }
        for user_num in changes.left {
            answer.device_lists.left.push(context.parts.users.load_id(snapshot, user_num).await?);
        }
    }
    let device_id = session.device_id.as_str();
    let counts = one_time_keys::one_time_key_counts(snapshot, session.user_num, device_id).await?;
    answer.device_one_time_keys_count =
        counts.into_iter().map(|(algorithm, count)| (algorithm.to_string(), u64::from(count))).collect();
    let unused = one_time_keys::unused_fallback_types(snapshot, session.user_num, device_id).await?;
    answer.device_unused_fallback_key_types = unused.into_iter().map(|algorithm| algorithm.to_string()).collect();
    let upto = context.inbox_since;
    let received = context.request.since.is_some() && table::to_device::any(snapshot, session.device_num, upto).await?;
    answer.inbox_received = received.then_some(upto);
    Ok(())
}

/// Puts the user's own data into the answer, and gives what is about rooms.
async fn account_data(context: &Context<'_>, answer: &mut SyncAnswer) -> Result<HashMap<RoomNum, Vec<Ready>>> {
    let rows =
        table::sync::account_data(&context.snapshot, context.session.user_num, context.since, context.upto).await?;
    let mut of_rooms: HashMap<RoomNum, Vec<Ready>> = HashMap::new();
    for (room_num, kind, content) in rows {
        let in_room = room_num.0 != 0;
        let chosen = if in_room {
            context.account_data.has_type(&kind)
        } else {
            chooses(&context.request.filter.account_data, &kind)
        };
        // What was deleted is told as an empty object, but not to who never saw it.
        if !chosen || (context.request.since.is_none() && content == "{}") {
            continue;
        }
        let event = format!("{{\"content\":{content},\"type\":{}}}", serde_json::Value::from(kind));
        let event = RawValue::from_string(event).map_err(Error::internal)?;
        if in_room {
            of_rooms.entry(room_num).or_default().push(event);
        } else {
            answer.account_data.events.push(event);
        }
    }
    Ok(of_rooms)
}

/// Whether a filter of what is in no room chooses a type.
pub(super) fn chooses(filter: &Filter, kind: &str) -> bool {
    filter.types.as_ref().is_none_or(|types| types.iter().any(|pattern| fits(pattern, kind)))
        && !filter.not_types.iter().any(|pattern| fits(pattern, kind))
}

/// Fills in the rooms; gives those that the user has entered since.
async fn rooms(
    context: &Context<'_>,
    answer: &mut SyncAnswer,
    mut room_data: HashMap<RoomNum, Vec<Ready>>,
) -> Result<Vec<RoomNum>> {
    let from = if context.request.full_state { Position::START } else { context.since };
    let rows = table::sync::rooms_of_user(&context.snapshot, context.session.user_num, from).await?;
    let mut seen: Vec<RoomNum> = Vec::with_capacity(rows.len());
    let mut entered = Vec::new();
    for row in rows {
        seen.push(row.room_num);
        if context.request.since.is_some() && row.membership == "join" && row.turned_position > context.since {
            entered.push(row.room_num);
        }
        let data = room_data.remove(&row.room_num).unwrap_or_default();
        one_room(context, answer, &row, data).await?;
    }
    // Rooms without new events: something passes there, or the user changed their own data.
    let since_typing = context.request.since.map_or(0, |token| token.typing);
    let mut quiet: Vec<RoomNum> = context.parts.typing.changed_rooms(since_typing);
    quiet.extend(table::receipts::rooms_changed(&context.snapshot, context.session.user_num, context.since).await?);
    quiet.extend(room_data.keys());
    quiet.sort_unstable();
    quiet.dedup();
    for room_num in quiet.into_iter().filter(|room_num| !seen.contains(room_num)) {
        let row = table::sync::joined_room(&context.snapshot, context.session.user_num, room_num).await?;
        if let Some(row) = row {
            let data = room_data.remove(&room_num).unwrap_or_default();
            one_room(context, answer, &row, data).await?;
        }
    }
    Ok(entered)
}

async fn one_room(context: &Context<'_>, answer: &mut SyncAnswer, row: &RoomOfUser, data: Vec<Ready>) -> Result<()> {
    let info = context.parts.events.room_info(&context.snapshot, row.room_num).await?;
    if !context.wants_room(&info.room_id) {
        return Ok(());
    }
    let room_id: OwnedRoomId = info.room_id.clone();
    match Membership::parse(&row.membership) {
        // Where the inbox is cut before the joining, the room comes with the next answer.
        Membership::Join if row.turned_position > context.upto => {}
        // Who is shown members eagerly is shown the room when all of them are known.
        Membership::Join if row.lacks_members(context.upto) && context.is_eager() => {}
        Membership::Join => {
            if let Some(room) = room::joined(context, &info, row, data).await? {
                answer.rooms.join.insert(room_id, room);
            }
        }
        Membership::Invite if is_ignored(context, row).await? => {}
        Membership::Invite if row.position <= context.upto => {
            let invite_state = stripped(context.parts, &context.snapshot, row).await?;
            answer.rooms.invite.insert(room_id, InvitedRoom { invite_state });
        }
        Membership::Knock if row.position <= context.upto => {
            let knock_state = stripped(context.parts, &context.snapshot, row).await?;
            answer.rooms.knock.insert(room_id, KnockedRoom { knock_state });
        }
        Membership::Leave | Membership::Ban if row.position <= context.upto => {
            let is_known = context.frontiers.as_ref().is_some_and(|shown| shown.has_left(&info.room_id));
            let asked = (context.request.since.is_some() && !is_known) || context.request.filter.room.include_leave;
            if asked && !has_copy(row) {
                // Of a room that was never here there is nothing to show but that it is gone.
                answer.rooms.leave.insert(room_id, LeftRoom::default());
            } else if asked && let Some(room) = room::left(context, &info, row, data).await? {
                answer.rooms.leave.insert(room_id, room);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether an invite comes from somebody whom the user ignores.
async fn is_ignored(context: &Context<'_>, row: &RoomOfUser) -> Result<bool> {
    from_ignored(context.parts, &context.snapshot, &context.ignored, row).await
}

/// Whether a member event was sent by one of `ignored`. Nothing is read for who ignores nobody.
pub(super) async fn from_ignored(
    parts: &SyncParts,
    snapshot: &Snapshot,
    ignored: &IgnoredUsers,
    row: &RoomOfUser,
) -> Result<bool> {
    if ignored.is_empty() {
        return Ok(false);
    }
    let event = parts.events.load(snapshot, &[row.event_num]).await?.into_iter().next();
    Ok(event.is_some_and(|event| ignored.has(event.pdu.sender())))
}

/// Whether there is a copy of the room here; a room that is known by an invite or a knock only has no state.
pub(super) fn has_copy(row: &RoomOfUser) -> bool {
    row.state_root != NodeNum(0)
}

/// What the inviting server, or the one that was knocked at, shows of a room.
async fn elsewhere(snapshot: &Snapshot, row: &RoomOfUser) -> Result<EventList> {
    let shown = table::stripped_states::get(snapshot, row.user_num, row.room_num).await?;
    let events: Vec<Box<RawValue>> = match shown {
        Some(shown) => serde_json::from_str(&shown).map_err(Error::internal)?,
        None => Vec::new(),
    };
    Ok(EventList { events })
}

/// A room as whoever is invited or knocks sees it: a few types of state, the inviter's member event and the user's own.
pub(super) async fn stripped(parts: &SyncParts, snapshot: &Snapshot, row: &RoomOfUser) -> Result<EventList> {
    if !has_copy(row) {
        return elsewhere(snapshot, row).await;
    }
    let own = parts.events.load(snapshot, &[row.event_num]).await?;
    let Some(own) = own.into_iter().next() else { return Ok(EventList::default()) };
    let mut nums = Vec::new();
    for (kind, key) in stripped_state::keys(own.pdu.sender()) {
        if let Some(key_num) = parts.keys.load(snapshot, kind, key).await? {
            nums.extend(parts.trees.get(snapshot, own.state_before, key_num).await?);
        }
    }
    let mut events = Vec::with_capacity(nums.len() + 1);
    for event in parts.events.load(snapshot, &nums).await? {
        if event.event_num != own.event_num {
            events.push(client_json::stripped(&event.pdu).map_err(Error::internal)?);
        }
    }
    events.push(client_json::stripped(&own.pdu).map_err(Error::internal)?);
    Ok(EventList { events })
}
