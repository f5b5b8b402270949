//! Presence in an answer: changes of those who share a room, and how those are whom the user has just met.

use std::collections::HashSet;

use domicile_core::ids::{RoomNum, UserNum};
use futures::{
    FutureExt as _,
    future::{Either, OptionFuture, pending, ready},
};
use ruma::{UserId, api::client::filter::Filter, presence::PresenceState};
use serde_json::{Value, value::RawValue};

use super::{
    SyncAnswer, SyncParts, SyncRequest,
    answer::Ready,
    compute::{Context, chooses},
};
use crate::{
    Error, Result,
    accounts::Session,
    ephemeral::presence::{Change, Changes, Seen, Shown, rooms_of},
    events::wake::Waiting,
};

/// Changes that one answer looks at. What is left comes with the next one.
const PAGE: usize = 2_000;
/// People of a room that was just entered, at most.
const MET: usize = 500;

/// A place among those who wait for presence, for a request that wants it.
pub(super) fn watch(parts: &SyncParts, session: &Session, request: &SyncRequest) -> Option<Waiting> {
    let wants = parts.presence.is_enabled() && wants(&request.filter.presence);
    wants.then(|| parts.presence_watchers.park(session.user_num))
}

/// Ends at the next wake-up for presence; never for who does not wait for it, and has no room for it then.
pub(super) fn woken(watching: Option<&Waiting>) -> impl Future<Output = ()> {
    // Made now and not when it is first awaited: from here on no wake-up is missed.
    let woken = watching.map(|watching| Box::pin(watching.woken()));
    OptionFuture::from(woken).then(|woken| match woken {
        Some(()) => Either::Left(ready(())),
        None => Either::Right(pending()),
    })
}

fn wants(filter: &Filter) -> bool {
    chooses(filter, "m.presence") && filter.limit.is_none_or(|limit| u64::from(limit) > 0)
}

fn wants_of(filter: &Filter, user_id: &UserId) -> bool {
    filter.senders.as_ref().is_none_or(|senders| senders.iter().any(|sender| sender == user_id))
        && !filter.not_senders.iter().any(|sender| sender == user_id)
}

/// Fills in presence; gives the number of the last change that the client has been shown then. `seen` was read before the snapshot was taken.
pub(super) async fn fill(
    context: &Context<'_>,
    answer: &mut SyncAnswer,
    entered: &[RoomNum],
    seen: Seen,
) -> Result<u64> {
    let (parts, filter) = (context.parts, &context.request.filter.presence);
    let head = seen.number;
    if !parts.presence.is_enabled() || !wants(filter) {
        return Ok(head);
    }
    let me = context.session.user_num;
    let since = context.request.since.map_or(0, |token| token.presence);
    let limit = filter.limit.map_or(PAGE, |limit| usize::try_from(u64::from(limit)).unwrap_or(PAGE));
    let Changes { mut shared, mut unknown, mut upto } = parts.presence.changes(me, since, head, PAGE);
    if context.request.since.is_none() {
        // Whoever is away is no news to who begins.
        shared.retain(|change| change.shown.state != PresenceState::Offline);
        unknown.retain(|change| change.shown.state != PresenceState::Offline);
    }
    shared.extend(sharing(context, unknown, seen).await?);
    shared.sort_unstable_by_key(|change| change.number);
    let mut told: HashSet<UserNum> = HashSet::new();
    for change in &shared {
        if told.len() >= limit {
            upto = change.number - 1;
            break;
        }
        if tell(context, answer, change.user_num, &change.shown).await? {
            told.insert(change.user_num);
        }
    }
    for room_num in entered {
        let view = parts.rooms.load(&context.snapshot, *room_num).await?.view();
        let met =
            parts.presence.present(view.joined, || view.joined_members(), |user_num| view.is_joined(user_num), MET);
        for (user_num, shown) in met {
            if user_num != me && told.len() < limit && told.insert(user_num) {
                tell(context, answer, user_num, &shown).await?;
            }
        }
    }
    answer.more_presence = upto < head;
    Ok(upto)
}

/// Those of `changes` that are of people who share a room with the reader, by what the database says of where they are. That is kept for the
/// next time. Nothing is read where nobody is asked for.
async fn sharing(context: &Context<'_>, changes: Vec<Change>, seen: Seen) -> Result<Vec<Change>> {
    if changes.is_empty() {
        return Ok(changes);
    }
    let me = context.session.user_num;
    let users = changes.iter().map(|change| change.user_num).chain([me]).collect();
    let rooms = rooms_of(&context.snapshot, users).await?;
    let mine: HashSet<RoomNum> = rooms.get(&me).into_iter().flatten().copied().collect();
    let shares = |user_num| rooms.get(&user_num).into_iter().flatten().any(|room_num| mine.contains(room_num));
    let shared = changes.into_iter().filter(|change| shares(change.user_num)).collect();
    context.parts.presence.learn(rooms, seen);
    Ok(shared)
}

async fn tell(context: &Context<'_>, answer: &mut SyncAnswer, user_num: UserNum, shown: &Shown) -> Result<bool> {
    let user_id = context.parts.users.load_id(&context.snapshot, user_num).await?;
    if context.ignored.has(&user_id) || !wants_of(&context.request.filter.presence, &user_id) {
        return Ok(false);
    }
    answer.presence.events.push(event(&user_id, shown)?);
    Ok(true)
}

/// The event `m.presence`.
fn event(user_id: &UserId, shown: &Shown) -> Result<Ready> {
    let status = match &shown.status {
        Some(status) => format!(",\"status_msg\":{}", Value::from(&**status)),
        None => String::new(),
    };
    let active = if shown.currently_active() { ",\"currently_active\":true" } else { "" };
    let json = format!(
        "{{\"content\":{{\"last_active_ago\":{},\"presence\":\"{}\"{active}{status}}},\"sender\":{},\"type\":\"m.presence\"}}",
        shown.last_active_ago.unwrap_or(0),
        shown.state,
        Value::from(user_id.as_str()),
    );
    RawValue::from_string(json).map_err(Error::internal)
}
