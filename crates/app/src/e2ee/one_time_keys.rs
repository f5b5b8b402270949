//! One-time and fallback keys: with them a session is begun with a device that is asleep.
//!
//! A one-time key is handed out once, whoever asks at the same moment: the batch that takes it away fails for all but one. Nor does it come
//! back when its upload is repeated. When a device
//! has none left, its fallback key is handed out, which stays.

mod elsewhere;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domicile_core::{error::ErrorKind, ids::UserNum};
use domicile_store::{
    Batch, Snapshot, Store, StoreError,
    numbers::Sequence,
    table::{one_time_keys, one_time_keys::Key, users},
};
use ruma::{
    OneTimeKeyAlgorithm, OwnedDeviceId, OwnedOneTimeKeyId, OwnedUserId, UInt, encryption::OneTimeKey, serde::Raw,
};
use tokio::sync::Mutex;

pub use elsewhere::FromAll;

use super::{ATTEMPTS, DeviceKeys};
use crate::{
    Error, Result,
    accounts::Users,
    federation::Peers,
    moves::{Departures, departures::on_the_way},
};

/// One-time keys of one device.
const KEYS_OF_DEVICE: usize = 1_000;
/// Largest one-time or fallback key in bytes.
const KEY_BYTES: usize = 4_096;
/// Longest key id in bytes.
const KEY_ID_BYTES: usize = 255;
/// Devices for which one request may claim keys.
const CLAIMS: usize = 20_000;

/// Keys as an upload brings them, by `algorithm:id`.
pub type Uploaded = BTreeMap<OwnedOneTimeKeyId, Raw<OneTimeKey>>;
/// What a claim asks for.
pub type Wanted = BTreeMap<OwnedUserId, BTreeMap<OwnedDeviceId, OneTimeKeyAlgorithm>>;
/// What a claim gives.
pub type Claimed = BTreeMap<OwnedUserId, BTreeMap<OwnedDeviceId, Uploaded>>;

/// Hands out one-time keys.
pub struct OneTimeKeys {
    store: Store,
    users: Arc<Users>,
    peers: Arc<Peers>,
    departures: Arc<Departures>,
    /// Which devices are told at all.
    devices: Arc<DeviceKeys>,
    /// Claims that met another one wait here in line, so that many claims of one device's keys do not fail each other again and again.
    /// Correctness does not rest on it.
    contended: Mutex<()>,
}

/// One key to hand out.
struct Pick {
    user_id: OwnedUserId,
    user_num: UserNum,
    device_id: String,
    key: Key,
    fallback: Option<Used>,
}

/// Whether a fallback key was used before.
struct Used(bool);

impl OneTimeKeys {
    /// One-time keys over a store.
    pub fn new(
        store: Store,
        users: Arc<Users>,
        peers: Arc<Peers>,
        departures: Arc<Departures>,
        devices: Arc<DeviceKeys>,
    ) -> Self {
        Self { store, users, peers, departures, devices, contended: Mutex::new(()) }
    }

    /// Hands out a key for each wanted device of a local user that has one.
    pub async fn claim(&self, wanted: Wanted) -> Result<Claimed> {
        if wanted.values().map(BTreeMap::len).sum::<usize>() > CLAIMS {
            return Err(ErrorKind::TooLarge.with(format!("A claim asks for at most {CLAIMS} devices.")).into());
        }
        let wanted = Arc::new(wanted);
        if let Some(claimed) = self.try_claim(&wanted).await? {
            return Ok(claimed);
        }
        let _in_line = self.contended.lock().await;
        for _ in 0..ATTEMPTS {
            if let Some(claimed) = self.try_claim(&wanted).await? {
                return Ok(claimed);
            }
        }
        Err(Error::internal("one-time keys were taken by others each time they were chosen"))
    }

    /// One attempt; nothing if somebody else took one of the keys in between.
    async fn try_claim(&self, wanted: &Arc<Wanted>) -> Result<Option<Claimed>> {
        let theirs = Arc::clone(wanted);
        let picks = self.store.read(move |snapshot| async move { pick(&snapshot, &theirs).await }).await?;
        // A key that is handed out now would be handed out a second time where its owner goes.
        if picks.iter().any(|pick| self.departures.has(pick.user_num)) {
            return Err(on_the_way().into());
        }
        let mut batch = Batch::new();
        for pick in &picks {
            let (user_num, device_id, key) = (pick.user_num, &pick.device_id, &pick.key);
            match pick.fallback {
                None => one_time_keys::take(&mut batch, user_num, device_id, &key.algorithm, &key.key_id),
                Some(Used(false)) => {
                    one_time_keys::use_fallback(&mut batch, user_num, device_id, &key.algorithm, &key.key_id);
                }
                Some(Used(true)) => {}
            }
        }
        if !batch.is_empty() {
            match self.store.write(batch).await {
                Err(error) if error.is_conflict() => return Ok(None),
                written => written?,
            };
        }
        handed_out(picks).map(Some)
    }
}

/// Chooses a key for each wanted device.
async fn pick(snapshot: &Snapshot, wanted: &Wanted) -> Result<Vec<Pick>, StoreError> {
    let mut picks = Vec::new();
    for (user_num, user_id) in users::local_by_ids(snapshot, wanted.keys().map(|user_id| user_id.as_str())).await? {
        let Some((user_id, devices)) = wanted.iter().find(|(id, _)| id.as_str() == user_id) else { continue };
        for (device_id, algorithm) in devices {
            let (device_id, algorithm) = (device_id.as_str(), algorithm.as_str());
            let found = match one_time_keys::first(snapshot, user_num, device_id, algorithm).await? {
                Some((key_id, key_data)) => Some((key_id, key_data, None)),
                None => one_time_keys::fallback(snapshot, user_num, device_id, algorithm)
                    .await?
                    .map(|(key_id, key_data, used)| (key_id, key_data, Some(Used(used)))),
            };
            if let Some((key_id, key_data, fallback)) = found {
                picks.push(Pick {
                    user_id: user_id.clone(),
                    user_num,
                    device_id: device_id.to_owned(),
                    key: Key { algorithm: algorithm.to_owned(), key_id, key_data },
                    fallback,
                });
            }
        }
    }
    Ok(picks)
}

fn handed_out(picks: Vec<Pick>) -> Result<Claimed> {
    let mut claimed = Claimed::new();
    for pick in picks {
        let id = format!("{}:{}", pick.key.algorithm, pick.key.key_id);
        let id = OwnedOneTimeKeyId::try_from(id).map_err(Error::internal)?;
        let key = Raw::from_json_string(pick.key.key_data).map_err(Error::internal)?;
        claimed.entry(pick.user_id).or_default().entry(pick.device_id.into()).or_default().insert(id, key);
    }
    Ok(claimed)
}

/// The keys of an upload in stored form, or why they are not acceptable.
pub(super) fn parse(uploaded: &Uploaded) -> Result<Vec<Key>> {
    if uploaded.len() > KEYS_OF_DEVICE {
        return Err(ErrorKind::InvalidParam
            .with(format!("A device has at most {KEYS_OF_DEVICE} one-time keys."))
            .into());
    }
    uploaded.iter().map(|(id, key)| parse_one(id.as_str(), key.json().get())).collect()
}

fn parse_one(id: &str, json: &str) -> Result<Key> {
    let refused = |why: &str| Error::from(ErrorKind::InvalidParam.with(format!("The one-time key {id:.64} {why}.")));
    let (algorithm, key_id) = id.split_once(':').ok_or_else(|| refused("has no id: it is algorithm:id"))?;
    if id.len() > KEY_ID_BYTES || algorithm.is_empty() || key_id.is_empty() {
        return Err(refused("has an id that is empty or too long"));
    }
    if json.len() > KEY_BYTES {
        return Err(refused("is too large"));
    }
    // Canonical, so that the same key uploaded again is the same text.
    let value: ruma::CanonicalJsonValue = serde_json::from_str(json).map_err(|_| refused("is not canonical JSON"))?;
    let has_key = match &value {
        ruma::CanonicalJsonValue::String(_) => algorithm != "signed_curve25519",
        ruma::CanonicalJsonValue::Object(object) => object.get("key").is_some_and(|key| key.as_str().is_some()),
        _ => false,
    };
    if !has_key {
        return Err(refused("is neither a key nor an object with one"));
    }
    Ok(Key { algorithm: algorithm.to_owned(), key_id: key_id.to_owned(), key_data: value.to_string() })
}

/// Adds an upload's one-time keys to a batch, after a look at what the device has in `snapshot`.
///
/// The same key under the same id is no news. Another key under an id that is taken is refused: somebody may hold the first one already.
pub(super) async fn fresh(snapshot: &Snapshot, user_num: UserNum, device_id: &str, keys: Vec<Key>) -> Result<Vec<Key>> {
    let ids = keys.iter().map(|key| key.key_id.as_str());
    let known = one_time_keys::with_ids(snapshot, user_num, device_id, ids).await?;
    let known: BTreeMap<(&str, &str), &str> =
        known.iter().map(|key| ((key.algorithm.as_str(), key.key_id.as_str()), key.key_data.as_str())).collect();
    let mut fresh = Vec::with_capacity(keys.len());
    for key in keys {
        match known.get(&(key.algorithm.as_str(), key.key_id.as_str())) {
            None => fresh.push(key),
            // Handed out already: the client did not hear that its upload arrived, and somebody has begun a session with the key.
            Some(&"") => {}
            Some(data) if **data == key.key_data => {}
            Some(_) => {
                let id = format!("{}:{}", key.algorithm, key.key_id);
                let text = format!("One time key {id} already exists with another value: make a new id for a new key.");
                return Err(ErrorKind::InvalidParam.with(text).into());
            }
        }
    }
    let counts = one_time_keys::counts(snapshot, user_num, device_id).await?;
    let had: i64 = counts.iter().map(|(_, count)| count).sum();
    if usize::try_from(had).unwrap_or(usize::MAX).saturating_add(fresh.len()) > KEYS_OF_DEVICE {
        let text = format!("A device has at most {KEYS_OF_DEVICE} one-time keys on the server: it has {had} already.");
        return Err(ErrorKind::InvalidParam.with(text).into());
    }
    Ok(fresh)
}

/// Adds one-time keys to a batch in the order given, which is the order in which they will be handed out.
pub(super) async fn insert(
    store: &Store,
    batch: &mut Batch,
    user_num: UserNum,
    device_id: &str,
    keys: &[Key],
) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let first = store.numbers_in_a_row(Sequence::OneTimeKey, keys.len()).await?;
    for (ordinal, key) in (first..).zip(keys) {
        one_time_keys::insert(batch, user_num, device_id, key, ordinal);
    }
    let algorithms: BTreeSet<&str> = keys.iter().map(|key| key.algorithm.as_str()).collect();
    for algorithm in algorithms {
        one_time_keys::forget_handed_out(batch, user_num, device_id, algorithm);
    }
    Ok(())
}

/// Those of an upload's fallback keys that the device does not have yet.
pub(super) async fn fresh_fallback(
    snapshot: &Snapshot,
    user_num: UserNum,
    device_id: &str,
    keys: Vec<Key>,
) -> Result<Vec<Key>> {
    let mut fresh = Vec::with_capacity(keys.len());
    for key in keys {
        let known = one_time_keys::fallback(snapshot, user_num, device_id, &key.algorithm).await?;
        // Uploaded again, a key that was used is still used.
        if known.is_none_or(|(key_id, key_data, _)| key_id != key.key_id || key_data != key.key_data) {
            fresh.push(key);
        }
    }
    Ok(fresh)
}

/// How many one-time keys a device has left. Zero is told in so many words for the algorithm that every client uses.
pub async fn one_time_key_counts(
    snapshot: &Snapshot,
    user_num: UserNum,
    device_id: &str,
) -> Result<BTreeMap<OneTimeKeyAlgorithm, UInt>> {
    let mut counts = BTreeMap::from([(OneTimeKeyAlgorithm::SignedCurve25519, UInt::MIN)]);
    for (algorithm, count) in one_time_keys::counts(snapshot, user_num, device_id).await? {
        counts.insert(algorithm.as_str().into(), UInt::try_from(count).map_err(Error::internal)?);
    }
    Ok(counts)
}

/// Algorithms for which a device has a fallback key that nobody got yet.
pub async fn unused_fallback_types(
    snapshot: &Snapshot,
    user_num: UserNum,
    device_id: &str,
) -> Result<Vec<OneTimeKeyAlgorithm>> {
    let algorithms = one_time_keys::fallback_algorithms(snapshot, user_num, device_id).await?;
    Ok(algorithms.into_iter().filter(|(_, used)| !used).map(|(algorithm, _)| algorithm.as_str().into()).collect())
}
