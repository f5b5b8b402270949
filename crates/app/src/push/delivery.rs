//! Delivery: a pusher is a reader, like a `/sync` that waits. It has its place in the stream on disk, is told by the bell that something may
//! be new, reads from there what notifies its user, and moves on when the gateway has taken it.
//!
//! One task listens to the bell and starts rounds; a pusher has one round at a time. A round that fails is begun again when its gateway has
//! rested. After a crash a pusher may be told something twice (the event's id says so), and nothing is left out.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use domicile_core::{
    clock::Clock,
    ids::{Position, UserNum},
};
use domicile_egress::{
    Client,
    push_gateway::{self, GatewayUrl, PushError},
};
use domicile_store::{
    Batch, Keystore, Store,
    table::pushers::{self as rows, Pusher as Row},
};
use parking_lot::Mutex;
use ruma::{OwnedUserId, api::client::push::PusherKind};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{
    Gateways, NewsParts, PushBell,
    gateways::rest_ms,
    news::{self, Badge, Judge},
    notification::{self, Names},
    pushers::{self, Details},
};
use crate::{
    Error, Result,
    accounts::Users,
    rooms::{StateKeys, StateTrees},
};

/// Pushers that are read at once at the start.
const PAGE: i64 = 1_000;
/// A place that has moved so far without a notification is written, so that a start does not read all of it again.
const UNWRITTEN: i64 = 5_000;
/// How often those who rest are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a round waits that failed here and not at the gateway.
const PAUSE_MS: i64 = 30_000;

/// What delivery is made of.
pub struct DeliveryParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The keys of people's own.
    pub keystore: Arc<Keystore>,
    /// Asks gateways.
    pub client: Client,
    /// Says that something may be new.
    pub bell: Arc<PushBell>,
    /// The gateways.
    pub gateways: Arc<Gateways>,
    /// Finds what is new.
    pub news: Arc<NewsParts>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Interned state keys.
    pub keys: Arc<StateKeys>,
    /// State trees.
    pub trees: Arc<StateTrees>,
}

/// What is remembered of a pusher between rounds.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    /// Up to here it has been read, which may be further than what is on disk.
    position: Position,
    /// The count that the gateway was told last.
    badge: Option<Badge>,
    /// Failures in a row that are the pusher's own.
    failures: u32,
}

/// How a round ended.
enum Ended {
    /// There is nothing more to tell.
    Done,
    /// It is to be begun again then.
    Later(i64),
    /// The pusher is gone.
    Gone,
}

/// The delivery of notifications.
pub struct Delivery {
    parts: DeliveryParts,
    memory: Mutex<HashMap<i64, Memory>>,
}

/// A pusher with what is needed for a round.
struct Reading {
    row: Row,
    user_id: OwnedUserId,
    details: Details,
    gateway: GatewayUrl,
}

/// What is waiting and running, in the one task that listens.
#[derive(Default)]
struct Schedule {
    rounds: JoinSet<(i64, UserNum, Ended)>,
    running: HashSet<i64>,
    /// Those to be begun again at the end of their round.
    again: HashSet<i64>,
    later: BTreeSet<(i64, i64, UserNum)>,
}

impl Delivery {
    /// Of its parts.
    pub fn new(parts: DeliveryParts) -> Self {
        Self { parts, memory: Mutex::default() }
    }

    /// Delivers until the server stops. What was not delivered before it started comes first.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        while let Err(error) = self.load().await {
            tracing::warn!(%error, "the pushers could not be read");
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        let mut schedule = Schedule::default();
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.parts.bell.rung() => self.hear(&mut schedule).await,
                Some(ended) = schedule.rounds.join_next() => {
                    if let Ok((pusher_num, user_num, ended)) = ended {
                        self.ended(&mut schedule, pusher_num, user_num, &ended);
                    }
                }
                () = tokio::time::sleep(LOOK), if !schedule.later.is_empty() => {}
            }
            let now_ms = self.parts.clock.now_ms();
            while let Some(due) = schedule.later.first().copied().filter(|due| due.0 <= now_ms) {
                schedule.later.remove(&due);
                self.begin(&mut schedule, due.1, due.2);
            }
        }
    }

    /// Rings for every pusher there is.
    async fn load(&self) -> Result<()> {
        let mut after = i64::MIN;
        loop {
            let page =
                self.parts.store.read(move |snapshot| async move { rows::page(&snapshot, after, PAGE).await }).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = *last;
            for (pusher_num, user_num) in page {
                self.parts.bell.add(user_num, pusher_num);
            }
        }
    }

    async fn hear(self: &Arc<Self>, schedule: &mut Schedule) {
        let rings = self.parts.bell.take();
        let mut users = rings.users;
        for room_num in rings.rooms {
            match self.parts.news.rooms.by_num(room_num).await {
                Ok(room) => {
                    let view = room.view();
                    let among = self.parts.bell.among(
                        view.joined,
                        || view.joined_members(),
                        |user_num| view.is_joined(user_num),
                    );
                    users.extend(among);
                }
                Err(error) => tracing::warn!(%error, "a room that somebody is to be notified of cannot be read"),
            }
        }
        for user_num in users {
            for pusher_num in self.parts.bell.pushers(user_num) {
                self.begin(schedule, pusher_num, user_num);
            }
        }
    }

    fn begin(self: &Arc<Self>, schedule: &mut Schedule, pusher_num: i64, user_num: UserNum) {
        if schedule.running.insert(pusher_num) {
            let this = Arc::clone(self);
            schedule.rounds.spawn(async move {
                let ended = this.round(pusher_num).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "a notification could not be made");
                    Ended::Later(this.parts.clock.now_ms() + PAUSE_MS)
                });
                (pusher_num, user_num, ended)
            });
        } else {
            schedule.again.insert(pusher_num);
        }
    }

    fn ended(self: &Arc<Self>, schedule: &mut Schedule, pusher_num: i64, user_num: UserNum, ended: &Ended) {
        schedule.running.remove(&pusher_num);
        let again = schedule.again.remove(&pusher_num);
        match ended {
            Ended::Done if again => self.begin(schedule, pusher_num, user_num),
            Ended::Done => {}
            // What was rung for meanwhile is found then, too.
            Ended::Later(due_ms) => drop(schedule.later.insert((*due_ms, pusher_num, user_num))),
            Ended::Gone => {
                self.memory.lock().remove(&pusher_num);
                self.parts.bell.remove(user_num, pusher_num);
            }
        }
    }

    /// Tells one gateway everything that is new for one pusher.
    async fn round(&self, pusher_num: i64) -> Result<Ended> {
        let Some(reading) = self.open(pusher_num).await? else { return Ok(Ended::Gone) };
        let turn = match self.parts.gateways.turn(reading.gateway.host()).await {
            Ok(turn) => turn,
            Err(due_ms) => return Ok(Ended::Later(due_ms)),
        };
        let mut memory = self.memory.lock().get(&pusher_num).copied().unwrap_or_default();
        memory.position = memory.position.max(reading.row.position);
        let mut written = reading.row.position;
        loop {
            let (news, badge) = self.read(&reading, memory.position).await?;
            for (position, told) in news.told {
                if let Some(ended) = self.tell(&reading, &mut memory, &told).await? {
                    return Ok(ended);
                }
                memory.badge = Some(badge);
                self.move_on(pusher_num, &mut memory, position, &mut written, true).await?;
            }
            self.move_on(pusher_num, &mut memory, news.upto, &mut written, false).await?;
            if news.more {
                continue;
            }
            // Somebody has read what was counted: the number on the screen is told to sink. What it is when we begin is taken as told.
            if memory.badge.is_some_and(|known| known != badge) {
                let told = notification::of_badge(&reading.details, badge);
                if let Some(ended) = self.tell(&reading, &mut memory, &told).await? {
                    return Ok(ended);
                }
            }
            memory.badge = Some(badge);
            self.memory.lock().insert(pusher_num, memory);
            drop(turn);
            return Ok(Ended::Done);
        }
    }

    async fn move_on(
        &self,
        pusher_num: i64,
        memory: &mut Memory,
        position: Position,
        written: &mut Position,
        told: bool,
    ) -> Result<()> {
        memory.position = memory.position.max(position);
        self.memory.lock().insert(pusher_num, *memory);
        if told || memory.position.0 - written.0 > UNWRITTEN {
            let mut batch = Batch::new();
            rows::told(&mut batch, pusher_num, memory.position);
            self.parts.store.write(batch).await?;
            *written = memory.position;
        }
        Ok(())
    }

    /// A pusher, unless it is gone, or its owner's key is.
    async fn open(&self, pusher_num: i64) -> Result<Option<Reading>> {
        let row = self.parts.store.read(move |snapshot| async move { rows::one(&snapshot, pusher_num).await }).await?;
        let Some(row) = row else { return Ok(None) };
        let details = match pushers::open(&self.parts.keystore, &row).await {
            Ok(details) => details,
            Err(Error::Store(domicile_store::StoreError::Sealed(_))) => return Ok(None),
            Err(error) => return Err(error),
        };
        let PusherKind::Http(data) = &details.pusher.kind else { return Ok(None) };
        let Some(gateway) = GatewayUrl::parse(&data.url) else { return Ok(None) };
        let user_id = self.parts.users.id(row.user_num).await?;
        Ok(Some(Reading { row, user_id, details, gateway }))
    }

    async fn read(&self, reading: &Reading, after: Position) -> Result<(Page, Badge)> {
        let (parts, now_ms) = (Arc::clone(&self.parts.news), self.parts.clock.now_ms());
        let (keys, trees) = (Arc::clone(&self.parts.keys), Arc::clone(&self.parts.trees));
        let (user_num, user_id, details) = (reading.row.user_num, reading.user_id.clone(), reading.details.clone());
        self.parts
            .store
            .read(move |snapshot| async move {
                let judge = Judge::new(&parts, &snapshot, user_num, user_id.clone()).await?;
                let news = news::news(&parts, &snapshot, &judge, user_num, after, now_ms).await?;
                let badge = news::badge(&parts, &snapshot, user_num, &user_id).await?;
                let names = Names { events: &parts.events, keys: &keys, trees: &trees };
                let mut told = Vec::with_capacity(news.notifying.len());
                for found in &news.notifying {
                    let json = notification::of_event(&names, &snapshot, &details, &user_id, found, badge).await?;
                    told.push((found.position, json));
                }
                Ok((Page { told, upto: news.upto, more: news.more }, badge))
            })
            .await
    }

    /// Tells a gateway one thing. None: it was taken, go on.
    async fn tell(&self, reading: &Reading, memory: &mut Memory, told: &Value) -> Result<Option<Ended>> {
        let (gateways, host) = (&self.parts.gateways, reading.gateway.host());
        let pusher_num = reading.row.pusher_num;
        match push_gateway::notify(&self.parts.client, &reading.gateway, told).await {
            Ok(rejected) => {
                gateways.answered(host);
                memory.failures = 0;
                if rejected.contains(&reading.details.pusher.ids.pushkey) {
                    gateways.count("rejected");
                    let mut batch = Batch::new();
                    rows::remove(&mut batch, pusher_num);
                    self.parts.store.write(batch).await?;
                    return Ok(Some(Ended::Gone));
                }
                gateways.count("sent");
                Ok(None)
            }
            Err(error) => {
                gateways.count(error.word());
                // An error that the gateway finds with this one request says nothing about others.
                let own = matches!(&error, PushError::Status(status) if (400..500).contains(status) && *status != 429);
                let due_ms = if own {
                    gateways.answered(host);
                    memory.failures = memory.failures.saturating_add(1);
                    self.parts.clock.now_ms() + rest_ms(memory.failures)
                } else {
                    gateways.failed(host)
                };
                self.memory.lock().insert(pusher_num, *memory);
                Ok(Some(Ended::Later(due_ms)))
            }
        }
    }
}

/// Notifications ready to be sent.
struct Page {
    told: Vec<(Position, Value)>,
    upto: Position,
    more: bool,
}
