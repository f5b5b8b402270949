//! Past notifications: computed when somebody asks, from the events themselves. Nothing is written for them when a message is sent.

use std::{
    collections::{BTreeMap, BinaryHeap},
    sync::Arc,
};

use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    ids::{Position, UserNum},
};
use domicile_room::push_rules::Outcome;
use domicile_store::{
    Snapshot, Store,
    table::{
        events as event_rows,
        sync::{self, RoomOfUser},
    },
};
use ruma::OwnedRoomId;
use serde::Serialize;
use serde_json::{Value, json, value::RawValue};

use super::{
    NewsParts,
    news::{Judge, ReadUpTo, thread_of},
};
use crate::{
    Result,
    accounts::Session,
    events::{Presenter, Reader, Stored},
    rooms::RoomView,
};

/// Notifications of a page when the client does not say, and at most.
const DEFAULT_LIMIT: usize = 50;
const LARGEST_LIMIT: usize = 200;
/// Events that are looked at for one page.
const LOOKED_AT: usize = 2_000;
/// Events of a room that are read at once.
const PAGE: usize = 50;

/// A past notification.
#[derive(Debug, Serialize)]
pub struct Notification {
    actions: Value,
    event: Box<RawValue>,
    read: bool,
    room_id: OwnedRoomId,
    ts: i64,
}

/// A page of them.
#[derive(Debug, Default, Serialize)]
pub struct NotificationPage {
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_token: Option<String>,
    /// The newest first.
    pub notifications: Vec<Notification>,
}

/// Past notifications.
pub struct Notifications {
    store: Store,
    clock: Arc<dyn Clock>,
    news: Arc<NewsParts>,
    presenter: Arc<Presenter>,
}

/// A room that is read backwards.
struct Walk {
    view: Arc<RoomView>,
    read: ReadUpTo,
}

/// An event that notified.
struct Hit {
    event: Arc<Stored>,
    outcome: Outcome,
    read: bool,
}

/// All of a user's rooms, read backwards together.
struct Scan<'a> {
    parts: &'a NewsParts,
    snapshot: &'a Snapshot,
    judge: Judge,
    user_num: UserNum,
    highlights: bool,
    /// Where each room is to be read next: the one that may hold the newest event comes first.
    turns: BinaryHeap<(i64, usize)>,
    /// The rooms; one is opened when its turn comes.
    rooms: Vec<(RoomOfUser, Option<Walk>)>,
    /// What was found and not told yet, by position.
    hits: BTreeMap<i64, Hit>,
    looked: usize,
}

impl Notifications {
    /// Over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, news: Arc<NewsParts>, presenter: Arc<Presenter>) -> Self {
        Self { store, clock, news, presenter }
    }

    /// What notified a user, the newest first. `from` is the token of an earlier page. A page may be short: what is looked at for it is bounded.
    pub async fn page(
        &self,
        by: &Session,
        from: Option<&str>,
        limit: Option<u64>,
        highlights: bool,
    ) -> Result<NotificationPage> {
        let wrong = |from: &str| ErrorKind::InvalidParam.with(format!("`{from}` is no token of this server."));
        let from = from.map(|from| from.parse().map(Position).map_err(|_| wrong(from))).transpose()?;
        let limit = limit.map_or(DEFAULT_LIMIT, |limit| usize::try_from(limit).unwrap_or(LARGEST_LIMIT));
        let limit = limit.clamp(1, LARGEST_LIMIT);
        let (parts, presenter, by) = (Arc::clone(&self.news), Arc::clone(&self.presenter), by.clone());
        let reader = Reader { user_num: by.user_num, device_num: by.device_num, now_ms: self.clock.now_ms() };
        self.store
            .read(move |snapshot| async move {
                let upto = from.unwrap_or(snapshot.head().await?);
                let mut scan = Scan::new(&parts, &snapshot, &by, upto, highlights).await?;
                let mut page = NotificationPage::default();
                while page.notifications.len() < limit {
                    if let Some((position, hit)) = scan.ready() {
                        page.next_token = Some((position - 1).to_string());
                        page.notifications.push(Notification {
                            event: presenter.in_sync(&snapshot, &hit.event, reader).await?,
                            actions: actions(&hit.outcome),
                            read: hit.read,
                            room_id: hit.event.room.room_id.clone(),
                            ts: i64::from(hit.event.pdu.origin_server_ts().0),
                        });
                    } else if let Some((at, index)) = scan.turns.pop() {
                        if scan.looked >= LOOKED_AT {
                            // Everything after `at` was looked at and told.
                            page.next_token = Some(at.to_string());
                            return Ok(page);
                        }
                        scan.look(at, index).await?;
                    } else {
                        page.next_token = None;
                        return Ok(page);
                    }
                }
                Ok(page)
            })
            .await
    }
}

impl<'a> Scan<'a> {
    async fn new(
        parts: &'a NewsParts,
        snapshot: &'a Snapshot,
        by: &Session,
        upto: Position,
        highlights: bool,
    ) -> Result<Self> {
        let judge = Judge::new(parts, snapshot, by.user_num, by.user_id.clone()).await?;
        let rows = sync::rooms_of_user(snapshot, by.user_num, Position(-1)).await?;
        let rooms: Vec<_> = rows.into_iter().filter(|row| row.membership == "join").map(|row| (row, None)).collect();
        let turns = rooms.iter().enumerate().map(|(index, (row, _))| (row.last_position.min(upto).0, index)).collect();
        let hits = BTreeMap::new();
        Ok(Self { parts, snapshot, judge, user_num: by.user_num, highlights, turns, rooms, hits, looked: 0 })
    }

    /// The newest of what was found, once no room can have anything newer.
    fn ready(&mut self) -> Option<(i64, Hit)> {
        let newest = *self.hits.last_key_value()?.0;
        if self.turns.peek().is_some_and(|(turn, _)| *turn >= newest) {
            return None;
        }
        self.hits.pop_last()
    }

    /// Reads on in a room, from a position backwards.
    async fn look(&mut self, at: i64, index: usize) -> Result<()> {
        let (parts, snapshot, user_num) = (self.parts, self.snapshot, self.user_num);
        let (row, walk) = &mut self.rooms[index];
        let walk = if let Some(walk) = walk {
            walk
        } else {
            let view = parts.rooms.load(snapshot, row.room_num).await?.view();
            let info = parts.events.room_info(snapshot, row.room_num).await?;
            let read = ReadUpTo::load(snapshot, user_num, &info, &view, row.last_position).await?;
            walk.insert(Walk { view, read })
        };
        let size = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let events = event_rows::backwards(snapshot, row.room_num, row.turned_position, Position(at), size).await?;
        self.looked += events.len().max(1);
        if let Some(last) = events.last().and_then(|last| last.position).filter(|_| events.len() == PAGE) {
            self.turns.push((last.0 - 1, index));
        }
        for event in events {
            let event = parts.events.stored(snapshot, event).await?;
            let outcome = self.judge.outcome(&event, &walk.view);
            let Some(position) = event.position else { continue };
            if outcome.notify && (outcome.highlight || !self.highlights) {
                let thread = thread_of(&parts.events, snapshot, &event).await?;
                let read = walk.read.has(position, thread.as_deref());
                self.hits.insert(position.0, Hit { event, outcome, read });
            }
        }
        Ok(())
    }
}

/// The actions of which an outcome was made.
fn actions(outcome: &Outcome) -> Value {
    let tweaks = outcome.tweaks.iter().map(|(name, value)| json!({ "set_tweak": name, "value": value }));
    std::iter::once(json!("notify")).chain(tweaks).collect()
}
