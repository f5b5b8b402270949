//! `m.direct_to_device` (server-server, *Send-to-device messaging*)
//!
//! A message goes into inboxes in the batch that notes its id, so one that comes twice adds nothing.

use std::collections::BTreeSet;

use domicile_core::{
    clock::DAY_MS,
    error::ErrorKind,
    locality::{Destination, Locality},
};
use domicile_store::table::{inbound_messages, users};
use ruma::{OwnedUserId, UserId, api::federation::transactions::edu::DirectDeviceContent};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Edus, Origin, Plan};
use crate::{
    Error, Result,
    e2ee::to_device::{
        delivery::{self, Delivery, Events, Sorted},
        space::Space,
    },
    residency::settling,
};

/// A message as it was told.
pub(super) struct Message {
    pub(super) sender: OwnedUserId,
    hash: [u8; 32],
    events: Events,
}

/// Reads the message of an EDU, if it can be delivered at all.
pub(super) fn read(content: &RawValue) -> Option<Message> {
    let content: DirectDeviceContent = serde_json::from_str(content.get()).ok()?;
    let events = delivery::events(&content.sender, &content.ev_type, &content.messages).ok()?;
    Some(Message { sender: content.sender, hash: Sha256::digest(content.message_id.as_str()).into(), events })
}

/// Refuses what is for somebody whose home is another cell: whoever sent it keeps it, and learns where they are.
fn check_home(origin: Origin<'_>, user_id: &UserId) -> Result<()> {
    let Some(cells) = origin.localities.cells() else { return Ok(()) };
    match (origin.localities.of(user_id), Destination::of_peer(origin.name)) {
        (Locality::Elsewhere(Destination::Cell(home)), Destination::Cell(asking)) => {
            if home != asking {
                cells.tickets.note_stale(asking, user_id.to_owned());
            }
            Err(ErrorKind::Unavailable
                .with("Somebody to whom this goes has moved: it is told where to in a moment.")
                .into())
        }
        _ => Ok(()),
    }
}

/// What of messages is for devices here.
#[derive(Default)]
struct Found {
    /// Those that did not come before, by their hashes.
    of_messages: Vec<([u8; 32], Vec<Delivery>)>,
    /// For whom they are of those who are not here.
    absent: BTreeSet<OwnedUserId>,
    /// Those of them who are known here.
    known: BTreeSet<OwnedUserId>,
    /// How many found no room in an inbox.
    refused: usize,
}

impl Edus {
    /// Looks for whose devices messages are.
    async fn find(&self, origin: Origin<'_>, messages: &[Message]) -> Result<Found> {
        let wanted: Vec<([u8; 32], Events)> =
            messages.iter().map(|message| (message.hash, message.events.clone())).collect();
        let from = origin.name.to_owned();
        let read = self.0.store.read(move |snapshot| async move {
            let mut found = Found::default();
            let mut inboxes = Space::new(&snapshot, &from);
            for (hash, events) in wanted {
                let is_known = found.of_messages.iter().any(|(known, _)| *known == hash)
                    || inbound_messages::is_known(&snapshot, from.as_str(), &hash).await?;
                if is_known {
                    continue;
                }
                match delivery::sort(&snapshot, events).await {
                    Ok(Sorted { deliveries, absent, known }) => {
                        let mut taken = Vec::with_capacity(deliveries.len());
                        for delivery in deliveries {
                            if inboxes.takes(&delivery).await? {
                                taken.push(delivery);
                            } else {
                                found.refused += 1;
                            }
                        }
                        found.of_messages.push((hash, taken));
                        found.absent.extend(absent);
                        found.known.extend(known);
                    }
                    // It is for more devices than a message may be.
                    Err(Error::Matrix(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok::<_, Error>(found)
        });
        read.await
    }

    /// Adds messages to a plan that did not come before.
    pub(super) async fn messages(&self, origin: Origin<'_>, messages: &[Message], plan: &mut Plan) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut attempt = 0;
        let deliveries = loop {
            for (user_id, _) in messages.iter().flat_map(|message| &message.events) {
                check_home(origin, user_id)?;
            }
            let Found { of_messages, absent, known, refused } = self.find(origin, messages).await?;
            if settling::is_unsettled(origin.localities, &known) && settling::settles(attempt).await {
                attempt += 1;
                continue;
            }
            // Who has left in between is told to whoever asks, as above.
            for user_id in &absent {
                check_home(origin, user_id)?;
            }
            if refused > 0 {
                let from = origin.name;
                tracing::info!(origin = %from, refused, "messages to devices are refused: too many lie in their inboxes");
            }
            break of_messages;
        };
        let day = self.0.clock.now_ms().div_euclid(DAY_MS);
        let mut count = 0;
        for (hash, deliveries) in deliveries.into_iter().filter(|(_, deliveries)| !deliveries.is_empty()) {
            count += deliveries.len();
            if count > delivery::MESSAGES {
                break;
            }
            inbound_messages::insert(&mut plan.batch, origin.name.as_str(), &hash, day);
            delivery::put(&mut plan.batch, &deliveries, Some(origin.name.as_str()));
            plan.inboxes.extend(delivery::owners(&deliveries));
            if origin.localities.cells().is_some() {
                // Whoever leaves meanwhile takes along what is in the inbox now, and nothing that comes later.
                for owner in delivery::owners(&deliveries) {
                    users::stays(&mut plan.batch, owner);
                }
            }
        }
        Ok(())
    }
}
