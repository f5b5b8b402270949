//! Device keys: uploaded by the device, asked for by everybody who wants to write to it.

mod query;

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{error::ErrorKind, ids::UserNum};
use domicile_store::{
    Batch, Store,
    table::{
        device_keys, devices,
        one_time_keys::{self, Key},
    },
};
use ruma::{DeviceId, OneTimeKeyAlgorithm, UInt, UserId, encryption::DeviceKeys as Keys, serde::Raw};

pub(crate) use query::keys_for_others;
pub use query::{DeviceList, Found, Wanted};

use super::{
    ATTEMPTS, DeviceListCopies, DeviceLists, UnsignedDevices,
    one_time_keys::{Uploaded, fresh, fresh_fallback, insert, one_time_key_counts, parse},
    signed,
};
use crate::{
    Error, Result,
    accounts::{Session, Users},
};

/// Largest device keys in bytes.
const DEVICE_KEYS_BYTES: usize = 32_768;

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

/// Keeps device keys.
pub struct DeviceKeys {
    store: Store,
    users: Arc<Users>,
    lists: Arc<DeviceLists>,
    copies: Arc<DeviceListCopies>,
    unsigned: UnsignedDevices,
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

/// Checks the shape of a device's keys and that they are its own. Gives them in stored form.
pub(super) fn check_keys(user_id: &UserId, device_id: &DeviceId, raw: &Raw<Keys>) -> Result<String> {
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
    pub fn new(
        store: Store,
        users: Arc<Users>,
        lists: Arc<DeviceLists>,
        copies: Arc<DeviceListCopies>,
        unsigned: UnsignedDevices,
    ) -> Self {
        Self { store, users, lists, copies, unsigned }
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
