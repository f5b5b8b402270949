//! The one task that hears the bell: it knows who has a round, who is to have another, and who rests.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use domicile_core::{
    clock::{MINUTE_MS, SECOND_MS},
    ids::{DestinationNum, Position, RoomNum, UserNum},
};
use domicile_store::{
    StoreError,
    table::{destinations, outgoing_events},
};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::{
    Outbound,
    memory::Memory,
    rest,
    round::{Ended, UNWRITTEN},
};
use crate::{Error, Result, federation::bell::Rung};

/// Destinations that are read at once at the start.
const PAGE: i64 = 1_000;
/// How often those who rest or wait are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// Destinations that are looked at without a ring, in each such time.
const UNRUNG: usize = 200;
/// How often all destinations are looked at without a ring: one may have been lost.
const SWEEP_MS: i64 = 15 * MINUTE_MS;
/// How long a round waits that failed here and not at the destination.
const PAUSE_MS: i64 = 30 * SECOND_MS;
/// How long a receipt waits for others, for each destination of its room, and at most.
const READ_MS: i64 = 50;
const READ_LONGEST_MS: i64 = 30 * SECOND_MS;
/// Rooms with more destinations are too large for anybody to want to see who types.
const TYPING_DESTINATIONS: usize = 100;
/// How often presence is told, and of how many people at once.
const PRESENCE_MS: i64 = 5 * SECOND_MS;
const PRESENCE: usize = 500;

/// A destination that rests.
#[derive(Clone, Copy)]
struct Rest {
    due_ms: i64,
    begun_ms: i64,
}

/// Who does what, in the one task.
#[derive(Default)]
struct Schedule {
    rounds: JoinSet<(DestinationNum, Ended)>,
    running: HashSet<DestinationNum>,
    /// Those to be begun again at the end of their round.
    again: HashSet<DestinationNum>,
    resting: HashMap<DestinationNum, Rest>,
    due: BTreeSet<(i64, DestinationNum)>,
    /// Those that are looked at without a ring.
    unrung: VecDeque<DestinationNum>,
    /// Rooms with receipts, by when they are told.
    read: BTreeSet<(i64, RoomNum)>,
    reading: HashSet<RoomNum>,
    presence: BTreeSet<UserNum>,
    presence_ms: i64,
    sweep_ms: i64,
}

impl Outbound {
    /// Tells until the server stops. What was not told before it started comes first.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let mut schedule = Schedule::default();
        while let Err(error) = self.load(&mut schedule).await {
            tracing::warn!(%error, "the destinations could not be read");
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(LOOK * 10) => {}
            }
        }
        // Not a sleep of its own in each turn: while bells ring more often than that, none would ever end.
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopping.cancelled() => break,
                rung = self.parts.bell.heard() => self.hear(&mut schedule, rung, &stopping).await,
                Some(ended) = schedule.rounds.join_next() => {
                    if let Ok((destination_num, ended)) = ended {
                        self.ended(&mut schedule, destination_num, ended, &stopping);
                    }
                }
                _ = looks.tick() => self.look(&mut schedule, &stopping).await,
            }
        }
        // What was taken is noted before the database closes.
        while schedule.rounds.join_next().await.is_some() {}
        self.places.all_settled().await;
    }

    /// Finds out who is behind, and who rests.
    async fn load(&self, schedule: &mut Schedule) -> Result<()> {
        let now_ms = self.parts.clock.now_ms();
        schedule.sweep_ms = now_ms + SWEEP_MS;
        let mut after = DestinationNum(0);
        loop {
            let read = self.parts.store.read(move |snapshot| async move {
                Ok::<_, StoreError>((destinations::page(&snapshot, after, PAGE).await?, snapshot.head().await?))
            });
            let (page, head) = read.await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.destination_num;
            for row in page {
                let destination_num = row.destination_num;
                if self.memories.get(destination_num).is_none() {
                    self.memories.set(destination_num, Memory::new(&row));
                }
                match row.retry_ts.filter(|retry_ms| *retry_ms > now_ms) {
                    Some(due_ms) => {
                        let destination = row.destination.parse().map_err(Error::internal)?;
                        self.parts.bell.resting.add(destination, destination_num);
                        schedule.rest(destination_num, due_ms, now_ms);
                    }
                    None if row.position < head => schedule.unrung.push_back(destination_num),
                    None => {}
                }
            }
        }
    }

    async fn hear(self: &Arc<Self>, schedule: &mut Schedule, rung: Rung, stopping: &CancellationToken) {
        let now_ms = self.parts.clock.now_ms();
        for destination_num in rung.destinations {
            self.begin(schedule, destination_num, stopping);
        }
        for (destination_num, at_once) in rung.awake {
            self.rouse(schedule, destination_num, at_once, stopping);
        }
        for room_num in rung.rooms {
            for destination_num in self.destinations_of(room_num).await {
                self.begin(schedule, destination_num, stopping);
            }
        }
        for ((room_num, user_num), typing) in rung.typing {
            let destinations = self.destinations_of(room_num).await;
            if destinations.len() > TYPING_DESTINATIONS {
                continue;
            }
            for destination_num in destinations {
                if !schedule.resting.contains_key(&destination_num) {
                    self.buffer.typing(destination_num, room_num, user_num, typing);
                    self.begin(schedule, destination_num, stopping);
                }
            }
        }
        for room_num in rung.read {
            if schedule.reading.insert(room_num) {
                let destinations = i64::try_from(self.destinations_of(room_num).await.len()).unwrap_or(i64::MAX);
                let wait_ms = destinations.saturating_mul(READ_MS).min(READ_LONGEST_MS);
                schedule.read.insert((now_ms + wait_ms, room_num));
            }
        }
        if self.parts.settings.presence {
            schedule.presence.extend(rung.presence);
        }
        if !rung.devices.is_empty() {
            for (_, destination_num) in self.shared_with(rung.devices.into_iter().collect()).await {
                self.begin(schedule, destination_num, stopping);
            }
        }
    }

    /// Does what time alone does.
    async fn look(self: &Arc<Self>, schedule: &mut Schedule, stopping: &CancellationToken) {
        let now_ms = self.parts.clock.now_ms();
        while let Some((_, destination_num)) = schedule.due.first().copied().filter(|due| due.0 <= now_ms) {
            schedule.wake(destination_num);
            self.begin(schedule, destination_num, stopping);
        }
        while let Some((due_ms, room_num)) = schedule.read.first().copied().filter(|due| due.0 <= now_ms) {
            schedule.read.remove(&(due_ms, room_num));
            schedule.reading.remove(&room_num);
            for destination_num in self.destinations_of(room_num).await {
                self.begin(schedule, destination_num, stopping);
            }
        }
        if !schedule.presence.is_empty() && schedule.presence_ms <= now_ms {
            schedule.presence_ms = now_ms + PRESENCE_MS;
            self.spread_presence(schedule, stopping).await;
        }
        if schedule.sweep_ms <= now_ms {
            schedule.sweep_ms = now_ms + SWEEP_MS;
            self.sweep(schedule).await;
        }
        for _ in 0..UNRUNG {
            let Some(destination_num) = schedule.unrung.pop_front() else { break };
            self.begin(schedule, destination_num, stopping);
        }
    }

    /// Notes for each destination whose presence changed that its users may see.
    async fn spread_presence(self: &Arc<Self>, schedule: &mut Schedule, stopping: &CancellationToken) {
        let mut users = Vec::new();
        while users.len() < PRESENCE
            && let Some(user_num) = schedule.presence.pop_first()
        {
            users.push(user_num);
        }
        let mut told = BTreeSet::new();
        for (user_num, destination_num) in self.shared_with(users).await {
            if !schedule.resting.contains_key(&destination_num) {
                self.buffer.presence(destination_num, user_num);
                told.insert(destination_num);
            }
        }
        for destination_num in told {
            self.begin(schedule, destination_num, stopping);
        }
    }

    /// The destinations that share rooms with each of some users.
    async fn shared_with(&self, users: Vec<UserNum>) -> Vec<(UserNum, DestinationNum)> {
        let read = self.parts.store.read(move |snapshot| async move { destinations::of_users(&snapshot, users).await });
        read.await.unwrap_or_else(|error| {
            tracing::warn!(%error, "it could not be read who shares rooms with whom");
            Vec::new()
        })
    }

    /// Has everybody looked at who may have missed a ring, and whose place on disk is far behind.
    async fn sweep(&self, schedule: &mut Schedule) {
        let read = self.parts.store.read(|snapshot| async move {
            Ok::<_, StoreError>((snapshot.head().await?, outgoing_events::last(&snapshot).await?))
        });
        match read.await {
            Ok((head, last)) => {
                let upto = last.max(Position(head.0.saturating_sub(UNWRITTEN)));
                schedule.unrung.extend(self.memories.before(upto));
            }
            Err(error) => tracing::warn!(%error, "the head of the stream could not be read"),
        }
    }

    /// The destinations of a room.
    async fn destinations_of(&self, room_num: RoomNum) -> Vec<DestinationNum> {
        if let Some(room) = self.parts.rooms.in_memory(room_num) {
            return room.view().destinations.keys().copied().collect();
        }
        let read =
            self.parts.store.read(move |snapshot| async move { destinations::of_room(&snapshot, room_num).await });
        match read.await {
            Ok(found) => found.into_iter().map(|(destination_num, _)| destination_num).collect(),
            Err(error) => {
                tracing::warn!(%error, "the destinations of a room could not be read");
                Vec::new()
            }
        }
    }

    fn begin(self: &Arc<Self>, schedule: &mut Schedule, destination_num: DestinationNum, stopping: &CancellationToken) {
        if schedule.resting.contains_key(&destination_num) {
            return;
        }
        if !schedule.running.insert(destination_num) {
            schedule.again.insert(destination_num);
            return;
        }
        let (this, stopping) = (Arc::clone(self), stopping.clone());
        schedule.rounds.spawn(async move {
            let ended = this.round(destination_num, &stopping).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "what a destination is to be told could not be read or noted");
                Ended::Later(this.parts.clock.now_ms() + PAUSE_MS)
            });
            (destination_num, ended)
        });
    }

    fn ended(
        self: &Arc<Self>,
        schedule: &mut Schedule,
        destination_num: DestinationNum,
        ended: Ended,
        stopping: &CancellationToken,
    ) {
        schedule.running.remove(&destination_num);
        let again = schedule.again.remove(&destination_num);
        match ended {
            Ended::Done if again => self.begin(schedule, destination_num, stopping),
            Ended::Done | Ended::Stopped => {}
            // What was rung for meanwhile is found then, too.
            Ended::Later(due_ms) => schedule.rest(destination_num, due_ms, self.parts.clock.now_ms()),
            Ended::Rests(destination, due_ms) => {
                schedule.rest(destination_num, due_ms, self.parts.clock.now_ms());
                self.parts.bell.resting.add(destination, destination_num);
            }
        }
    }

    /// Ends a destination's rest: at once, or, because it was heard from, not too soon after it was last tried.
    fn rouse(
        self: &Arc<Self>,
        schedule: &mut Schedule,
        destination_num: DestinationNum,
        at_once: bool,
        stopping: &CancellationToken,
    ) {
        let now_ms = self.parts.clock.now_ms();
        match schedule.resting.get(&destination_num).copied() {
            Some(rest) if !at_once && rest.begun_ms + rest::HEARD_MS > now_ms => {
                schedule.wake(destination_num);
                let due_ms = rest.due_ms.min(rest.begun_ms + rest::HEARD_MS);
                schedule.rest(destination_num, due_ms, rest.begun_ms);
            }
            _ => {
                schedule.wake(destination_num);
                self.begin(schedule, destination_num, stopping);
            }
        }
    }
}

impl Schedule {
    fn rest(&mut self, destination_num: DestinationNum, due_ms: i64, begun_ms: i64) {
        self.wake(destination_num);
        self.resting.insert(destination_num, Rest { due_ms, begun_ms });
        self.due.insert((due_ms, destination_num));
    }

    fn wake(&mut self, destination_num: DestinationNum) {
        if let Some(rest) = self.resting.remove(&destination_num) {
            self.due.remove(&(rest.due_ms, destination_num));
        }
    }
}
