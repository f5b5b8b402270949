//! What a cell remembers of the keys of other cells' people, and what follows when their home tells something else.
//!
//! Whoever has a cell in their hands can give its people other keys and further devices. So the first master key that is told of somebody is pinned;
//! another one is an incident, and so is a new device that its owner has not signed within [`GRACE_MS`]: a device is uploaded first, and signed by its
//! owner a few seconds later. What was there when a copy was begun is taken as it is.
//!
//! [`judge`] touches no database; [`follow`] writes what it says, in the batch that changes the copy.

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::{clock::MINUTE_MS, ids::UserNum, locality::CellName};
use domicile_store::{
    Batch, Snapshot, StoreError,
    table::{
        cross_signing, device_lists, key_incidents,
        pinned_keys::{self, PinnedKey},
        unsigned_devices::{self, UnsignedDevice},
    },
};
use ruma::UserId;

use super::{
    cross_signing::{Usage, public_key},
    device_list_copies::List,
    key_incidents::{KeyIncidentKind, subject},
    signed,
    unsigned_devices::Signer,
};

/// How long somebody has to sign a device of theirs before others are told, in milliseconds.
pub const GRACE_MS: i64 = 10 * MINUTE_MS;

/// What is remembered of somebody.
#[derive(Clone, Debug, Default)]
pub struct Pinned {
    /// The public half of their master key.
    master: Option<String>,
    /// Devices of theirs that they have not signed, and whether something is waited for.
    unsigned: BTreeMap<String, bool>,
    /// How many changes of their master key were noted.
    changes: i64,
}

/// Whose keys they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whose<'a> {
    pub(super) user_num: UserNum,
    pub(super) user_id: &'a UserId,
    /// The cell that is their home.
    pub(super) home: &'a CellName,
}

/// What follows.
#[derive(Debug, Default, PartialEq, Eq)]
struct Verdict {
    /// The master key that is pinned from now on.
    pin: Option<String>,
    /// Whether it took the place of another one.
    changed: bool,
    /// Devices without a signature of which nobody is told.
    known: Vec<String>,
    /// Devices that are to be signed soon.
    awaited: Vec<String>,
    /// Devices of which nothing is to be remembered any more.
    settled: Vec<String>,
}

/// What is remembered of some users.
pub(super) async fn load(snapshot: &Snapshot, users: Vec<UserNum>) -> Result<BTreeMap<UserNum, Pinned>, StoreError> {
    let mut found: BTreeMap<UserNum, Pinned> = BTreeMap::new();
    for pin in pinned_keys::of_users(snapshot, users.iter().copied()).await? {
        let pinned = found.entry(pin.user_num).or_default();
        pinned.changes = key_incidents::count_of(snapshot, pin.user_num, KeyIncidentKind::MasterChanged.word()).await?;
        pinned.master = Some(pin.master_key);
    }
    for device in unsigned_devices::of_users(snapshot, users).await? {
        let pinned = found.entry(device.user_num).or_default();
        pinned.unsigned.insert(device.device_id, device.due_ts.is_some());
    }
    Ok(found)
}

/// Adds to a batch what follows where the list of somebody's devices and keys was `before` and is `after`. `is_first` says that `before` is no list that
/// was ever whole.
pub(super) fn follow(
    batch: &mut Batch,
    whose: Whose<'_>,
    pinned: &Pinned,
    (before, after, is_first): (&List, &List, bool),
    now_ms: i64,
) {
    let Whose { user_num, user_id, home } = whose;
    let Verdict { pin, changed, known, awaited, settled } = judge(user_id, pinned, (before, after, is_first));
    if let Some(master_key) = pin {
        if changed {
            let kind = KeyIncidentKind::MasterChanged;
            let new = key_incidents::NewKeyIncident {
                user_num,
                kind: kind.word(),
                subject: subject(&master_key, pinned.changes),
                home: home.as_str(),
            };
            key_incidents::note(batch, new, now_ms);
        }
        pinned_keys::set(batch, &PinnedKey { user_num, master_key, home: home.as_str().to_owned(), since_ts: now_ms });
    }
    for (devices, due_ts) in [(known, None), (awaited, Some(now_ms.saturating_add(GRACE_MS)))] {
        for device_id in devices {
            unsigned_devices::set(batch, &UnsignedDevice { user_num, device_id, since_ts: now_ms, due_ts });
        }
    }
    for device_id in settled {
        unsigned_devices::remove(batch, user_num, &device_id);
    }
}

/// Adds to a batch that the key of somebody who leaves for another cell is pinned, if people here share a room with them: what their new home tells is
/// set against it.
pub(crate) async fn pin_departing(
    snapshot: &Snapshot,
    batch: &mut Batch,
    (user_num, home): (UserNum, &CellName),
    now_ms: i64,
) -> Result<(), StoreError> {
    if !device_lists::is_shared(snapshot, user_num).await? {
        return Ok(());
    }
    let keys = cross_signing::of_users(snapshot, [user_num]).await?;
    let master = keys.iter().find(|key| key.usage == Usage::Master.as_str());
    if let Some(master_key) = master.and_then(|key| public_key(&key.key_data)) {
        pinned_keys::set(batch, &PinnedKey { user_num, master_key, home: home.as_str().to_owned(), since_ts: now_ms });
    }
    Ok(())
}

fn judge(user_id: &UserId, pinned: &Pinned, (before, after, is_first): (&List, &List, bool)) -> Verdict {
    let mut verdict = Verdict::default();
    let master = after.master.as_deref().and_then(public_key);
    let is_new = master.is_some() && master != pinned.master;
    verdict.changed = is_new && pinned.master.is_some();
    // Somebody who has no such keys signs nothing.
    let has_keys = master.is_some() || pinned.master.is_some();
    let begins = is_first || (is_new && !verdict.changed);
    if is_new {
        verdict.pin = master;
    }
    let [old_signer, signer] =
        [before, after].map(|list| Signer::of(user_id, list.master.as_deref(), list.self_signing.as_deref()));
    let mut unsigned = BTreeSet::new();
    for (device_id, keys) in after.devices.iter().filter(|_| has_keys) {
        let was = before.devices.get(device_id);
        let remembered = pinned.unsigned.get(device_id);
        let as_before = was == Some(keys) && signer == old_signer;
        // What was signed is still signed if nothing changed: signatures are costly to check.
        let is_signed = if as_before && !begins {
            remembered.is_none()
        } else {
            signer.as_ref().is_some_and(|signer| signer.has_signed(user_id, keys))
        };
        if is_signed {
            continue;
        }
        unsigned.insert(device_id.as_str());
        let is_same = was.is_some_and(|was| same_device(was, keys));
        if remembered.is_some() && is_same {
            continue;
        }
        // With other keys of their owner's, devices that were there lose their signatures: it is told that the keys have changed.
        if begins || (is_same && signer != old_signer) {
            verdict.known.push(device_id.clone());
        } else {
            verdict.awaited.push(device_id.clone());
        }
    }
    let settled = pinned.unsigned.keys().filter(|device_id| !unsigned.contains(device_id.as_str()));
    verdict.settled = settled.cloned().collect();
    verdict
}

/// Whether two texts are the keys of one device, whoever has signed them.
fn same_device(one: &str, other: &str) -> bool {
    one == other
        || signed::object(one)
            .zip(signed::object(other))
            .is_some_and(|(one, other)| signed::body(&one) == signed::body(&other))
}

#[cfg(test)]
mod tests;
