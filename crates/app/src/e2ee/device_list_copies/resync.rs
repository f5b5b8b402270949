//! Fetching stale copies anew: one user after the other of each server, several servers at once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::{
    clock::{HOUR_MS, MINUTE_MS},
    ids::UserNum,
    locality::is_cell,
};
use domicile_store::{
    Batch,
    table::{
        device_list_copies::{self, DeviceListCopy},
        device_lists, key_incidents, pinned_keys, unsigned_devices,
    },
};
use futures::{StreamExt, stream};
use ruma::{
    OwnedServerName, OwnedUserId, ServerName,
    api::federation::device::get_devices::v1::{Request, Response},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{DeviceListCopies, List, News};
use crate::{
    Error, Result,
    e2ee::key_incidents::KEPT_MS,
    federation::{Bounds, PeerError},
};

/// Stale copies that are looked at in one round, and of those how many of one server.
const ROUND: i64 = 2_000;
const OF_SERVER: usize = 50;
/// Servers that are asked at once.
const SERVERS: usize = 16;
/// What an answer may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(20), bytes: 4 * 1024 * 1024 };
/// Time between two looks at what is due, if nobody rings.
const PAUSE: Duration = Duration::from_secs(30);
/// How long a copy waits after the first failure, and at most, in milliseconds.
const FIRST_WAIT_MS: i64 = MINUTE_MS;
const LONGEST_WAIT_MS: i64 = 6 * HOUR_MS;
/// Users whose rooms are looked at in one go, when copies are dropped.
const PAGE: i64 = 200;

/// A stale copy and its user.
type Stale = (DeviceListCopy, OwnedUserId);

impl DeviceListCopies {
    /// Fetches stale copies until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let mut rounds = JoinSet::new();
        loop {
            tokio::select! {
                () = stopping.cancelled() => break,
                () = self.stale.notified() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
            while rounds.try_join_next().is_some() {}
            // A slow server holds up its own round only: the next one passes it over.
            let copies = Arc::clone(&self);
            rounds.spawn(async move {
                if let Err(error) = copies.resync().await {
                    tracing::warn!(%error, "stale copies of devices could not be fetched");
                }
            });
        }
        rounds.shutdown().await;
    }

    /// Fetches the stale copies whose time has come. Gives how many were fetched.
    pub async fn resync(&self) -> Result<usize> {
        let now_ms = self.clock.now_ms();
        let due =
            self.store.read(move |snapshot| async move { device_list_copies::due(&snapshot, now_ms, ROUND).await });
        let mut by_server: BTreeMap<OwnedServerName, Vec<Stale>> = BTreeMap::new();
        for (copy, user_id) in due.await? {
            let user_id = OwnedUserId::try_from(user_id).map_err(Error::internal)?;
            by_server.entry(self.lists.localities().peer_of(&user_id)).or_default().push((copy, user_id));
        }
        by_server.retain(|server_name, _| self.asked.begin(server_name.clone()));
        let mine = Asked { copies: self, servers: by_server.keys().cloned().collect() };
        let is_more = by_server.values().any(|stale| stale.len() > OF_SERVER);
        for stale in by_server.values_mut() {
            stale.truncate(OF_SERVER);
        }
        let rounds = by_server.into_iter().map(|(server_name, stale)| self.resync_server(server_name, stale));
        let done: Vec<Result<usize>> = stream::iter(rounds).buffer_unordered(SERVERS).collect().await;
        drop(mine);
        let fetched = done.into_iter().sum::<Result<usize>>()?;
        if is_more {
            self.ring();
        }
        Ok(fetched)
    }

    async fn resync_server(&self, server_name: OwnedServerName, stale: Vec<Stale>) -> Result<usize> {
        let mut fetched = 0;
        let mut is_down = false;
        for (copy, user_id) in stale {
            let (user_num, attempts) = (copy.user_num, copy.attempts);
            let is_shared =
                self.store.read(move |snapshot| async move { device_lists::is_shared(&snapshot, user_num).await });
            if !is_shared.await? {
                self.drop_copies(&[user_num]).await?;
            } else if is_down || !self.resync_one(&server_name, user_num, user_id, &mut is_down).await? {
                let wait = FIRST_WAIT_MS.saturating_mul(1 << attempts.clamp(0, 10)).min(LONGEST_WAIT_MS);
                let mut batch = Batch::new();
                device_list_copies::postpone(&mut batch, user_num, self.clock.now_ms() + wait);
                self.store.write(batch).await?;
            } else {
                fetched += 1;
            }
        }
        Ok(fetched)
    }

    /// Fetches one user's devices and keys with their version. Gives whether it was done.
    async fn resync_one(
        &self,
        server_name: &ServerName,
        user_num: UserNum,
        user_id: OwnedUserId,
        is_down: &mut bool,
    ) -> Result<bool> {
        let before = self.before(vec![user_num]).await?;
        let (list, stream_id) = match self.peers.ask(server_name, Request::new(user_id.clone()), BOUNDS).await {
            Ok(answer) if answer.user_id == user_id => read(&answer, !is_cell(server_name)),
            Ok(_) => return Ok(false),
            // There is no such user: they have no devices.
            Err(PeerError::Matrix { status: 404, .. }) => (List::default(), None),
            Err(error) => {
                *is_down = error.is_down();
                tracing::debug!(%error, "a stale copy of devices could not be fetched");
                return Ok(false);
            }
        };
        self.keep(&before, vec![News { user_num, user_id, list, stream_id }]).await?;
        Ok(true)
    }

    /// Drops the copies of users who share no room with anybody here any more, with what is remembered of their keys, and incidents that are over.
    pub async fn forget(&self) -> Result<()> {
        let mut batch = Batch::new();
        key_incidents::remove_before(&mut batch, self.clock.now_ms().saturating_sub(KEPT_MS));
        self.store.write(batch).await?;
        let mut after = UserNum::NOBODY;
        loop {
            let page = self.store.read(move |snapshot| async move {
                let users = device_list_copies::page(&snapshot, after, PAGE).await?;
                let mut unshared = Vec::new();
                for user_num in &users {
                    if !device_lists::is_shared(&snapshot, *user_num).await? {
                        unshared.push(*user_num);
                    }
                }
                Ok::<_, Error>((users.last().copied(), unshared))
            });
            let (Some(last), unshared) = page.await? else { break };
            after = last;
            self.drop_copies(&unshared).await?;
        }
        self.forget_pinned().await
    }

    /// Forgets keys that are pinned without a copy: those of people who moved away from here.
    async fn forget_pinned(&self) -> Result<()> {
        let mut after = UserNum::NOBODY;
        loop {
            let page = self.store.read(move |snapshot| async move {
                let users = pinned_keys::page(&snapshot, after, PAGE).await?;
                let mut unshared = Vec::new();
                for user_num in &users {
                    if !device_lists::is_shared(&snapshot, *user_num).await? {
                        unshared.push(*user_num);
                    }
                }
                Ok::<_, Error>((users.last().copied(), unshared))
            });
            let (Some(last), unshared) = page.await? else { return Ok(()) };
            after = last;
            let mut batch = Batch::new();
            batch.low_priority();
            for user_num in unshared {
                pinned_keys::remove(&mut batch, user_num);
                unsigned_devices::remove_of(&mut batch, user_num);
            }
            if !batch.is_empty() {
                self.store.write(batch).await?;
            }
        }
    }

    async fn drop_copies(&self, users: &[UserNum]) -> Result<()> {
        let mut batch = Batch::new();
        batch.low_priority();
        for user_num in users {
            device_list_copies::remove(&mut batch, *user_num);
            pinned_keys::remove(&mut batch, *user_num);
            unsigned_devices::remove_of(&mut batch, *user_num);
        }
        if !batch.is_empty() {
            self.store.write(batch).await?;
        }
        Ok(())
    }
}

/// Servers that are being asked, until it is dropped.
struct Asked<'a> {
    copies: &'a DeviceListCopies,
    servers: Vec<OwnedServerName>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        for server_name in &self.servers {
            if self.copies.asked.end(server_name) {
                // What became stale while it was being asked has waited since.
                self.copies.ring();
            }
        }
    }
}

/// What an answer says, with what people call their devices if that is to be known here: other cells' people keep it at home.
fn read(answer: &Response, named: bool) -> (List, Option<i64>) {
    let user_id = &answer.user_id;
    let mut list = List::default();
    for device in &answer.devices {
        list.set_device(
            user_id,
            &device.device_id,
            &device.keys,
            device.device_display_name.as_deref().filter(|_| named),
        );
    }
    let (master, self_signing) = (answer.master_key.as_ref(), answer.self_signing_key.as_ref());
    if !list.set_keys(user_id, master, self_signing) {
        list.set_keys(user_id, master, None);
    }
    (list, Some(i64::from(answer.stream_id)))
}
