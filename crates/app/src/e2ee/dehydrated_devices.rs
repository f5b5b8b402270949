//! Dehydrated devices (MSC3814): one device of a user sleeps on the server, sealed, and takes keys in while no other device is awake.
//!
//! It is a device like any other: in `/devices`, in the device lists, with an inbox. It has no token.

use std::sync::Arc;

use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    ids::{Position, UserNum},
    limits,
};
use domicile_store::{
    Batch, Store,
    numbers::Sequence,
    table::{
        dehydrated_devices::{self, DehydratedDevice},
        devices::{self, Device},
    },
};
use ruma::{OwnedDeviceId, api::client::dehydrated_device::DehydratedDeviceData, events::AnyToDeviceEvent, serde::Raw};

use super::{ATTEMPTS, DeviceLists, ToDevice, device_keys, device_keys::Upload};
use crate::{Error, Result, accounts::Session, error::not_found};

/// Largest sealed device in bytes.
const DEVICE_DATA_BYTES: usize = 262_144;

/// Keeps dehydrated devices.
pub struct DehydratedDevices {
    store: Store,
    clock: Arc<dyn Clock>,
    lists: Arc<DeviceLists>,
    inboxes: Arc<ToDevice>,
}

impl DehydratedDevices {
    /// Dehydrated devices over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, lists: Arc<DeviceLists>, inboxes: Arc<ToDevice>) -> Self {
        Self { store, clock, lists, inboxes }
    }

    /// Puts a device to sleep, in the place of the one that sleeps already.
    pub async fn put(
        &self,
        session: &Session,
        device_id: OwnedDeviceId,
        device_data: &Raw<DehydratedDeviceData>,
        upload: Upload,
    ) -> Result<()> {
        let user_num = session.user_num;
        let checked = device_keys::check(&session.user_id, &device_id, &upload)?;
        check(&device_id, device_data)?;
        for _ in 0..ATTEMPTS {
            let (old, taken) = self.known(user_num, &device_id).await?;
            if taken.is_some_and(|taken| old.as_ref().is_none_or(|(old, _)| old.device_num != taken.device_num)) {
                let text = format!("The user has another device {device_id:.64}: choose a new id.");
                return Err(ErrorKind::InvalidParam.with(text).into());
            }
            let mut batch = Batch::new();
            if let Some((old, row)) = &old {
                dehydrated_devices::remove(&mut batch, user_num, old.device_num);
                devices::remove(&mut batch, row);
            }
            let device_num = self.store.number(Sequence::Device).await?;
            let created_ts = self.clock.now_ms();
            let id = device_id.to_string();
            let device = Device { device_num, user_num, device_id: id.clone(), created_ts, sealed: None };
            devices::insert(&mut batch, &device);
            let data = device_data.json().get().to_owned();
            let dehydrated = DehydratedDevice { user_num, device_num, device_id: id, device_data: data };
            dehydrated_devices::insert(&mut batch, &dehydrated);
            device_keys::add(&self.store, &mut batch, user_num, device_id.as_str(), checked.clone()).await?;
            let gone = old.as_ref().map(|(old, _)| old.device_id.as_str()).filter(|old| *old != device_id.as_str());
            let changed: Vec<&str> = gone.into_iter().chain([device_id.as_str()]).collect();
            self.lists.changed(&mut batch, user_num, &changed);
            match self.store.write(batch).await {
                Err(error) if error.is_conflict() => {}
                written => {
                    written?;
                    self.lists.announce(user_num);
                    return Ok(());
                }
            }
        }
        Err(Error::internal("a dehydrated device was replaced by others each time it was written"))
    }

    /// The sleeping device with its row, and the device that has an id.
    async fn known(
        &self,
        user_num: UserNum,
        device_id: &OwnedDeviceId,
    ) -> Result<(Option<(DehydratedDevice, Device)>, Option<Device>)> {
        let device_id = device_id.to_string();
        self.store
            .read(move |snapshot| async move {
                let taken = devices::by_id(&snapshot, user_num, &device_id).await?;
                let Some(old) = dehydrated_devices::of_user(&snapshot, user_num).await? else {
                    return Ok((None, taken));
                };
                let row = devices::by_id(&snapshot, user_num, &old.device_id).await?;
                Ok((row.map(|row| (old, row)), taken))
            })
            .await
    }

    /// The device that sleeps: its id and what is sealed.
    pub async fn get(&self, user_num: UserNum) -> Result<(OwnedDeviceId, Raw<DehydratedDeviceData>)> {
        let device = self.sleeping(user_num).await?;
        let data = Raw::from_json_string(device.device_data).map_err(Error::internal)?;
        Ok((device.device_id.into(), data))
    }

    /// Removes the device that sleeps; its id.
    pub async fn remove(&self, user_num: UserNum) -> Result<OwnedDeviceId> {
        let device = self.sleeping(user_num).await?;
        let device_id = OwnedDeviceId::from(device.device_id);
        let (old, _) = self.known(user_num, &device_id).await?;
        let Some((old, row)) = old.filter(|(old, _)| old.device_num == device.device_num) else { return Err(none()) };
        let mut batch = Batch::new();
        dehydrated_devices::remove(&mut batch, user_num, old.device_num);
        devices::remove(&mut batch, &row);
        self.lists.changed(&mut batch, user_num, &[device_id.as_str()]);
        match self.store.write(batch).await {
            Err(error) if error.is_conflict() => return Err(none()),
            written => written?,
        };
        self.lists.announce(user_num);
        Ok(device_id)
    }

    /// A page of the sleeping device's inbox after `since`, and where the next one begins. What lies before `since` has arrived and is removed.
    pub async fn events(
        &self,
        user_num: UserNum,
        device_id: &OwnedDeviceId,
        since: Option<&str>,
    ) -> Result<(Vec<Raw<AnyToDeviceEvent>>, String)> {
        let device = self.sleeping(user_num).await?;
        if device.device_id != device_id.as_str() {
            return Err(none());
        }
        let since = match since {
            None => Position::START,
            Some(since) => Position(since.parse().map_err(|_| {
                ErrorKind::InvalidParam.with("The next_batch is none of an earlier answer: begin without it.")
            })?),
        };
        self.inboxes.acknowledge(device.device_num, since).await?;
        let page = self.inboxes.page(device.device_num, since, limits::TO_DEVICE_PAGE).await?;
        Ok((page.events, page.last.to_string()))
    }

    async fn sleeping(&self, user_num: UserNum) -> Result<DehydratedDevice> {
        let found = self
            .store
            .read(move |snapshot| async move { dehydrated_devices::of_user(&snapshot, user_num).await })
            .await?;
        found.ok_or_else(none)
    }
}

fn none() -> Error {
    not_found("The user has no such dehydrated device.")
}

fn check(device_id: &OwnedDeviceId, device_data: &Raw<DehydratedDeviceData>) -> Result<()> {
    let id = device_id.as_str();
    if id.is_empty() || id.len() > limits::ID_BYTES {
        return Err(ErrorKind::InvalidParam.with("The device id is empty or too long.").into());
    }
    device_data
        .deserialize()
        .map_err(|error| ErrorKind::BadJson.with(format!("The dehydrated device does not fit: {error}")))?;
    if device_data.json().get().len() > DEVICE_DATA_BYTES {
        let text = format!("A dehydrated device has at most {DEVICE_DATA_BYTES} bytes.");
        return Err(ErrorKind::TooLarge.with(text).into());
    }
    Ok(())
}
