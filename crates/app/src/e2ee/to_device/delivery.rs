//! Messages on their way into inboxes, whoever sent them: a device of this server, or another server.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domicile_core::{
    error::ErrorKind,
    ids::{DeviceNum, UserNum},
    limits,
};
use domicile_room::event::validate;
use domicile_store::{
    Batch, Snapshot,
    table::{to_device, users},
};
use ruma::{
    OwnedUserId, UserId,
    events::{AnyToDeviceEventContent, ToDeviceEventType},
    serde::Raw,
    to_device::DeviceIdOrAllDevices,
};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Error, Result};

/// Messages that one request may put into inboxes, every device counted.
pub(crate) const MESSAGES: usize = 10_000;

/// One user's messages by device.
pub(crate) type OfUser = BTreeMap<DeviceIdOrAllDevices, Raw<AnyToDeviceEventContent>>;

/// The events as they will lie in the inboxes.
pub(crate) type Events = Vec<(OwnedUserId, Vec<(DeviceIdOrAllDevices, Arc<str>)>)>;

/// An event as it lies in the inbox.
#[derive(Serialize)]
struct Event<'a> {
    content: &'a RawValue,
    sender: &'a UserId,
    #[serde(rename = "type")]
    kind: &'a str,
}

/// One message on its way.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) user_num: UserNum,
    pub(crate) device_num: DeviceNum,
    pub(crate) event: Arc<str>,
}

/// The events of a sender's messages, once they are checked: an object each, of a size that can be read.
pub(crate) fn events<'a>(
    sender: &UserId,
    kind: &ToDeviceEventType,
    messages: impl IntoIterator<Item = (&'a OwnedUserId, &'a OfUser)>,
) -> Result<Events> {
    let kind = kind.to_string();
    if kind.len() > limits::ID_BYTES {
        return Err(ErrorKind::InvalidParam.with("The event type is too long.").into());
    }
    let mut count = 0_usize;
    let mut events = Vec::new();
    for (user_id, devices) in messages {
        count += devices.len();
        if count > MESSAGES {
            return Err(too_many());
        }
        let mut of_user = Vec::with_capacity(devices.len());
        for (device, content) in devices {
            of_user.push((device.clone(), event(sender, &kind, content.json())?));
        }
        events.push((user_id.clone(), of_user));
    }
    Ok(events)
}

fn event(sender: &UserId, kind: &str, content: &RawValue) -> Result<Arc<str>> {
    if !content.get().trim_start().starts_with('{') {
        return Err(ErrorKind::BadJson.with("The content of a message to a device is an object.").into());
    }
    validate::depth(content.get()).map_err(|error| ErrorKind::BadJson.with(error.to_string()))?;
    let event = serde_json::to_string(&Event { content, sender, kind }).map_err(Error::internal)?;
    if event.len() > limits::EVENT_BYTES {
        let text = format!("A message to a device has at most {} bytes.", limits::EVENT_BYTES);
        return Err(ErrorKind::TooLarge.with(text).into());
    }
    Ok(event.into())
}

/// Messages by where they go.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    /// Those for devices that are here.
    pub(crate) deliveries: Vec<Delivery>,
    /// Who has no account here.
    pub(crate) absent: BTreeSet<OwnedUserId>,
    /// Those of them who are known here: they may have left.
    pub(crate) known: BTreeSet<OwnedUserId>,
}

/// Which device of this server's users gets what, and who is not here.
pub(crate) async fn sort(snapshot: &Snapshot, events: Events) -> Result<Sorted> {
    let (mut ids, mut known_elsewhere) = (BTreeMap::new(), BTreeSet::new());
    let asked = events.iter().map(|(user_id, _)| user_id.as_str());
    for (user_num, user_id, is_local) in users::known_by_ids(snapshot, asked).await? {
        if is_local {
            ids.insert(user_id, user_num);
        } else {
            known_elsewhere.insert(user_id);
        }
    }
    let mut devices: BTreeMap<UserNum, Vec<(String, DeviceNum)>> = BTreeMap::new();
    for (user_num, device_num, device_id) in to_device::devices_of(snapshot, ids.values().copied()).await? {
        devices.entry(user_num).or_default().push((device_id, device_num));
    }
    let mut sorted = Sorted::default();
    for (user_id, of_user) in events {
        let Some(user_num) = ids.get(user_id.as_str()).copied() else {
            if known_elsewhere.contains(user_id.as_str()) {
                sorted.known.insert(user_id.clone());
            }
            sorted.absent.insert(user_id);
            continue;
        };
        let known = devices.get(&user_num).map_or(&[][..], Vec::as_slice);
        for (target, event) in of_user {
            let wanted = known.iter().filter(|(device_id, _)| match &target {
                DeviceIdOrAllDevices::AllDevices => true,
                DeviceIdOrAllDevices::DeviceId(target) => target.as_str() == device_id,
            });
            sorted.deliveries.extend(wanted.map(|(_, device_num)| Delivery {
                user_num,
                device_num: *device_num,
                event: Arc::clone(&event),
            }));
        }
        if sorted.deliveries.len() > MESSAGES {
            return Err(too_many());
        }
    }
    Ok(sorted)
}

/// Puts messages into inboxes, all at one new position. `origin` is the server that brought them, if they are not of this one.
pub(crate) fn put(batch: &mut Batch, deliveries: &[Delivery], origin: Option<&str>) {
    if deliveries.is_empty() {
        return;
    }
    let position = batch.position();
    let mut parts: BTreeMap<DeviceNum, i64> = BTreeMap::new();
    for delivery in deliveries {
        let part = parts.entry(delivery.device_num).or_default();
        to_device::insert(batch, delivery.device_num, (position.clone(), *part), &delivery.event, origin);
        *part += 1;
    }
}

/// Whose inboxes they go into.
pub(crate) fn owners(deliveries: &[Delivery]) -> BTreeSet<UserNum> {
    deliveries.iter().map(|delivery| delivery.user_num).collect()
}

fn too_many() -> Error {
    ErrorKind::TooLarge.with(format!("A request reaches at most {MESSAGES} devices.")).into()
}
