//! `m.direct_to_device` (server-server, *Send-to-device messaging*)
//!
//! A message goes into inboxes in the batch that notes its id, so one that comes twice adds nothing.

use domicile_core::{
    clock::DAY_MS,
    error::ErrorKind,
    locality::{Destination, Locality},
};
use domicile_store::table::{inbound_messages, users};
use ruma::{UserId, api::federation::transactions::edu::DirectDeviceContent};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Edus, Origin, Plan, is_of};
use crate::{
    Error, Result,
    e2ee::to_device::{
        delivery::{self, Delivery, Events},
        space::Space,
    },
};

/// A message as it was told.
pub(super) struct Message {
    hash: [u8; 32],
    events: Events,
}

/// Reads the message of an EDU, if it can be delivered at all.
pub(super) fn read(origin: Origin<'_>, content: &RawValue) -> Option<Message> {
    let content: DirectDeviceContent = serde_json::from_str(content.get()).ok()?;
    if !is_of(origin, &content.sender) {
        return None;
    }
    let events = delivery::events(&content.sender, &content.ev_type, &content.messages).ok()?;
    Some(Message { hash: Sha256::digest(content.message_id.as_str()).into(), events })
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

impl Edus {
    /// Adds messages to a plan that did not come before.
    pub(super) async fn messages(&self, origin: Origin<'_>, messages: &[Message], plan: &mut Plan) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        for (user_id, _) in messages.iter().flat_map(|message| &message.events) {
            check_home(origin, user_id)?;
        }
        let wanted: Vec<([u8; 32], Events)> =
            messages.iter().map(|message| (message.hash, message.events.clone())).collect();
        let from = origin.name.to_owned();
        let deliveries = self.0.store.read(move |snapshot| async move {
            let mut found: Vec<([u8; 32], Vec<Delivery>)> = Vec::new();
            let mut inboxes = Space::new(&snapshot, &from);
            let mut refused = 0_usize;
            for (hash, events) in wanted {
                let is_known = found.iter().any(|(known, _)| *known == hash)
                    || inbound_messages::is_known(&snapshot, from.as_str(), &hash).await?;
                if is_known {
                    continue;
                }
                match delivery::deliveries(&snapshot, events).await {
                    Ok(deliveries) => {
                        let mut taken = Vec::with_capacity(deliveries.len());
                        for delivery in deliveries {
                            if inboxes.takes(&delivery).await? {
                                taken.push(delivery);
                            } else {
                                refused += 1;
                            }
                        }
                        found.push((hash, taken));
                    }
                    // It is for more devices than a message may be.
                    Err(Error::Matrix(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if refused > 0 {
                tracing::info!(origin = %from, refused, "messages to devices are refused: too many lie in their inboxes");
            }
            Ok::<_, Error>(found)
        });
        let day = self.0.clock.now_ms().div_euclid(DAY_MS);
        let mut count = 0;
        for (hash, deliveries) in deliveries.await?.into_iter().filter(|(_, deliveries)| !deliveries.is_empty()) {
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
