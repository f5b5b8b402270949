//! Messages from device to device: into an inbox once, out of it once.
//!
//! A message is put into the inbox in the batch that notes the sender's transaction, so a repeated request adds nothing. It stays until the
//! device syncs with a token that lies after it, which proves that the message arrived. What goes to other servers is put into the same batch,
//! and delivered from there.

pub(crate) mod delivery;
mod outgoing;
pub(crate) mod space;

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{
    clock::{Clock, DAY_MS},
    error::ErrorKind,
    ids::{DeviceNum, Position},
    rng::{self, Rng},
};
use domicile_store::{
    Batch, Snapshot, Store,
    table::{to_device, users},
};
use ruma::{
    OwnedUserId, TransactionId,
    events::{AnyToDeviceEvent, AnyToDeviceEventContent, ToDeviceEventType},
    serde::Raw,
    to_device::DeviceIdOrAllDevices,
};
use sha2::{Digest, Sha256};

use crate::{
    Error, Result,
    accounts::{Session, Users},
    events::wake::Wakers,
    federation::{Destinations, OutboundBell},
    residency::settling,
};

/// Letters of the name of this run of the server, which stands in the ids of messages to other servers: numbers may come again after a backup
/// was restored.
const INCARNATION: usize = 12;
/// How often it is tried to send while others write the same or people move.
const TRIES: usize = 10;

/// Messages by user and device.
pub type Messages = BTreeMap<OwnedUserId, BTreeMap<DeviceIdOrAllDevices, Raw<AnyToDeviceEventContent>>>;

/// Sends to devices.
pub struct ToDevice {
    store: Store,
    clock: Arc<dyn Clock>,
    wakers: Arc<Wakers>,
    users: Arc<Users>,
    destinations: Arc<Destinations>,
    outbound: Arc<OutboundBell>,
    incarnation: String,
}

/// What sending to devices is made of.
pub struct ToDeviceParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Who waits.
    pub wakers: Arc<Wakers>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Other servers.
    pub destinations: Arc<Destinations>,
    /// Told what is to be delivered to them.
    pub outbound: Arc<OutboundBell>,
}

/// What became of an attempt to send.
enum Tried {
    /// It is on disk, perhaps from before.
    Sent,
    /// Others wrote the same, or somebody has moved.
    Conflict,
    /// Somebody moves at this moment.
    Unsettled,
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

impl ToDevice {
    /// Inboxes over a store.
    pub fn new(parts: ToDeviceParts) -> Self {
        let ToDeviceParts { store, clock, rng, wakers, users, destinations, outbound } = parts;
        let incarnation = rng::name(&*rng, INCARNATION);
        Self { store, clock, wakers, users, destinations, outbound, incarnation }
    }

    /// Puts messages into inboxes, and those for other servers' users on their way. Devices that are not here are passed over; the same
    /// transaction again does nothing.
    pub async fn send(
        &self,
        session: &Session,
        kind: &ToDeviceEventType,
        transaction: &TransactionId,
        messages: &Messages,
    ) -> Result<()> {
        let (mut conflicts, mut attempt) = (0, 0);
        // Somebody may move in between: then it is looked again where everybody is.
        while conflicts < TRIES {
            match self.try_to_send(session, kind, transaction, messages, attempt).await? {
                Tried::Sent => return Ok(()),
                Tried::Conflict => conflicts += 1,
                Tried::Unsettled => attempt += 1,
            }
        }
        Err(ErrorKind::Unavailable.with("The devices' owners have moved each time: try again.").into())
    }

    /// Sends, unless something that this rests on has changed.
    async fn try_to_send(
        &self,
        session: &Session,
        kind: &ToDeviceEventType,
        transaction: &TransactionId,
        messages: &Messages,
        attempt: usize,
    ) -> Result<Tried> {
        let scope = scope(kind, transaction);
        let events = delivery::events(&session.user_id, kind, messages)?;
        let sender = session.device_num;
        let sorted = self.store.read(move |snapshot| async move {
            if to_device::is_sent(&snapshot, sender, &scope).await? {
                return Ok(None);
            }
            delivery::sort(&snapshot, events).await.map(Some)
        });
        let Some(sorted) = sorted.await? else { return Ok(Tried::Sent) };
        // Where the database has them they are: it is told first.
        let elsewhere: Vec<_> = messages.iter().filter(|(user_id, _)| sorted.absent.contains(*user_id)).collect();
        // Before it is found out where the others are, and after it: nobody has gone or come home in between.
        let is_unsettled = || settling::is_unsettled(self.users.localities(), &sorted.known);
        let before = is_unsettled();
        let outgoing = self.outgoing(session, kind, elsewhere).await?;
        if (before || is_unsettled()) && settling::settles(attempt).await {
            return Ok(Tried::Unsettled);
        }
        let deliveries = sorted.deliveries;
        let mut batch = Batch::new();
        to_device::insert_transaction(&mut batch, sender, &scope, self.clock.now_ms().div_euclid(DAY_MS));
        delivery::put(&mut batch, &deliveries, None);
        if self.users.localities().cells().is_some() {
            for owner in delivery::owners(&deliveries) {
                users::stays(&mut batch, owner);
            }
        }
        if !outgoing.is_empty() {
            let position = batch.position();
            for edu in &outgoing {
                edu.insert(&mut batch, session.user_num, position.clone());
            }
        }
        match self.store.write(batch).await {
            // The same request came twice at once and the other one was first, or somebody has moved.
            Err(error) if error.is_conflict() => return Ok(Tried::Conflict),
            written => written?,
        };
        for delivery in deliveries {
            self.wakers.wake(delivery.user_num);
        }
        for edu in outgoing {
            self.outbound.destination(edu.destination_num);
        }
        Ok(Tried::Sent)
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
