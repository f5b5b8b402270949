//! What is new for somebody's pusher: the events after a place in the stream that notify them, and how much is unread.
//!
//! The rules are asked as they are for the counts (`events/send/count.rs`), so what is pushed is what is counted.

use std::{collections::HashMap, sync::Arc};

use domicile_core::{
    clock::DAY_MS,
    ids::{Position, UserNum},
};
use domicile_room::push_rules::{Outcome, PushEvent, RoomFacts, evaluate_user};
use domicile_store::{
    Snapshot,
    table::{events as event_rows, push, pushers, sync as sync_rows},
};
use ruma::{OwnedUserId, push::Ruleset};

use super::{
    PushClasses, rules,
    unread::{UnreadRequest, read_by_writing, unread},
};
use crate::{
    Result,
    account_data::ignored::{Ignored, IgnoredUsers},
    events::{Events, Stored},
    rooms::{RoomInfo, RoomView, Rooms},
};

/// Events of one room that are looked at in one round.
const PAGE: i64 = 100;
/// Notifications of one round.
const ROUND: usize = 20;
/// What is older is not pushed any more: the gateway was away for too long.
const OLDEST_MS: i64 = DAY_MS;

/// What is needed to find what is new.
pub struct NewsParts {
    /// Events in memory.
    pub events: Arc<Events>,
    /// Rooms in memory.
    pub rooms: Arc<Rooms>,
    /// Classes of push rules.
    pub classes: Arc<PushClasses>,
    /// Who ignores whom.
    pub ignored: Arc<Ignored>,
}

/// Somebody whose rules decide.
pub(super) struct Judge {
    user_id: OwnedUserId,
    rules: Ruleset,
    /// The name that rules about it look for.
    name: String,
    ignored: IgnoredUsers,
}

/// An event that notifies.
pub(super) struct Notifying {
    /// Its place.
    pub(super) position: Position,
    /// The event.
    pub(super) event: Arc<Stored>,
    /// What the rules say.
    pub(super) outcome: Outcome,
}

/// What is new.
pub(super) struct News {
    /// Events that notify, the oldest first.
    pub(super) notifying: Vec<Notifying>,
    /// These are all up to here.
    pub(super) upto: Position,
    /// Whether there may be more after it.
    pub(super) more: bool,
}

/// Unread messages of all of a user's rooms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Badge {
    /// Those that notify.
    pub(super) unread: u64,
    /// Calls that rang and were not taken.
    pub(super) missed_calls: u64,
}

impl Judge {
    pub(super) async fn new(
        parts: &NewsParts,
        snapshot: &Snapshot,
        user_num: UserNum,
        user_id: OwnedUserId,
    ) -> Result<Self> {
        let (rules, changed) = rules::load_own(snapshot, user_num, &user_id).await?;
        let name = if changed { user_id.localpart().to_owned() } else { String::new() };
        Ok(Self { rules, name, ignored: parts.ignored.of(snapshot, user_num).await?, user_id })
    }

    /// What the rules say about an event in a room.
    pub(super) fn outcome(&self, event: &Stored, view: &RoomView) -> Outcome {
        let sender = event.pdu.sender();
        if sender == self.user_id || event.redacted_by.is_some() || self.ignored.has(sender) {
            return Outcome::default();
        }
        let room_id = &event.room.room_id;
        let Ok(asked) = PushEvent::new(&event.pdu, room_id) else { return Outcome::default() };
        let joined = u64::try_from(view.joined_at_least()).unwrap_or(u64::MAX);
        let facts = RoomFacts::new(room_id, joined, sender, &view.facts.power_levels);
        evaluate_user(&self.rules, &self.user_id, &self.name, &asked, &facts)
    }
}

/// How far somebody has read in a room.
pub(super) struct ReadUpTo {
    whole: Position,
    threads: HashMap<String, Position>,
}

impl ReadUpTo {
    pub(super) async fn load(
        snapshot: &Snapshot,
        user_num: UserNum,
        info: &RoomInfo,
        view: &RoomView,
        last_position: Position,
    ) -> Result<Self> {
        let places = (last_position, last_position);
        let whole = read_by_writing(snapshot, info, view, user_num, places).await?;
        let mut read = Self { whole, threads: HashMap::new() };
        for (thread, position) in push::read_to(snapshot, user_num, info.room_num).await? {
            if thread.is_empty() {
                read.whole = read.whole.max(position);
            } else {
                let known = read.threads.entry(thread).or_insert(position);
                *known = (*known).max(position);
            }
        }
        Ok(read)
    }

    /// Whether an event at a position was read; `thread` is the root's id.
    pub(super) fn has(&self, position: Position, thread: Option<&str>) -> bool {
        position <= self.whole || self.threads.get(thread.unwrap_or("main")).is_some_and(|read| position <= *read)
    }
}

/// The id of the root of the thread that an event is in.
pub(super) async fn thread_of(events: &Events, snapshot: &Snapshot, event: &Stored) -> Result<Option<String>> {
    let Some(root) = event.thread_num else { return Ok(None) };
    Ok(events.load(snapshot, &[root]).await?.first().map(|root| root.event_id().to_string()))
}

/// What is new after a place.
pub(super) async fn news(
    parts: &NewsParts,
    snapshot: &Snapshot,
    judge: &Judge,
    user_num: UserNum,
    after: Position,
    now_ms: i64,
) -> Result<News> {
    let head = snapshot.head().await?;
    let mut news = News { notifying: Vec::new(), upto: head, more: false };
    if after >= head {
        return Ok(news);
    }
    for row in sync_rows::rooms_of_user(snapshot, user_num, after).await? {
        let candidates = match row.membership.as_str() {
            "join" => {
                let from = after.max(row.turned_position);
                let rows = event_rows::forwards(snapshot, row.room_num, from, head, PAGE).await?;
                if rows.len() == usize::try_from(PAGE).unwrap_or(usize::MAX) {
                    let last = rows.last().and_then(|last| last.position).unwrap_or(head);
                    news.upto = news.upto.min(last);
                    news.more = true;
                }
                let mut events = Vec::with_capacity(rows.len());
                for row in rows {
                    events.push(parts.events.stored(snapshot, row).await?);
                }
                events
            }
            "invite" if row.position > after => parts.events.load(snapshot, &[row.event_num]).await?,
            _ => continue,
        };
        if candidates.is_empty() {
            continue;
        }
        let view = parts.rooms.load(snapshot, row.room_num).await?.view();
        let info = parts.events.room_info(snapshot, row.room_num).await?;
        let read = ReadUpTo::load(snapshot, user_num, &info, &view, row.last_position).await?;
        for event in candidates {
            let Some(position) = event.position else { continue };
            let sent_ms = i64::from(event.pdu.origin_server_ts().0);
            if sent_ms < now_ms - OLDEST_MS {
                continue;
            }
            let outcome = judge.outcome(&event, &view);
            if !outcome.notify {
                continue;
            }
            let thread = thread_of(&parts.events, snapshot, &event).await?;
            // What was not counted when it came is not pushed when somebody is ignored no longer.
            if !read.has(position, thread.as_deref())
                && !push::was_muted(snapshot, user_num, row.room_num, position).await?
            {
                news.notifying.push(Notifying { position, event, outcome });
            }
        }
    }
    news.notifying.retain(|found| found.position <= news.upto);
    news.notifying.sort_by_key(|found| found.position);
    if news.notifying.len() > ROUND {
        news.notifying.truncate(ROUND);
        news.upto = news.notifying.last().map_or(news.upto, |last| last.position);
        news.more = true;
    }
    Ok(news)
}

/// How much is unread in all of a user's rooms. Rooms that were read to their end cost nothing.
pub(super) async fn badge(
    parts: &NewsParts,
    snapshot: &Snapshot,
    user_num: UserNum,
    user_id: &ruma::UserId,
) -> Result<Badge> {
    let mut badge = Badge::default();
    for (room_num, joined_position, last_position) in pushers::unread_rooms(snapshot, user_num).await? {
        let info = parts.events.room_info(snapshot, room_num).await?;
        let view = parts.rooms.load(snapshot, room_num).await?.view();
        let places = (last_position, last_position);
        let written = read_by_writing(snapshot, &info, &view, user_num, places).await?;
        let read_position = joined_position.max(written);
        if read_position >= last_position {
            continue;
        }
        // By thread, so that what was read with a receipt for a thread alone is read here, too.
        let request = UnreadRequest { user_num, read_position, last_position, by_thread: true };
        let counts = unread(snapshot, &parts.classes, &info, request).await?;
        badge.unread += counts.notify + counts.threads.values().map(|(notify, _)| notify).sum::<u64>();
        if view.recent.iter().any(|event| is_call(event)) {
            let read = ReadUpTo::load(snapshot, user_num, &info, &view, last_position).await?;
            badge.missed_calls += missed_calls(&view, &read, joined_position, user_id);
        }
    }
    Ok(badge)
}

fn is_call(event: &Stored) -> bool {
    event.pdu.kind().to_string() == "m.call.invite"
}

/// Calls among a room's last events that somebody else began, and the user neither read nor answered on any device.
fn missed_calls(view: &RoomView, read: &ReadUpTo, joined: Position, user_id: &ruma::UserId) -> u64 {
    #[derive(serde::Deserialize)]
    struct Call {
        call_id: String,
    }
    let call_id = |event: &Stored| event.pdu.content_as::<Call>().map(|call| call.call_id);
    let mut missed: Vec<String> = Vec::new();
    for event in &view.recent {
        let Some(position) = event.position.filter(|position| *position > joined) else { continue };
        let (kind, mine) = (event.pdu.kind().to_string(), event.pdu.sender() == user_id);
        if kind == "m.call.invite" && !mine && !read.has(position, None) {
            missed.extend(call_id(event));
        } else if mine && matches!(kind.as_str(), "m.call.answer" | "m.call.reject" | "m.call.hangup") {
            let answered = call_id(event);
            missed.retain(|known| Some(known) != answered.as_ref());
        }
    }
    missed.len() as u64
}
