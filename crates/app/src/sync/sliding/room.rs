//! One room in an answer.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use domicile_core::ids::{EventNum, NodeNum, Position};
use domicile_store::table::sync::RoomOfUser;
use ruma::{OwnedUserId, UserId, events::StateEventType};
use serde::{Deserialize, Serialize};

use super::{Round, connection::Shown, lists::Details};
use crate::{
    Result,
    events::Stored,
    push::unread::{UnreadRequest, read_by_writing, unread},
    rooms::{RoomInfo, RoomView},
    sync::{
        answer::Ready,
        compute,
        filter::EventChoice,
        room::{heroes, last_events},
        state::state_at,
        timeline::Onlooker,
        token::timeline_token,
    },
};

/// Events of a timeline at most.
const LARGEST_LIMIT: u64 = 100;
/// Types of events that bring a room to the top of a list.
const BUMPS: [&str; 8] = [
    "m.room.create",
    "m.room.message",
    "m.room.encrypted",
    "m.sticker",
    "m.call.invite",
    "m.poll.start",
    "m.beacon_info",
    "m.room.tombstone",
];

/// The room.
#[derive(Debug, Default, Serialize)]
pub struct RoomAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    initial: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_dm: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invite_state: Option<Vec<Ready>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    timeline: Vec<Ready>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    required_state: Vec<Ready>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev_batch: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    limited: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    joined_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    num_live: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bump_stamp: Option<i64>,
    notification_count: u64,
    highlight_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    heroes: Option<Vec<Hero>>,
}

/// A member whose name stands for the room's.
#[derive(Debug, Serialize)]
struct Hero {
    user_id: OwnedUserId,
    #[serde(skip_serializing_if = "Option::is_none")]
    displayname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    avatar_url: Option<String>,
}

/// What is new in a room (if anything), and what the connection has been shown of it then. `None`: the room is not to be shown yet.
pub(super) async fn room(
    round: &Round<'_>,
    info: &RoomInfo,
    row: &RoomOfUser,
    details: &Details,
    shown: Option<Shown>,
) -> Result<Option<(Option<RoomAnswer>, Shown)>> {
    let required = required_hash(details);
    if row.membership != "join" {
        return invited(round, row, required, shown).await.map(Some);
    }
    // Joined after where the inbox is cut: the room comes with the next answer.
    if row.turned_position > round.upto {
        return Ok(None);
    }
    let every = |(kind, key): &(StateEventType, String)| {
        key == "*" && matches!(kind.to_string().as_str(), "m.room.member" | "*")
    };
    let is_lazy =
        details.required_state.iter().any(|(kind, key)| *kind == StateEventType::RoomMember && key == "$LAZY");
    let eager = !is_lazy && details.required_state.iter().any(every);
    // Who is shown all members is shown the room when they are known.
    if row.lacks_members(round.upto) && eager {
        return Ok(None);
    }
    // Whoever joined since sees the room for the first time, though they saw its invite.
    let shown = shown.filter(|shown| shown.position >= row.turned_position);
    let became_whole =
        row.whole_position <= round.upto && shown.is_some_and(|shown| shown.position < row.whole_position);
    let shown = shown.filter(|_| !(became_whole && eager));
    let mut now = Shown { position: round.upto, required };
    if let Some(shown) = shown.filter(|shown| shown.required == required) {
        now.position = now.position.max(shown.position);
        if (row.last_position <= shown.position && !became_whole) || round.upto <= shown.position {
            return Ok(Some((None, now)));
        }
    }
    let from = shown.map_or(Position::START, |shown| shown.position);
    let limit = usize::try_from(details.timeline_limit.min(LARGEST_LIMIT)).unwrap_or(1);
    let range = (from, round.upto);
    let choice = EventChoice::default().without(round.ignored.clone());
    let mut cut = last_events(round.parts, &round.snapshot, row, range, limit, &choice).await?;
    let view = round.parts.rooms.load(&round.snapshot, row.room_num).await?.view();
    let onlooker = Onlooker { parts: round.parts, snapshot: &round.snapshot, session: round.session, view: &view };
    if shown.is_none() {
        onlooker.keep_seen(row, &mut cut).await?;
    }
    let end = state_at(&round.snapshot, row, round.upto).await?;
    let start = match shown {
        // State that was not asked for before is sent whole.
        Some(shown) if shown.required == required => Some(state_at(&round.snapshot, row, shown.position).await?),
        _ => None,
    };
    let state = required_state(round, details, start, end, &cut.events).await?;
    let initial = shown.is_none();
    if !initial && cut.events.is_empty() && state.is_empty() && !became_whole {
        return Ok(Some((None, now)));
    }
    let mut answer = RoomAnswer { initial, limited: cut.limited, ..RoomAnswer::default() };
    for event in &state {
        answer.required_state.push(round.parts.presenter.in_sync(&round.snapshot, event, round.reader).await?);
    }
    answer.timeline = onlooker.present(&cut, cut.limited, round.reader).await?;
    let first = cut.events.first().and_then(|event| event.position);
    answer.prev_batch = Some(timeline_token(first.map_or(from, |position| Position(position.0 - 1))));
    let live = cut.events.iter().filter(|event| event.position > round.since);
    answer.num_live = Some(if round.since.is_some() { live.count() } else { 0 });
    let (user_num, last_position) = (round.session.user_num, row.last_position.min(round.upto));
    let places = (row.last_position, last_position);
    let written = read_by_writing(&round.snapshot, info, &view, user_num, places).await?;
    let read_position = row.turned_position.max(written);
    let asked = UnreadRequest { user_num, read_position, last_position, by_thread: false };
    let counts = unread(&round.snapshot, &round.parts.push, info, asked).await?;
    (answer.notification_count, answer.highlight_count) = (counts.notify, counts.highlight);
    answer.bump_stamp = Some(bump(&view, row));
    let told = initial || became_whole || state.iter().chain(&cut.events).any(|event| event.pdu.is_state());
    if told {
        describe(round, info, &view, end, &mut answer).await?;
    }
    Ok(Some((Some(answer), now)))
}

async fn invited(
    round: &Round<'_>,
    row: &RoomOfUser,
    required: u64,
    shown: Option<Shown>,
) -> Result<(Option<RoomAnswer>, Shown)> {
    let now = Shown { position: round.upto, required };
    if row.position > round.upto || shown.is_some_and(|shown| shown.position >= row.position) {
        return Ok((None, shown.unwrap_or(Shown { position: Position::START, required })));
    }
    let state = compute::stripped(round.parts, &round.snapshot, row).await?;
    let answer = RoomAnswer {
        initial: true,
        invite_state: Some(state.events),
        bump_stamp: Some(row.position.0),
        ..RoomAnswer::default()
    };
    Ok((Some(answer), now))
}

fn required_hash(details: &Details) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (kind, state_key) in &details.required_state {
        kind.to_string().hash(&mut hasher);
        state_key.hash(&mut hasher);
    }
    hasher.finish()
}

fn bump(view: &RoomView, row: &RoomOfUser) -> i64 {
    let newest = view.recent.iter().rev().find(|event| BUMPS.contains(&event.pdu.kind().to_string().as_str()));
    newest.and_then(|event| event.position).unwrap_or(row.turned_position).0
}

/// The state that is asked for: all of it, or what changed since `start`.
async fn required_state(
    round: &Round<'_>,
    details: &Details,
    start: Option<NodeNum>,
    end: NodeNum,
    timeline: &[Arc<Stored>],
) -> Result<Vec<Arc<Stored>>> {
    let (parts, snapshot) = (round.parts, &round.snapshot);
    let mut nums: HashSet<EventNum> = HashSet::new();
    let mut patterns: Vec<(&StateEventType, &str)> = Vec::new();
    let mut exact: Vec<(String, String)> = Vec::new();
    for (kind, state_key) in &details.required_state {
        let is_member = *kind == StateEventType::RoomMember;
        match state_key.as_str() {
            "$ME" => exact.push((kind.to_string(), round.session.user_id.to_string())),
            "$LAZY" if is_member => {
                let speakers: HashSet<&UserId> = timeline.iter().map(|event| event.pdu.sender()).collect();
                exact.extend(speakers.into_iter().map(|speaker| (kind.to_string(), speaker.to_string())));
            }
            "*" => patterns.push((kind, "*")),
            _ if kind.to_string() == "*" => patterns.push((kind, state_key)),
            _ => exact.push((kind.to_string(), state_key.clone())),
        }
    }
    let changed: Option<HashSet<EventNum>> = match start {
        Some(start) if start == end => Some(HashSet::new()),
        Some(start) => Some(parts.trees.added(snapshot, start, end).await?.into_iter().map(|(_, num)| num).collect()),
        None => None,
    };
    for (kind, state_key) in exact {
        let Some(key_num) = parts.keys.load(snapshot, &kind, &state_key).await? else { continue };
        if let Some(event_num) = parts.trees.get(snapshot, end, key_num).await? {
            // The members who speak are told again with what they say; other state only when it changed.
            let speaks =
                kind == "m.room.member" && timeline.iter().any(|event| event.pdu.sender().as_str() == state_key);
            if speaks || changed.as_ref().is_none_or(|changed| changed.contains(&event_num)) {
                nums.insert(event_num);
            }
        }
    }
    let mut nums: Vec<EventNum> = nums.into_iter().collect();
    if !patterns.is_empty() {
        let candidates = match changed {
            Some(changed) => changed.into_iter().collect(),
            None => parts.trees.all(snapshot, end).await?.into_iter().map(|(_, num)| num).collect::<Vec<_>>(),
        };
        for event in parts.events.load(snapshot, &candidates).await? {
            let (kind, state_key) = (event.pdu.kind().to_string(), event.pdu.state_key().unwrap_or_default());
            let fits = |(wanted, key): &(&StateEventType, &str)| {
                let wanted = wanted.to_string();
                (wanted == "*" || wanted == kind) && (*key == "*" || *key == state_key)
            };
            if patterns.iter().any(fits) {
                nums.push(event.event_num);
            }
        }
    }
    nums.sort_unstable();
    nums.dedup();
    parts.events.load(snapshot, &nums).await
}

/// The room's name and picture, or those whose names stand for it, and how many are there.
async fn describe(
    round: &Round<'_>,
    info: &RoomInfo,
    view: &RoomView,
    end: NodeNum,
    answer: &mut RoomAnswer,
) -> Result<()> {
    #[derive(Deserialize)]
    struct Name {
        name: Option<String>,
    }
    #[derive(Deserialize)]
    struct Avatar {
        url: Option<String>,
    }
    #[derive(Deserialize)]
    struct Member {
        displayname: Option<String>,
        avatar_url: Option<String>,
    }
    let find = async |kind: &str, state_key: &str| -> Result<Option<Arc<Stored>>> {
        let Some(key_num) = round.parts.keys.load(&round.snapshot, kind, state_key).await? else { return Ok(None) };
        let Some(num) = round.parts.trees.get(&round.snapshot, end, key_num).await? else { return Ok(None) };
        Ok(round.parts.events.load(&round.snapshot, &[num]).await?.into_iter().next())
    };
    let name =
        find("m.room.name", "").await?.and_then(|event| event.pdu.content_as::<Name>()).and_then(|name| name.name);
    answer.name = name.filter(|name| !name.is_empty());
    let avatar = find("m.room.avatar", "").await?.and_then(|event| event.pdu.content_as::<Avatar>());
    answer.avatar = avatar.and_then(|avatar| avatar.url);
    if answer.name.is_none() {
        let mut told = Vec::new();
        for user_id in heroes(round.parts, &round.snapshot, view, round.session.user_num).await? {
            let member = find("m.room.member", user_id.as_str()).await?;
            let member = member.and_then(|event| event.pdu.content_as::<Member>());
            let (mut displayname, mut avatar_url) =
                member.map_or((None, None), |member| (member.displayname, member.avatar_url));
            if let Some(shown) = round.parts.presenter.names().of(&round.snapshot, &user_id).await? {
                let text = |field: &str| shown.get(field).and_then(|value| value.as_str()).map(str::to_owned);
                displayname = displayname.or_else(|| text("displayname"));
                avatar_url = avatar_url.or_else(|| text("avatar_url"));
            }
            told.push(Hero { user_id, displayname, avatar_url });
        }
        answer.heroes = Some(told);
    }
    answer.joined_count = Some(view.joined_at_least());
    answer.invited_count = Some(view.invited);
    answer.is_dm = super::lists::direct_rooms(round).await?.contains(info.room_id.as_str()).then_some(true);
    Ok(())
}
