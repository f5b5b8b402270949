//! Messages from device to device: into an inbox once, out of it once.
//!
//! A message is put into the inbox in the batch that notes the sender's transaction, so a repeated request adds nothing. It stays until the
//! device syncs with a token that lies after it, which proves that the message arrived.

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{
    clock::{Clock, DAY_MS},
    error::ErrorKind,
    ids::{DeviceNum, Position, UserNum},
    limits,
};
use domicile_store::{
    Batch, Snapshot, Store,
    table::{to_device, users},
};
use ruma::{
    OwnedUserId, TransactionId, UserId,
    events::{AnyToDeviceEvent, AnyToDeviceEventContent, ToDeviceEventType},
    serde::Raw,
    to_device::DeviceIdOrAllDevices,
};
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::{Error, Result, accounts::Session, events::wake::Wakers};

/// Messages that one request may put into inboxes, every device counted.
const MESSAGES: usize = 10_000;

/// Messages by user and device.
pub type Messages = BTreeMap<OwnedUserId, BTreeMap<DeviceIdOrAllDevices, Raw<AnyToDeviceEventContent>>>;

/// Sends to devices.
pub struct ToDevice {
    store: Store,
    clock: Arc<dyn Clock>,
    wakers: Arc<Wakers>,
}

/// Part of an inbox.
#[derive(Clone, Debug)]
pub struct Page {
    /// The messages in order.
    pub events: Vec<Raw<AnyToDeviceEvent>>,
    /// Up to where the device has everything with this page: the end that was asked for, or, if the inbox is [`Page::cut`], the last message.
    pub last: Position,
    /// Whether there is more before the end that was asked for. What is sent along must not go beyond `last` then: the key of a message
    /// might be in the rest.
    pub cut: bool,
}

/// An event as it lies in the inbox.
#[derive(Serialize)]
struct Event<'a> {
    content: &'a RawValue,
    sender: &'a UserId,
    #[serde(rename = "type")]
    kind: &'a str,
}

/// One message on its way.
struct Delivery {
    user_num: UserNum,
    device_num: DeviceNum,
    event: Arc<str>,
}

impl ToDevice {
    /// Inboxes over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, wakers: Arc<Wakers>) -> Self {
        Self { store, clock, wakers }
    }

    /// Puts messages into inboxes. Devices that are not there are passed over; the same transaction again does nothing.
    pub async fn send(
        &self,
        session: &Session,
        kind: &ToDeviceEventType,
        transaction: &TransactionId,
        messages: &Messages,
    ) -> Result<()> {
        let scope = scope(kind, transaction);
        let events = events(&session.user_id, kind, messages)?;
        let sender = session.device_num;
        let deliveries =
            self.store.read(move |snapshot| async move { deliveries(&snapshot, sender, scope, events).await });
        let Some(deliveries) = deliveries.await? else { return Ok(()) };
        let mut batch = Batch::new();
        to_device::insert_transaction(&mut batch, sender, &scope, self.clock.now_ms().div_euclid(DAY_MS));
        let position = if deliveries.is_empty() { None } else { Some(batch.position()) };
        let mut parts: BTreeMap<DeviceNum, i64> = BTreeMap::new();
        for delivery in &deliveries {
            let Some(position) = position.clone() else { break };
            let part = parts.entry(delivery.device_num).or_default();
            to_device::insert(&mut batch, delivery.device_num, position, *part, &delivery.event);
            *part += 1;
        }
        match self.store.write(batch).await {
            // The same request came twice at once, and the other one was first.
            Err(error) if error.is_conflict() => return Ok(()),
            written => written?,
        };
        for delivery in deliveries {
            self.wakers.wake(delivery.user_num);
        }
        Ok(())
    }

    /// Removes what a device has received: everything up to the position of the token with which it syncs.
    pub async fn acknowledge(&self, device_num: DeviceNum, upto: Position) -> Result<()> {
        let any =
            self.store.read(move |snapshot| async move { to_device::any(&snapshot, device_num, upto).await }).await?;
        if any {
            let mut batch = Batch::new();
            to_device::remove(&mut batch, device_num, upto);
            self.store.write(batch).await?;
        }
        Ok(())
    }

    /// One page of an inbox in a snapshot of its own, for who asks outside a sync.
    pub async fn page(&self, device_num: DeviceNum, since: Position, limit: usize) -> Result<Page> {
        self.store
            .read(move |snapshot| async move {
                let upto = snapshot.head().await?;
                page(&snapshot, device_num, since, upto, limit).await
            })
            .await
    }
}

/// Messages for a device after `since` and up to `upto`, about `limit` of them.
pub async fn page(
    snapshot: &Snapshot,
    device_num: DeviceNum,
    since: Position,
    upto: Position,
    limit: usize,
) -> Result<Page> {
    let mut messages = to_device::page(snapshot, device_num, since, upto, limit + 1).await?;
    let next = messages.get(limit).map(|message| message.position);
    let mut last = upto;
    if let Some(next) = next {
        // A token lies between positions, so a position is given whole or not at all.
        messages.retain(|message| message.position < next);
        if messages.is_empty() {
            messages = to_device::page(snapshot, device_num, since, next, usize::MAX).await?;
        }
        last = messages.last().map_or(upto, |message| message.position);
    }
    let events = messages
        .into_iter()
        .map(|message| Raw::from_json_string(message.content).map_err(Error::internal))
        .collect::<Result<_>>()?;
    Ok(Page { events, last, cut: last < upto })
}

fn scope(kind: &ToDeviceEventType, transaction: &TransactionId) -> [u8; 32] {
    let hash = Sha256::new().chain_update(kind.to_string()).chain_update([0]).chain_update(transaction.as_str());
    hash.finalize().into()
}

/// The events as they will lie in the inboxes.
type Events = Vec<(OwnedUserId, Vec<(DeviceIdOrAllDevices, Arc<str>)>)>;

fn events(sender: &UserId, kind: &ToDeviceEventType, messages: &Messages) -> Result<Events> {
    let kind = kind.to_string();
    if kind.len() > limits::ID_BYTES {
        return Err(ErrorKind::InvalidParam.with("The event type is too long.").into());
    }
    if messages.values().map(BTreeMap::len).sum::<usize>() > MESSAGES {
        return Err(too_many());
    }
    let mut events = Vec::with_capacity(messages.len());
    for (user_id, devices) in messages {
        let mut of_user = Vec::with_capacity(devices.len());
        for (device, content) in devices {
            let content = content.json();
            if !content.get().trim_start().starts_with('{') {
                return Err(ErrorKind::BadJson.with("The content of a message to a device is an object.").into());
            }
            let event = serde_json::to_string(&Event { content, sender, kind: &kind }).map_err(Error::internal)?;
            if event.len() > limits::EVENT_BYTES {
                let text = format!("A message to a device has at most {} bytes.", limits::EVENT_BYTES);
                return Err(ErrorKind::TooLarge.with(text).into());
            }
            of_user.push((device.clone(), event.into()));
        }
        events.push((user_id.clone(), of_user));
    }
    Ok(events)
}

/// Which device gets what; nothing at all if the transaction was made before.
async fn deliveries(
    snapshot: &Snapshot,
    sender: DeviceNum,
    scope: [u8; 32],
    events: Events,
) -> Result<Option<Vec<Delivery>>> {
    if to_device::is_sent(snapshot, sender, &scope).await? {
        return Ok(None);
    }
    let ids: BTreeMap<String, UserNum> =
        users::local_by_ids(snapshot, events.iter().map(|(user_id, _)| user_id.as_str()))
            .await?
            .into_iter()
            .map(|(user_num, user_id)| (user_id, user_num))
            .collect();
    let mut devices: BTreeMap<UserNum, Vec<(String, DeviceNum)>> = BTreeMap::new();
    for (user_num, device_num, device_id) in to_device::devices_of(snapshot, ids.values().copied()).await? {
        devices.entry(user_num).or_default().push((device_id, device_num));
    }
    let mut deliveries = Vec::new();
    for (user_id, of_user) in events {
        let Some(user_num) = ids.get(user_id.as_str()).copied() else { continue };
        let known = devices.get(&user_num).map_or(&[][..], Vec::as_slice);
        for (target, event) in of_user {
            let wanted = known.iter().filter(|(device_id, _)| match &target {
                DeviceIdOrAllDevices::AllDevices => true,
                DeviceIdOrAllDevices::DeviceId(target) => target.as_str() == device_id,
            });
            deliveries.extend(wanted.map(|(_, device_num)| Delivery {
                user_num,
                device_num: *device_num,
                event: Arc::clone(&event),
            }));
        }
    }
    if deliveries.len() > MESSAGES { Err(too_many()) } else { Ok(Some(deliveries)) }
}

fn too_many() -> Error {
    ErrorKind::TooLarge.with(format!("A request reaches at most {MESSAGES} devices.")).into()
}
