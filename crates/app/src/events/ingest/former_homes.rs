//! What a cell tells in the name of somebody whose home it was and is not any more.
//!
//! Its signature under what the person said while it was their home counts for ever. But whoever steals it could go on signing, with whatever times
//! they like. So what such a cell tells of its own accord counts only when the person's home now has it as well: that one took over the copies of
//! the rooms when the person moved.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use domicile_core::{
    clock::MINUTE_MS,
    error::ErrorKind,
    locality::{CellName, Destination},
};
use domicile_residency::deployment::Deployment;
use domicile_room::event::Pdu;
use domicile_store::table::arrivals;
use quick_cache::sync::Cache;
use ruma::{OwnedEventId, ServerName, UserId, api::federation::event::get_event};
use serde::Deserialize;

use super::Ingest;
use crate::{
    Error, Result,
    federation::peers::{ORDINARY, PeerError},
    moves::SETTLED,
    rooms::Room,
};

/// How long an event is asked for that the person's home does not have: the home may only be about to fetch it.
const PATIENCE_MS: i64 = MINUTE_MS;
/// Such events that are remembered.
const REMEMBERED: usize = 10_000;

/// Since when events are asked for, by the milliseconds since the epoch.
pub(super) struct Unvouched(Cache<OwnedEventId, i64>);

impl Default for Unvouched {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

/// Events that a cell told.
pub(crate) struct Told {
    /// Those that count.
    pub(crate) right: Vec<Arc<Pdu>>,
    /// Those that do not, with the reason.
    pub(crate) refused: Vec<(OwnedEventId, String)>,
}

/// What of an event says who signed it.
#[derive(Deserialize)]
struct Signed {
    signatures: BTreeMap<String, BTreeMap<String, String>>,
}

impl Ingest {
    /// Of events that a server or a cell told, those that count. An error if it cannot be found out now: then it is to be told again.
    pub(crate) async fn vouched_for(&self, room: &Arc<Room>, teller: &ServerName, pdus: Vec<Arc<Pdu>>) -> Result<Told> {
        let mut told = Told { right: Vec::with_capacity(pdus.len()), refused: Vec::new() };
        let doubtful: Vec<Option<CellName>> = pdus.iter().map(|pdu| self.home_instead(pdu, teller)).collect();
        let ids =
            pdus.iter().zip(&doubtful).filter(|(_, home)| home.is_some()).map(|(pdu, _)| pdu.event_id().to_owned());
        let ids: Vec<OwnedEventId> = ids.collect();
        let known = if ids.is_empty() { HashSet::new() } else { self.known_ids(room, ids.iter()).await? };
        for (pdu, home) in pdus.into_iter().zip(doubtful) {
            match home {
                Some(home) if !known.contains(pdu.event_id()) && !self.has(&home, teller, &pdu).await? => {
                    let reason =
                        "the cell was the home of its sender, and the home that they have now does not know it";
                    told.refused.push((pdu.event_id().to_owned(), reason.to_owned()));
                }
                _ => told.right.push(pdu),
            }
        }
        Ok(told)
    }

    /// The sender's home now, if the event is signed by the cell that tells it and that cell was their home before.
    fn home_instead(&self, pdu: &Pdu, teller: &ServerName) -> Option<CellName> {
        let Destination::Cell(cell) = Destination::of_peer(teller) else { return None };
        let localities = self.users.localities();
        let cells = localities.cells().filter(|_| localities.is_ours(pdu.sender().server_name()))?;
        let home = cells.tickets.home(pdu.sender())?;
        // A cell that was none of their homes signs as a witness, or for whom it lets in: that alone would not have counted.
        let was_home = cells.tickets.get(pdu.sender()).is_some_and(|history| history.was_home(&cell));
        let is_doubtful =
            home != cell && was_home && signed_by(pdu, &cell, cells.own.document(), localities.server_name());
        is_doubtful.then_some(home)
    }

    /// Whether the sender's home has the event.
    async fn has(&self, home: &CellName, teller: &ServerName, pdu: &Pdu) -> Result<bool> {
        let is_here = self.users.localities().cells().is_some_and(|cells| cells.own.name() == home);
        if is_here {
            return self.is_bringing(teller, pdu.sender()).await;
        }
        let home = Destination::Cell(home.clone());
        let request = get_event::v1::Request::new(pdu.event_id().to_owned());
        match self.peers.ask(home.peer_name(), request, ORDINARY).await {
            Ok(_) => {
                self.unvouched.0.remove(pdu.event_id());
                Ok(true)
            }
            Err(PeerError::Matrix { status: 403 | 404, .. }) => {
                let now_ms = self.clock.now_ms();
                let since = self.unvouched.0.get_or_insert_with(pdu.event_id(), || Ok::<_, Error>(now_ms))?;
                if now_ms - since < PATIENCE_MS { Err(later()) } else { Ok(false) }
            }
            Err(error) => {
                tracing::info!(%error, "somebody's home could not be asked for an event that their former home tells");
                Err(later())
            }
        }
    }

    /// Whether somebody who has moved here is still followed by what they said before. When all of it has come, the cell that they left has
    /// nothing more to say for them.
    async fn is_bringing(&self, teller: &ServerName, user_id: &UserId) -> Result<bool> {
        let Destination::Cell(origin) = Destination::of_peer(teller) else { return Ok(false) };
        let wanted = user_id.to_string();
        let read = self.store.read(move |snapshot| async move { arrivals::of_user(&snapshot, &wanted).await });
        Ok(read.await?.is_some_and(|row| row.origin == origin.as_str() && row.state != SETTLED))
    }
}

fn later() -> Error {
    ErrorKind::Unavailable
        .with("Whether the events are their sender's cannot be found out at the moment: tell them again.")
        .into()
}

/// Whether one of an event's signatures says to be a cell's.
fn signed_by(pdu: &Pdu, cell: &CellName, document: &Deployment, server_name: &ServerName) -> bool {
    let signed: Option<Signed> = serde_json::from_slice(pdu.json()).ok();
    let keys = signed.and_then(|mut signed| signed.signatures.remove(server_name.as_str()));
    keys.into_iter().flatten().any(|(id, _)| document.cell_key(&id).is_some_and(|found| found.cell == cell))
}
