//! Somebody's devices and keys as their server tells them, checked as those of local users are when they are uploaded.

use std::collections::BTreeMap;

use domicile_core::{ids::UserNum, limits};
use domicile_store::{
    Batch, Snapshot, StoreError,
    table::{cross_signing, device_keys, key_signatures},
};
use ruma::{
    CanonicalJsonValue, DeviceId, UserId,
    encryption::{CrossSigningKey, DeviceKeys},
    serde::Raw,
};
use serde_json::value::RawValue;

use crate::e2ee::{
    cross_signing::{Usage, check_one, public_key},
    device_keys::check_keys,
    signed,
};

/// Devices of one user.
const DEVICES: usize = 1_000;

/// Devices and keys in stored form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// The keys of each device, by its id.
    pub devices: BTreeMap<String, String>,
    /// The master key.
    pub master: Option<String>,
    /// The self-signing key.
    pub self_signing: Option<String>,
}

impl List {
    /// Sets a device's keys. Gives whether they fit: another's keys do not, nor does one device too many.
    pub(super) fn set_device(
        &mut self,
        user_id: &UserId,
        device_id: &DeviceId,
        keys: &Raw<DeviceKeys>,
        name: Option<&str>,
    ) -> bool {
        let id = device_id.as_str();
        if self.devices.len() >= DEVICES && !self.devices.contains_key(id) {
            return false;
        }
        let fits = is_device_id(device_id);
        let Some(stored) = check_keys(user_id, device_id, keys).ok().filter(|_| fits) else { return false };
        let Some(stored) = with_name(stored, name) else { return false };
        self.devices.insert(id.to_owned(), stored);
        true
    }

    /// Sets the cross-signing keys that are given. Gives whether they fit: the self-signing key is signed by the master key.
    pub(super) fn set_keys(
        &mut self,
        user_id: &UserId,
        master: Option<&Raw<CrossSigningKey>>,
        self_signing: Option<&Raw<CrossSigningKey>>,
    ) -> bool {
        let check = |usage, raw: Option<&Raw<CrossSigningKey>>| {
            raw.map(|raw| check_one(user_id, usage, raw))
                .transpose()
                .map(|key| key.map(|key| signed::stored(key.object)))
        };
        let (Ok(master), Ok(self_signing)) = (check(Usage::Master, master), check(Usage::SelfSigning, self_signing))
        else {
            return false;
        };
        let told = self_signing.is_some();
        let master = master.or_else(|| self.master.clone());
        let self_signing = self_signing.or_else(|| self.self_signing.clone());
        let is_signed = self_signing.as_deref().is_none_or(|key| is_signed_by(user_id, key, master.as_deref()));
        if told && !is_signed {
            return false;
        }
        self.master = master;
        // What the master key before signed is worth nothing under another one.
        self.self_signing = self_signing.filter(|_| is_signed);
        true
    }

    /// Adds to a batch what makes of the stored list `old` this one. Gives whether they differ.
    pub(super) fn write_over(&self, old: &Self, batch: &mut Batch, user_num: UserNum) -> bool {
        for (device_id, keys) in self.devices.iter().filter(|(id, keys)| old.devices.get(*id) != Some(keys)) {
            device_keys::set(batch, user_num, device_id, keys);
        }
        for device_id in old.devices.keys().filter(|id| !self.devices.contains_key(*id)) {
            device_keys::remove(batch, user_num, device_id);
            key_signatures::remove_over(batch, user_num, device_id);
        }
        for (usage, new, old) in
            [(Usage::Master, &self.master, &old.master), (Usage::SelfSigning, &self.self_signing, &old.self_signing)]
        {
            match new {
                _ if new == old => continue,
                Some(key) => cross_signing::set(batch, user_num, usage.as_str(), key),
                None => cross_signing::unset(batch, user_num, usage.as_str()),
            }
            let public = |key: &Option<String>| key.as_deref().and_then(public_key);
            if let Some(gone) = public(old).filter(|gone| public(new).as_ref() != Some(gone)) {
                key_signatures::remove_over(batch, user_num, &gone);
            }
        }
        self != old
    }
}

/// The stored lists of some users.
pub(super) async fn load(snapshot: &Snapshot, users: Vec<UserNum>) -> Result<BTreeMap<UserNum, List>, StoreError> {
    let mut lists: BTreeMap<UserNum, List> = BTreeMap::new();
    for device in device_keys::of_users(snapshot, users.iter().copied()).await? {
        lists.entry(device.user_num).or_default().devices.insert(device.device_id, device.keys);
    }
    for key in cross_signing::of_users(snapshot, users).await? {
        let list = lists.entry(key.user_num).or_default();
        if key.usage == Usage::Master.as_str() {
            list.master = Some(key.key_data);
        } else if key.usage == Usage::SelfSigning.as_str() {
            list.self_signing = Some(key.key_data);
        }
    }
    Ok(lists)
}

/// Whether it can be a device's id in a table.
pub(super) fn is_device_id(device_id: &DeviceId) -> bool {
    let id = device_id.as_str();
    !id.is_empty() && id.len() <= limits::ID_BYTES && !id.chars().any(char::is_control)
}

/// The name that the device's owner gave to it, as keys carry it that came over federation: in `unsigned`.
pub(super) fn name_in(keys: &RawValue) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        unsigned: Unsigned,
    }
    #[derive(serde::Deserialize)]
    struct Unsigned {
        device_display_name: String,
    }
    serde_json::from_str::<Named>(keys.get()).ok().map(|named| named.unsigned.device_display_name)
}

fn with_name(stored: String, name: Option<&str>) -> Option<String> {
    let Some(name) = name.filter(|name| name.len() <= limits::ID_BYTES) else { return Some(stored) };
    let mut object = signed::object(&stored)?;
    let name = CanonicalJsonValue::String(name.to_owned());
    let unsigned = BTreeMap::from([("device_display_name".to_owned(), name)]);
    object.insert("unsigned".to_owned(), CanonicalJsonValue::Object(unsigned));
    Some(CanonicalJsonValue::Object(object).to_string())
}

fn is_signed_by(user_id: &UserId, key: &str, master: Option<&str>) -> bool {
    let (Some(object), Some(public)) = (signed::object(key), master.and_then(public_key)) else { return false };
    signed::is_signed_by(&object, user_id, &format!("ed25519:{public}"), &public)
}
