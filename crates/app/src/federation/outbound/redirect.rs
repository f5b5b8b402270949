//! Messages to devices that wait for a cell which is not their owner's home any more: they go where their owner has gone.
//!
//! The cell may have taken some of them before its answer was lost. These have moved with their owner, so it is asked first which it has: none is
//! lost, and none comes twice. While it cannot be asked they wait.

use std::collections::{BTreeMap, BTreeSet};

use domicile_core::{
    ids::{DestinationNum, Position},
    locality::{CellName, Destination, Locality},
};
use domicile_store::{
    Batch,
    numbers::Sequence,
    table::{
        outgoing_edus::{self, OutgoingEdu},
        users,
    },
};
use ruma::{OwnedUserId, UserId, api::federation::transactions::edu::DirectDeviceContent};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Outbound;
use crate::{
    Error, Result,
    e2ee::to_device::{
        Messages,
        delivery::{self, Delivery},
    },
    federation::{PeerError, TAKEN, TakenAnswer, TakenQuestion},
    residency::settling,
};

/// What of a message says for whom it is.
#[derive(Deserialize)]
struct ForWhom<'m> {
    #[serde(borrow)]
    messages: BTreeMap<OwnedUserId, &'m RawValue>,
}

/// What is written instead of rows.
#[derive(Default)]
struct Instead {
    batch: Batch,
    deliveries: Vec<Delivery>,
    destinations: BTreeSet<DestinationNum>,
}

impl Outbound {
    /// Those of some messages for a cell that are for somebody whose home is another one.
    pub(super) fn misdirected(&self, destination: &Destination, messages: &[OutgoingEdu]) -> Vec<OutgoingEdu> {
        let Destination::Cell(cell) = destination else { return Vec::new() };
        let is_wrong = |message: &&OutgoingEdu| {
            let whom: Option<ForWhom<'_>> = serde_json::from_str(&message.content).ok();
            whom.is_some_and(|whom| whom.messages.keys().any(|user_id| self.has_left(user_id, cell)))
        };
        let direct = messages.iter().filter(|message| message.kind == outgoing_edus::DIRECT_TO_DEVICE);
        direct.filter(is_wrong).cloned().collect()
    }

    /// Whether somebody's home is known to be another cell, this one perhaps.
    fn has_left(&self, user_id: &UserId, cell: &CellName) -> bool {
        let localities = self.parts.users.localities();
        localities.is_ours(user_id.server_name())
            && match localities.of(user_id) {
                Locality::Here => true,
                Locality::Elsewhere(Destination::Cell(home)) => home != *cell,
                Locality::Elsewhere(Destination::Server(_)) | Locality::Unknown => false,
            }
    }

    /// Sends such messages on. Gives why the cell could not be asked, if it could not.
    pub(super) async fn redirect(
        &self,
        cell: &CellName,
        destination_num: DestinationNum,
        messages: Vec<OutgoingEdu>,
    ) -> Result<std::result::Result<(), String>> {
        let mut contents = Vec::with_capacity(messages.len());
        for message in messages {
            let content: DirectDeviceContent = serde_json::from_str(&message.content).map_err(Error::internal)?;
            contents.push((message, content));
        }
        let ids = contents.iter().map(|(_, content)| content.message_id.to_string()).collect();
        let link = self.parts.link.as_ref().ok_or_else(|| Error::internal("this server is no cell of a deployment"))?;
        let taken: BTreeSet<String> = match link.ask_json(cell, TAKEN, &TakenQuestion { ids }).await {
            Ok(TakenAnswer { taken }) => taken.into_iter().collect(),
            // One that is no more has nothing that could come twice.
            Err(PeerError::NoCell(_)) => BTreeSet::new(),
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut instead = Instead::default();
        for (message, content) in contents {
            let is_taken = taken.contains(content.message_id.as_str());
            outgoing_edus::remove(&mut instead.batch, [message.edu_num]);
            let (gone, stay): (BTreeMap<_, _>, BTreeMap<_, _>) =
                content.messages.clone().into_iter().partition(|(user_id, _)| self.has_left(user_id, cell));
            if !stay.is_empty() {
                let rest = of(&content, stay);
                self.wait_for(&mut instead, destination_num, Some(message.position), &rest).await?;
            }
            if !is_taken {
                self.forward(&mut instead, &of(&content, gone)).await?;
            }
        }
        delivery::put(&mut instead.batch, &instead.deliveries, None);
        let owners = delivery::owners(&instead.deliveries);
        for user_num in &owners {
            users::stays(&mut instead.batch, *user_num);
        }
        match self.parts.store.write(instead.batch).await {
            // Somebody has moved once more: all of it is looked at again.
            Err(error) if error.is_conflict() => return Ok(Ok(())),
            written => drop(written?),
        }
        for user_num in owners {
            self.parts.wakers.wake(user_num);
        }
        for destination_num in instead.destinations {
            self.parts.bell.destination(destination_num);
        }
        Ok(Ok(()))
    }

    /// Has a message go to the homes of those for whom it is.
    async fn forward(&self, instead: &mut Instead, content: &DirectDeviceContent) -> Result<()> {
        let events = delivery::events(&content.sender, &content.ev_type, &content.messages)?;
        let localities = self.parts.users.localities();
        let mut attempt = 0;
        let (deliveries, elsewhere) = loop {
            let wanted = events.clone();
            let read = self.parts.store.read(move |snapshot| async move { delivery::sort(&snapshot, wanted).await });
            let sorted = read.await?;
            // Nobody has gone or come home while it is found out where they are.
            let before = settling::is_unsettled(localities, &sorted.known);
            let mut elsewhere = Vec::with_capacity(sorted.absent.len());
            for user_id in &sorted.absent {
                if let Some(destination_num) = self.parts.destinations.of_user(user_id).await? {
                    elsewhere.push((user_id.clone(), destination_num));
                }
            }
            if !(before || settling::is_unsettled(localities, &sorted.known)) || !settling::settles(attempt).await {
                break (sorted.deliveries, elsewhere);
            }
            attempt += 1;
        };
        instead.deliveries.extend(deliveries);
        for (user_id, destination_num) in elsewhere {
            let of_user = content.messages.get(&user_id).cloned().unwrap_or_default();
            self.wait_for(instead, destination_num, None, &of(content, BTreeMap::from([(user_id, of_user)]))).await?;
            instead.destinations.insert(destination_num);
        }
        Ok(())
    }

    /// Has a message wait for a destination, at the place that it had or at a new one.
    async fn wait_for(
        &self,
        instead: &mut Instead,
        destination_num: DestinationNum,
        position: Option<Position>,
        content: &DirectDeviceContent,
    ) -> Result<()> {
        let Some(sender_num) = self.parts.users.num(&content.sender).await? else { return Ok(()) };
        let edu_num = self.parts.store.number(Sequence::OutgoingEdu).await?;
        let position = position.map_or_else(|| instead.batch.position(), Into::into);
        let text = serde_json::to_string(content).map_err(Error::internal)?;
        let kind = outgoing_edus::DIRECT_TO_DEVICE;
        outgoing_edus::insert(&mut instead.batch, edu_num, destination_num, sender_num, kind, text, position);
        Ok(())
    }
}

/// The same message with some of those for whom it is.
fn of(content: &DirectDeviceContent, messages: Messages) -> DirectDeviceContent {
    let mut part = content.clone();
    part.messages = messages;
    part
}
