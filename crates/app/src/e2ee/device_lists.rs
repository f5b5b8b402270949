//! Device lists: who must look again at whose devices and keys.
//!
//! Everybody who adds, changes or removes a device or a key calls [`DeviceLists::changed`] in the same batch, and [`DeviceLists::announce`]
//! when it is committed. `/sync` and `/keys/changes` read [`changes_since`].

use std::{collections::BTreeSet, sync::Arc};

use domicile_core::ids::{Position, RoomNum, UserNum};
use domicile_store::{
    Batch, Snapshot, Store,
    table::{device_changes, device_lists},
};
use ruma::OwnedUserId;

use crate::{
    Result, accounts::Users, events::wake::Wakers, federation::OutboundBell, residency::Localities,
    sync::token::SyncToken,
};

/// Users whose devices a client must ask for again, and those it can forget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Changed, or newly in a room with the reader.
    pub changed: BTreeSet<UserNum>,
    /// No longer in any room with the reader.
    pub left: BTreeSet<UserNum>,
}

impl Changes {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.left.is_empty()
    }
}

/// Announces changes of devices and keys.
pub struct DeviceLists {
    store: Store,
    users: Arc<Users>,
    wakers: Arc<Wakers>,
    outbound: Arc<OutboundBell>,
}

impl DeviceLists {
    /// Where users are.
    pub(super) fn localities(&self) -> &Localities {
        self.users.localities()
    }

    /// Device lists over a store.
    pub fn new(store: Store, users: Arc<Users>, wakers: Arc<Wakers>, outbound: Arc<OutboundBell>) -> Self {
        Self { store, users, wakers, outbound }
    }

    /// Notes in a batch that a user's devices or keys change with it: which devices, or
    /// [`device_changes::CROSS_SIGNING`]. Other servers are told one by one.
    pub fn changed(&self, batch: &mut Batch, user_num: UserNum, device_ids: &[&str]) {
        for device_id in device_ids {
            let position = batch.position();
            device_changes::set(batch, user_num, device_id, position.clone());
            device_lists::set(batch, user_num, UserNum::NOBODY, position);
        }
    }

    /// Notes in a batch that a user's keys change for one viewer only, who signed them.
    pub fn changed_for(&self, batch: &mut Batch, user_num: UserNum, viewer: UserNum) {
        let position = batch.position();
        device_lists::set(batch, user_num, viewer, position);
    }

    /// Wakes everybody who is to hear of a change: the user's own devices at once, the people in their rooms as soon as they are found.
    /// Call it after the batch is committed.
    pub fn announce(&self, user_num: UserNum) {
        self.wakers.wake(user_num);
        self.outbound.devices(user_num);
        let (store, wakers) = (self.store.clone(), Arc::clone(&self.wakers));
        if wakers.is_empty() {
            return;
        }
        tokio::spawn(async move {
            let audience =
                store.read(move |snapshot| async move { device_lists::audience(&snapshot, user_num).await }).await;
            match audience {
                Ok(audience) => audience.into_iter().for_each(|other| wakers.wake(other)),
                // Nothing is lost: they read the change at their next sync.
                Err(error) => tracing::warn!(%error, "could not wake those who share rooms with a changed user"),
            }
        });
    }

    /// Wakes one viewer of a change that is theirs alone.
    pub fn announce_to(&self, viewer: UserNum) {
        self.wakers.wake(viewer);
    }

    /// What changed for a user between two sync tokens, by Matrix ids: changed, left.
    pub async fn between(&self, reader: UserNum, from: &str, to: &str) -> Result<(Vec<OwnedUserId>, Vec<OwnedUserId>)> {
        // Whoever changed after `to` is told too: asking once too often is harmless.
        let (since, _upto) = (from.parse::<SyncToken>()?.position, to.parse::<SyncToken>()?);
        let changes =
            self.store.read(move |snapshot| async move { changes_since(&snapshot, reader, since).await }).await?;
        Ok((self.ids(&changes.changed).await?, self.ids(&changes.left).await?))
    }

    /// The Matrix ids of a side of [`Changes`].
    pub async fn ids(&self, users: &BTreeSet<UserNum>) -> Result<Vec<OwnedUserId>> {
        let mut ids = Vec::with_capacity(users.len());
        for user_num in users {
            ids.push(self.users.id(*user_num).await?);
        }
        Ok(ids)
    }
}

/// What changed for `reader` after `since` and up to the snapshot.
///
/// A reader whose timelines end before the snapshot may be told of a change early and then again: asking for keys once too often is
/// harmless, once too seldom is not.
pub async fn changes_since(snapshot: &Snapshot, reader: UserNum, since: Position) -> Result<Changes> {
    let mut changed: BTreeSet<UserNum> = device_lists::changed(snapshot, reader, since).await?.into_iter().collect();
    let mut gone = BTreeSet::new();
    for room in device_lists::active_rooms(snapshot, reader, since).await? {
        match (room.joined, room.turned) {
            (true, true) => {
                changed.extend(device_lists::joined(snapshot, room.room_num).await?);
                gone.extend(left_in(snapshot, room.room_num, since).await?);
            }
            (true, false) => {
                for (user_num, joined) in device_lists::turned_in(snapshot, room.room_num, since).await? {
                    if joined {
                        changed.insert(user_num);
                    } else {
                        gone.insert(user_num);
                    }
                }
            }
            (false, true) => {
                gone.extend(device_lists::joined(snapshot, room.room_num).await?);
                gone.extend(left_in(snapshot, room.room_num, since).await?);
            }
            (false, false) => {}
        }
    }
    gone.remove(&reader);
    if !gone.is_empty() {
        for user_num in device_lists::sharing(snapshot, reader, gone.iter().copied()).await? {
            gone.remove(&user_num);
        }
    }
    changed.retain(|user_num| !gone.contains(user_num));
    Ok(Changes { changed, left: gone })
}

async fn left_in(snapshot: &Snapshot, room_num: RoomNum, since: Position) -> Result<impl Iterator<Item = UserNum>> {
    let turned = device_lists::turned_in(snapshot, room_num, since).await?;
    Ok(turned.into_iter().filter(|(_, joined)| !joined).map(|(user_num, _)| user_num))
}
