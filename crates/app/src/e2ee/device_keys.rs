//! Device keys: uploaded by the device, asked for by everybody who wants to write to it.

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{error::ErrorKind, ids::UserNum};
use domicile_store::{
    Batch, Store,
    table::{
        cross_signing, device_keys, devices,
        key_signatures::{self, KeySignature},
        one_time_keys::{self, Key},
        users,
    },
};
use ruma::{
    DeviceId, OneTimeKeyAlgorithm, OwnedDeviceId, OwnedUserId, UInt, UserId,
    encryption::{CrossSigningKey, DeviceKeys as Keys},
    serde::Raw,
};
use serde_json::value::RawValue;

use super::{
    ATTEMPTS, DeviceLists,
    one_time_keys::{Uploaded, fresh, fresh_fallback, insert, one_time_key_counts, parse},
    signed,
};
use crate::{
    Error, Result,
    accounts::{Session, Users},
};

/// Largest device keys in bytes.
const DEVICE_KEYS_BYTES: usize = 32_768;
/// Users in one query.
const QUERIED: usize = 10_000;

/// What a device uploads.
#[derive(Debug, Default)]
pub struct Upload {
    /// Its identity keys.
    pub device_keys: Option<Raw<Keys>>,
    /// One-time keys.
    pub one_time_keys: Uploaded,
    /// Fallback keys, one for each algorithm.
    pub fallback_keys: Uploaded,
}

/// The answer to a query.
#[derive(Debug, Default)]
pub struct Found {
    /// Servers that could not be asked, with why.
    pub failures: BTreeMap<String, serde_json::Value>,
    /// Keys of devices.
    pub device_keys: BTreeMap<OwnedUserId, BTreeMap<OwnedDeviceId, Raw<Keys>>>,
    /// Master keys.
    pub master_keys: BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
    /// Self-signing keys.
    pub self_signing_keys: BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
    /// The user-signing key of who asks.
    pub user_signing_keys: BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
}

/// Keeps device keys.
pub struct DeviceKeys {
    store: Store,
    users: Arc<Users>,
    lists: Arc<DeviceLists>,
}

/// An upload that was checked for its shape.
#[derive(Clone)]
pub(super) struct Checked {
    keys: Option<String>,
    one_time: Vec<Key>,
    fallback: Vec<Key>,
}

/// Checks the shape of an upload and that the keys are the device's.
pub(super) fn check(user_id: &UserId, device_id: &DeviceId, upload: &Upload) -> Result<Checked> {
    let keys = upload.device_keys.as_ref().map(|keys| check_keys(user_id, device_id, keys)).transpose()?;
    let one_time = parse(&upload.one_time_keys)?;
    let fallback = parse(&upload.fallback_keys)?;
    let mut algorithms: Vec<&str> = fallback.iter().map(|key| key.algorithm.as_str()).collect();
    algorithms.dedup();
    if algorithms.len() < fallback.len() {
        return Err(ErrorKind::InvalidParam.with("A device has one fallback key for each algorithm.").into());
    }
    Ok(Checked { keys, one_time, fallback })
}

fn check_keys(user_id: &UserId, device_id: &DeviceId, raw: &Raw<Keys>) -> Result<String> {
    let keys =
        raw.deserialize().map_err(|error| ErrorKind::BadJson.with(format!("The device keys do not fit: {error}")))?;
    if keys.user_id != user_id || keys.device_id != device_id {
        let text =
            format!("The keys are of {}'s device {:.64}, the session is another one.", keys.user_id, keys.device_id);
        return Err(ErrorKind::InvalidParam.with(text).into());
    }
    let json = raw.json().get();
    if json.len() > DEVICE_KEYS_BYTES {
        return Err(ErrorKind::TooLarge.with(format!("Device keys have at most {DEVICE_KEYS_BYTES} bytes.")).into());
    }
    let object = signed::object(json)
        .ok_or_else(|| ErrorKind::BadJson.with("The device keys are not canonical JSON, so nobody can sign them."))?;
    Ok(signed::stored(object))
}

impl DeviceKeys {
    /// Device keys over a store.
    pub fn new(store: Store, users: Arc<Users>, lists: Arc<DeviceLists>) -> Self {
        Self { store, users, lists }
    }

    /// Takes what a device uploads, and tells how many one-time keys it has now.
    pub async fn upload(&self, session: &Session, upload: Upload) -> Result<BTreeMap<OneTimeKeyAlgorithm, UInt>> {
        let checked = check(&session.user_id, &session.device_id, &upload)?;
        let (user_num, device_id) = (session.user_num, session.device_id.clone());
        for _ in 0..ATTEMPTS {
            match self.try_upload(user_num, &device_id, checked.clone()).await {
                Err(error) if error.is_conflict() => {}
                outcome => {
                    if outcome? {
                        self.lists.announce(user_num);
                    }
                    return self
                        .store
                        .read(move |snapshot| async move {
                            one_time_key_counts(&snapshot, user_num, device_id.as_str()).await
                        })
                        .await;
                }
            }
        }
        Err(Error::internal("a device's keys were changed by others each time they were written"))
    }

    /// One attempt; whether the device's identity changed.
    async fn try_upload(&self, user_num: UserNum, device_id: &DeviceId, checked: Checked) -> Result<bool> {
        let device = device_id.to_string();
        let (checked, changed) = self
            .store
            .read(move |snapshot| async move {
                if devices::by_id(&snapshot, user_num, &device).await?.is_none() {
                    return Err(ErrorKind::UnknownToken.with("The session has ended: log in again.").into());
                }
                let known = device_keys::one(&snapshot, user_num, &device).await?;
                let changed = checked.keys.is_some() && checked.keys != known;
                let checked = Checked {
                    keys: checked.keys,
                    one_time: fresh(&snapshot, user_num, &device, checked.one_time).await?,
                    fallback: fresh_fallback(&snapshot, user_num, &device, checked.fallback).await?,
                };
                Ok::<_, Error>((checked, changed))
            })
            .await?;
        let mut batch = Batch::new();
        if changed {
            self.lists.changed(&mut batch, user_num, &[device_id.as_str()]);
        }
        add(&self.store, &mut batch, user_num, device_id.as_str(), checked.unchanged_unless(changed)).await?;
        if !batch.is_empty() {
            devices::require(&mut batch, user_num, device_id.as_str());
            self.store.write(batch).await?;
        }
        Ok(changed)
    }

    /// Keys of users and some of their devices (none named: all), as `reader` may see them.
    pub async fn query(&self, reader: UserNum, wanted: BTreeMap<OwnedUserId, Vec<OwnedDeviceId>>) -> Result<Found> {
        if wanted.len() > QUERIED {
            return Err(ErrorKind::TooLarge.with(format!("A query asks for at most {QUERIED} users.")).into());
        }
        let mut failures = BTreeMap::new();
        for user_id in wanted.keys().filter(|user_id| !self.users.is_local(user_id)) {
            let failure = serde_json::json!({ "errcode": "M_UNREACHABLE", "error": "This server does not federate." });
            failures.insert(user_id.server_name().to_string(), failure);
        }
        let mut found = self.store.read(move |snapshot| async move { query(&snapshot, reader, &wanted).await }).await?;
        found.failures = failures;
        Ok(found)
    }
}

impl Checked {
    fn unchanged_unless(mut self, changed: bool) -> Self {
        if !changed {
            self.keys = None;
        }
        self
    }
}

/// Adds checked keys of a device to a batch.
pub(super) async fn add(
    store: &Store,
    batch: &mut Batch,
    user_num: UserNum,
    device_id: &str,
    checked: Checked,
) -> Result<()> {
    if let Some(keys) = checked.keys {
        device_keys::set(batch, user_num, device_id, &keys);
    }
    insert(store, batch, user_num, device_id, &checked.one_time).await?;
    for key in &checked.fallback {
        one_time_keys::set_fallback(batch, user_num, device_id, key);
    }
    Ok(())
}

/// All public keys of a local user, as those see them who are on other servers.
pub(crate) async fn keys_for_others(snapshot: &domicile_store::Snapshot, user_id: &UserId) -> Result<Found> {
    query(snapshot, UserNum::NOBODY, &BTreeMap::from([(user_id.to_owned(), Vec::new())])).await
}

async fn query(
    snapshot: &domicile_store::Snapshot,
    reader: UserNum,
    wanted: &BTreeMap<OwnedUserId, Vec<OwnedDeviceId>>,
) -> Result<Found> {
    let mut found = Found::default();
    let mut ids = BTreeMap::new();
    for (user_num, user_id) in users::local_by_ids(snapshot, wanted.keys().map(|user_id| user_id.as_str())).await? {
        let user_id = OwnedUserId::try_from(user_id).map_err(Error::internal)?;
        found.device_keys.insert(user_id.clone(), BTreeMap::new());
        ids.insert(user_num, user_id);
    }
    let mut signatures = Signatures::new(key_signatures::visible(snapshot, reader, ids.keys().copied()).await?);
    signatures.name_signers(&ids, reader, snapshot).await?;
    for device in device_keys::of_users(snapshot, ids.keys().copied()).await? {
        let Some(user_id) = ids.get(&device.user_num) else { continue };
        let named = wanted.get(user_id).map_or(&[][..], Vec::as_slice);
        if !named.is_empty() && !named.iter().any(|device_id| device_id.as_str() == device.device_id) {
            continue;
        }
        let keys = signatures.merge(device.user_num, &device.device_id, device.keys)?;
        found.device_keys.entry(user_id.clone()).or_default().insert(device.device_id.into(), Raw::from_json(keys));
    }
    for key in cross_signing::of_users(snapshot, ids.keys().copied()).await? {
        let Some(user_id) = ids.get(&key.user_num) else { continue };
        let target = super::cross_signing::public_key(&key.key_data).unwrap_or_default();
        let json = signatures.merge(key.user_num, &target, key.key_data)?;
        match key.usage.as_str() {
            "master" => found.master_keys.insert(user_id.clone(), Raw::from_json(json)),
            "self_signing" => found.self_signing_keys.insert(user_id.clone(), Raw::from_json(json)),
            // Who verified whom is nobody else's business.
            "user_signing" if key.user_num == reader => {
                found.user_signing_keys.insert(user_id.clone(), Raw::from_json(json))
            }
            _ => None,
        };
    }
    Ok(found)
}

/// Signatures that were uploaded over keys, by the key they are over.
struct Signatures {
    by_key: BTreeMap<(UserNum, String), Vec<KeySignature>>,
    signers: BTreeMap<UserNum, OwnedUserId>,
}

impl Signatures {
    fn new(signatures: Vec<KeySignature>) -> Self {
        let mut by_key: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for signature in signatures {
            by_key.entry((signature.target_num, signature.target_key.clone())).or_default().push(signature);
        }
        Self { by_key, signers: BTreeMap::new() }
    }

    /// The signers are the owners themselves and the reader.
    async fn name_signers(
        &mut self,
        owners: &BTreeMap<UserNum, OwnedUserId>,
        reader: UserNum,
        snapshot: &domicile_store::Snapshot,
    ) -> Result<()> {
        self.signers.clone_from(owners);
        if !self.by_key.is_empty()
            && !owners.contains_key(&reader)
            && let Some(user) = users::by_num(snapshot, reader).await?
        {
            self.signers.insert(reader, OwnedUserId::try_from(user.user_id).map_err(Error::internal)?);
        }
        Ok(())
    }

    /// A key with the signatures over it.
    fn merge(&self, owner: UserNum, key: &str, json: String) -> Result<Box<RawValue>> {
        let Some(signatures) = self.by_key.get(&(owner, key.to_owned())) else {
            return RawValue::from_string(json).map_err(Error::internal);
        };
        let mut value: serde_json::Value = serde_json::from_str(&json).map_err(Error::internal)?;
        for signature in signatures {
            let Some(signer) = self.signers.get(&signature.signer_num) else { continue };
            value["signatures"][signer.as_str()][signature.signer_key.as_str()] = signature.signature.as_str().into();
        }
        serde_json::value::to_raw_value(&value).map_err(Error::internal)
    }
}
