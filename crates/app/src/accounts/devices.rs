//! Devices: every session of a user, by name, and the end of each.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;
use domicile_core::{
    clock::{Clock, DAY_MS},
    ids::UserNum,
    rng::{self, Rng},
};
use domicile_store::{
    Batch, Keystore, Store,
    numbers::Sequence,
    table::{devices, tokens},
};
use ruma::{DeviceId, OwnedDeviceId};
use serde::{Deserialize, Serialize};

use super::{Sessions, last_seen::Uses, sessions::IssuedTokens};
use crate::{Error, Result, e2ee::DeviceLists, error::not_found, restore::words};

/// Letters of a device id that the server makes.
const ID_LENGTH: usize = 10;
/// Longest device id and longest name of a device, in bytes.
const TEXT_BYTES: usize = 255;
/// Days for which a device's address is kept and shown.
pub(super) const ADDRESS_DAYS: i64 = 7;
/// How often a change of the sealed part is tried again when others changed it meanwhile.
const ATTEMPTS: usize = 5;

/// Where the sealed part stands, which is sealed with it.
const SEALED: &str = "devices.sealed";

/// What is sealed with the owner's key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Details {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) address: Option<IpAddr>,
    /// The day of the last use, counted from the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) day: Option<i64>,
}

/// A device as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub device_id: OwnedDeviceId,
    /// Its name.
    pub display_name: Option<String>,
    /// The address it was last seen from, for a week.
    pub last_seen_ip: Option<IpAddr>,
    /// The day it was last seen, as its first millisecond since the epoch.
    pub last_seen_ts: Option<i64>,
}

/// A session to be opened.
#[derive(Clone, Debug, Default)]
pub struct NewSession {
    /// The device's id, if the client has one.
    pub device_id: Option<OwnedDeviceId>,
    /// A new device's name.
    pub display_name: Option<String>,
    /// Whether the client can use a refresh token.
    pub with_refresh: bool,
}

/// A session that is open once its batch is written.
#[derive(Clone, Debug)]
pub struct OpenedSession {
    /// The device's id.
    pub device_id: OwnedDeviceId,
    /// Its tokens.
    pub tokens: IssuedTokens,
}

/// Knows the devices of local users.
pub struct Devices {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    sessions: Arc<Sessions>,
    lists: Arc<DeviceLists>,
    keystore: Arc<Keystore>,
    /// Uses that are not written yet.
    pub(super) uses: Uses,
}

impl Devices {
    /// Devices over a store.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        sessions: Arc<Sessions>,
        lists: Arc<DeviceLists>,
        keystore: Arc<Keystore>,
    ) -> Self {
        Self { store, clock, rng, sessions, lists, keystore, uses: Uses::default() }
    }

    /// Adds a session to a batch: a new device, or new tokens for one that the user has. Every one is shown to the user's other devices.
    pub async fn open(&self, batch: &mut Batch, user_num: UserNum, wanted: NewSession) -> Result<OpenedSession> {
        self.sessions.check_stays(user_num)?;
        let device_id = match wanted.device_id {
            Some(device_id) => valid_id(device_id)?,
            None => rng::upper_name(&*self.rng, ID_LENGTH).into(),
        };
        let known = self.row(user_num, &device_id).await?;
        let device_num = if let Some(known) = known {
            tokens::remove_of_device(batch, known.device_num);
            known.device_num
        } else {
            let device_num = self.store.number(Sequence::Device).await?;
            let details = Details { name: wanted.display_name.map(valid_name).transpose()?, ..Details::default() };
            let row = devices::Device {
                device_num,
                user_num,
                device_id: device_id.to_string(),
                created_ts: self.clock.now_ms(),
                sealed: Some(self.seal(user_num, &details).await?),
            };
            devices::insert(batch, &row);
            device_num
        };
        self.lists.changed(batch, user_num, &[device_id.as_str()]);
        let tokens = self.sessions.issue(batch, device_num, wanted.with_refresh);
        Ok(OpenedSession { device_id, tokens })
    }

    /// All devices of a user.
    pub async fn list(&self, user_num: UserNum) -> Result<Vec<Device>> {
        self.write_uses(Some(user_num)).await?;
        let rows = self.store.read(move |snapshot| async move { devices::of_user(&snapshot, user_num).await }).await?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            found.push(self.device(row).await?);
        }
        Ok(found)
    }

    /// One device of a user.
    pub async fn get(&self, user_num: UserNum, device_id: &DeviceId) -> Result<Device> {
        self.write_uses(Some(user_num)).await?;
        let row = self.row(user_num, device_id).await?.ok_or_else(no_device)?;
        self.device(&row).await
    }

    /// Gives a device another name.
    pub async fn rename(&self, user_num: UserNum, device_id: &DeviceId, name: Option<String>) -> Result<()> {
        let name = name.map(valid_name).transpose()?;
        let mut batch = Batch::new();
        self.lists.changed(&mut batch, user_num, &[device_id.as_str()]);
        let renamed = |details: &mut Details| {
            details.name = name.clone().or(details.name.take());
            true
        };
        if !self.change(user_num, device_id, batch, renamed).await? {
            return Err(no_device());
        }
        self.lists.announce(user_num);
        Ok(())
    }

    /// Changes the sealed part of a device together with what is in `batch`, unless `decide` says that there is nothing to change. Gives
    /// whether the device is there.
    pub(super) async fn change(
        &self,
        user_num: UserNum,
        device_id: &DeviceId,
        batch: Batch,
        decide: impl Fn(&mut Details) -> bool,
    ) -> Result<bool> {
        for _ in 0..ATTEMPTS {
            let Some(row) = self.row(user_num, device_id).await? else { return Ok(false) };
            if self.change_row(&row, batch.clone(), &decide).await? {
                return Ok(true);
            }
        }
        Err(Error::internal("others changed a device each time it was changed"))
    }

    /// The same for a row that was read. Gives whether it was still so.
    pub(super) async fn change_row(
        &self,
        row: &devices::Device,
        mut batch: Batch,
        decide: impl Fn(&mut Details) -> bool,
    ) -> Result<bool> {
        let mut details = self.open_sealed(row).await?;
        if !decide(&mut details) {
            return Ok(true);
        }
        let sealed = self.seal(row.user_num, &details).await?;
        devices::replace_sealed(&mut batch, row.device_num, row.sealed.clone(), sealed);
        match self.store.write(batch).await {
            Err(error) if error.is_conflict() => Ok(false),
            written => Ok(written.map(|_| true)?),
        }
    }

    /// Ends sessions: the devices with their tokens, keys and inboxes. What is not there needs no end.
    pub async fn remove(&self, user_num: UserNum, device_ids: &[OwnedDeviceId]) -> Result<()> {
        self.remove_where(user_num, |device| device_ids.iter().any(|id| id.as_str() == device.device_id)).await
    }

    /// Ends all sessions of a user, except that of `kept`.
    pub async fn remove_all_but(&self, user_num: UserNum, kept: Option<&DeviceId>) -> Result<()> {
        self.remove_where(user_num, |device| kept.is_none_or(|kept| kept.as_str() != device.device_id)).await
    }

    async fn remove_where(&self, user_num: UserNum, ended: impl Fn(&devices::Device) -> bool) -> Result<()> {
        let rows = self.store.read(move |snapshot| async move { devices::of_user(&snapshot, user_num).await }).await?;
        let ended: Vec<_> = rows.into_iter().filter(ended).collect();
        if ended.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        for device in &ended {
            devices::remove(&mut batch, device);
            words::note(&mut batch, user_num, words::Kind::Device, &device.device_id);
        }
        let device_ids: Vec<&str> = ended.iter().map(|device| device.device_id.as_str()).collect();
        self.lists.changed(&mut batch, user_num, &device_ids);
        self.store.write(batch).await?;
        self.sessions.forget(|session| ended.iter().any(|device| device.device_num == session.device_num));
        self.lists.announce(user_num);
        Ok(())
    }

    /// Ends what memory holds of the sessions that a new one replaces, and shows it to the others. Call it after the batch of
    /// [`Self::open`] is written.
    pub fn opened(&self, user_num: UserNum, device_id: &DeviceId) {
        self.sessions.forget(|session| session.user_num == user_num && session.device_id == device_id);
        self.lists.announce(user_num);
    }

    async fn row(&self, user_num: UserNum, device_id: &DeviceId) -> Result<Option<devices::Device>> {
        let device_id = device_id.to_owned();
        let row = self
            .store
            .read(move |snapshot| async move { devices::by_id(&snapshot, user_num, device_id.as_str()).await })
            .await?;
        Ok(row)
    }

    async fn device(&self, row: &devices::Device) -> Result<Device> {
        let details = self.open_sealed(row).await?;
        let today = self.clock.now_ms().div_euclid(DAY_MS);
        let fresh = details.day.is_some_and(|day| day > today - ADDRESS_DAYS);
        Ok(Device {
            device_id: row.device_id.as_str().into(),
            display_name: details.name,
            last_seen_ip: details.address.filter(|_| fresh),
            last_seen_ts: details.day.map(|day| day * DAY_MS),
        })
    }

    /// What its owner calls a device.
    pub async fn name(&self, row: &devices::Device) -> Result<Option<String>> {
        Ok(self.open_sealed(row).await?.name)
    }

    async fn open_sealed(&self, row: &devices::Device) -> Result<Details> {
        let Some(sealed) = &row.sealed else { return Ok(Details::default()) };
        let key = self.keystore.key_of(row.user_num).await?;
        let opened = key.open(SEALED, sealed)?;
        serde_json::from_slice(&opened).map_err(Error::internal)
    }

    async fn seal(&self, owner: UserNum, details: &Details) -> Result<Bytes> {
        let key = self.keystore.key_of(owner).await?;
        let plain = serde_json::to_vec(details).map_err(Error::internal)?;
        Ok(key.seal(SEALED, &plain)?)
    }
}

fn no_device() -> Error {
    not_found("You have no device of that id.")
}

fn valid_id(device_id: OwnedDeviceId) -> Result<OwnedDeviceId> {
    let text = device_id.as_str();
    if text.is_empty() || text.len() > TEXT_BYTES || text.chars().any(char::is_control) {
        return Err(super::invalid_param(format!(
            "A device id has 1 to {TEXT_BYTES} bytes and no control characters."
        )));
    }
    Ok(device_id)
}

fn valid_name(name: String) -> Result<String> {
    if name.len() > TEXT_BYTES {
        return Err(super::invalid_param(format!("A device's name has at most {TEXT_BYTES} bytes.")));
    }
    Ok(name)
}
