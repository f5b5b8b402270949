//! Presence: who is online, seen by those who share a room.
//!
//! [`Presence`] holds it in memory; it is never on disk. [`PresenceNotices`] is what clients ask, and what wakes those who wait: not at each
//! change, but for all changes since the last time together, the less often the more wait.

mod board;
mod person;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    ids::{RoomNum, UserNum},
};
use domicile_store::{
    Snapshot, Store,
    table::{device_lists, memberships},
};
use ruma::{OwnedUserId, UserId, presence::PresenceState};

pub use board::{Change, Changes, Connected, Presence, Seen};
pub use person::Shown;

use crate::{
    Result,
    accounts::{Session, Users},
    error::{forbidden, not_found},
    events::wake::Wakers,
    federation::OutboundBell,
    rooms::Rooms,
};

/// Bytes of what somebody says of themselves.
const STATUS_BYTES: usize = 1_024;
/// Rest after a round of waking, in milliseconds for each who waits: at most so many are woken a second, whatever happens.
const REST_MS: i64 = 2;

/// The rooms that each of `users` is in.
pub(crate) async fn rooms_of(snapshot: &Snapshot, users: Vec<UserNum>) -> Result<HashMap<UserNum, Vec<RoomNum>>> {
    let mut rooms: HashMap<UserNum, Vec<RoomNum>> = users.iter().map(|user_num| (*user_num, Vec::new())).collect();
    for (user_num, room_num) in memberships::joined_by(snapshot, users).await? {
        rooms.entry(user_num).or_default().push(room_num);
    }
    Ok(rooms)
}

/// What another server says of one of its users.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The user.
    pub user_id: OwnedUserId,
    /// Online, unavailable or offline.
    pub state: PresenceState,
    /// What they say of themselves.
    pub status: Option<String>,
    /// For how many milliseconds they did nothing.
    pub idle_ms: i64,
}

/// Presence as clients tell it and ask for it.
pub struct PresenceNotices {
    store: Store,
    clock: Arc<dyn Clock>,
    presence: Arc<Presence>,
    users: Arc<Users>,
    rooms: Arc<Rooms>,
    /// Those who wait for presence among other things.
    watchers: Arc<Wakers>,
    /// When those who wait may be woken next.
    next_ms: AtomicI64,
    outbound: Arc<OutboundBell>,
}

impl PresenceNotices {
    /// Over who is online, the rooms, and who waits for presence, here and elsewhere.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        presence: Arc<Presence>,
        users: Arc<Users>,
        rooms: Arc<Rooms>,
        watchers: Arc<Wakers>,
        outbound: Arc<OutboundBell>,
    ) -> Self {
        Self { store, clock, presence, users, rooms, watchers, next_ms: AtomicI64::new(0), outbound }
    }

    /// Notes how a user says they are. Where presence is not shown, nothing is noted.
    pub fn set(&self, by: &Session, user_id: &UserId, state: PresenceState, status: Option<&str>) -> Result<()> {
        if *user_id != by.user_id {
            return Err(forbidden("You can set your own presence only."));
        }
        if !matches!(state, PresenceState::Online | PresenceState::Unavailable | PresenceState::Offline) {
            return Err(ErrorKind::InvalidParam.with("`presence` is `online`, `unavailable` or `offline`.").into());
        }
        if status.is_some_and(|status| status.len() > STATUS_BYTES) {
            return Err(ErrorKind::TooLarge.with(format!("`status_msg` has at most {STATUS_BYTES} bytes.")).into());
        }
        self.presence.set(by.user_num, by.device_num, state, status);
        Ok(())
    }

    /// Notes what another server says of users of its own. Of those who are in no room here nothing is noted.
    pub async fn hear(&self, people: Vec<Heard>) -> Result<()> {
        if !self.presence.is_enabled() {
            return Ok(());
        }
        let mut known = Vec::with_capacity(people.len());
        for heard in people {
            if let Some(user_num) = self.users.num(&heard.user_id).await? {
                known.push((user_num, heard));
            }
        }
        let nums: Vec<UserNum> = known.iter().map(|(user_num, _)| *user_num).collect();
        let rooms = self.store.read(move |snapshot| async move { rooms_of(&snapshot, nums).await }).await?;
        for (user_num, heard) in known {
            if rooms.get(&user_num).is_some_and(|rooms| !rooms.is_empty()) {
                let status = heard.status.as_deref().filter(|status| status.len() <= STATUS_BYTES);
                self.presence.hear(user_num, heard.state, status, heard.idle_ms);
            }
        }
        Ok(())
    }

    /// How somebody is, for themselves and for those who share a room with them.
    pub async fn get(&self, by: &Session, user_id: &UserId) -> Result<Shown> {
        let refused = || forbidden("You see the presence of those only who share a room with you.");
        let user_num = self.users.num(user_id).await?.ok_or_else(refused)?;
        if user_num != by.user_num {
            let reader = by.user_num;
            let sharing = self
                .store
                .read(move |snapshot| async move { device_lists::sharing(&snapshot, reader, [user_num]).await })
                .await?;
            if sharing.is_empty() {
                return Err(refused());
            }
        }
        if !self.presence.is_enabled() {
            return Err(not_found("This server does not show presence."));
        }
        self.presence.expire();
        let unknown = || Shown { state: PresenceState::Offline, status: None, last_active_ago: None };
        Ok(self.presence.of(user_num).unwrap_or_else(unknown))
    }

    /// Lets time do its work, and wakes those who wait and share a room with somebody who changed. To be called about once a second.
    pub async fn tick(&self) -> Result<()> {
        let now_ms = self.clock.now_ms();
        if !self.presence.is_enabled() || now_ms < self.next_ms.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.presence.expire();
        let changed = self.presence.take_fresh();
        self.outbound.presence(changed.iter().copied());
        if changed.is_empty() || self.watchers.is_empty() {
            return Ok(());
        }
        let waiting = i64::try_from(self.watchers.len()).unwrap_or(i64::MAX);
        self.next_ms.store(now_ms.saturating_add(waiting.saturating_mul(REST_MS)), Ordering::Relaxed);
        let users: Vec<UserNum> = changed.iter().copied().collect();
        let seen = self.presence.head();
        let joined = self.store.read(move |snapshot| async move { rooms_of(&snapshot, users).await }).await?;
        let rooms: HashSet<RoomNum> = joined.values().flatten().copied().collect();
        // Whoever is woken need not ask the database who shares a room with whom.
        self.presence.learn(joined, seen);
        for user_num in changed {
            self.watchers.wake(user_num);
        }
        for room_num in rooms {
            // Whoever waits has synced, and so brought their rooms into memory; whose room has left it since sees the change at their next sync.
            let Some(room) = self.rooms.in_memory(room_num) else { continue };
            let view = room.view();
            self.watchers.wake_members(
                view.joined,
                |visit| view.joined_members().for_each(visit),
                |user_num| view.is_joined(user_num),
            );
        }
        Ok(())
    }
}
