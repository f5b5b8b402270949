//! A destination's round: draft, carry, move on, until there is nothing more to tell or it was not taken. There is one at a time for each.

use std::{sync::Arc, time::Duration};

use domicile_core::{
    clock::MINUTE_MS,
    ids::{DestinationNum, Position},
    locality::Destination,
};
use domicile_store::{
    Batch, StoreError,
    table::{
        destinations,
        outgoing_edus::{self, OutgoingEdu},
        outgoing_events,
    },
};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Outbound, Outcome, Transaction, device_edus,
    draft::{self, Draft, EDUS, Start},
    memory::{Memory, Pending},
    passing_edus, receipt_edus, rest,
};
use crate::{Error, Result, events::Stored, evidence::ledger::Flow};

/// What a transaction may take. The other side may have much to do with it.
const TIME: Duration = Duration::from_secs(90);
/// From the beginning of a transaction for a cell to that of the next, at least. What comes after a pause goes at once; what comes in quick succession goes
/// together, since a transaction costs both cells as much as some messages do.
const PACE: Duration = Duration::from_millis(3);
/// How long the same transaction is brought again and again. Then what is to be told is found anew.
const KEPT_MS: i64 = 10 * MINUTE_MS;
/// A place that has moved so far with nothing told is written, so that not all of it is read again after a start.
pub(super) const UNWRITTEN: i64 = 20_000;
/// Most halvings of a transaction's size.
const HALVED: u32 = 6;
/// Bytes of an error that are kept for the operator.
const ERROR_BYTES: usize = 300;

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// There is nothing more to tell.
    Done,
    /// The destination is left alone until then, or until it is heard from.
    Rests(Destination, i64),
    /// It failed here, and is to be begun again then.
    Later(i64),
    /// The server stops.
    Stopped,
}

/// What is to be done next.
enum Next {
    /// Nothing.
    Nothing,
    /// This is to be told.
    Tell(Arc<Pending>),
    /// Messages for devices are at the wrong cell's door.
    Redirect(Vec<OutgoingEdu>),
}

/// An EDU of a row.
#[derive(Serialize)]
struct Row<'a> {
    edu_type: &'a str,
    content: &'a RawValue,
}

impl Outbound {
    /// Tells one destination everything that there is for it.
    pub(super) async fn round(&self, destination_num: DestinationNum, stopping: &CancellationToken) -> Result<Ended> {
        let destination = self.parts.destinations.name(destination_num).await?;
        let mut memory = self.remembered(destination_num).await?;
        while !stopping.is_cancelled() {
            self.expire(&mut memory);
            pace(&destination, &memory).await;
            let next = match memory.pending.clone() {
                Some(pending) => Next::Tell(pending),
                None => self.next(&destination, destination_num, &mut memory).await?,
            };
            let pending = match (next, &destination) {
                (Next::Tell(pending), _) => pending,
                (Next::Redirect(messages), Destination::Cell(cell)) => {
                    match self.redirect(cell, destination_num, messages).await? {
                        Ok(()) => continue,
                        Err(error) => return self.failed(&destination, destination_num, memory, None, &error).await,
                    }
                }
                (Next::Nothing | Next::Redirect(_), _) => {
                    self.memories.set(destination_num, memory);
                    return Ok(Ended::Done);
                }
            };
            memory.begun = Some(Instant::now());
            let Some(outcome) = self.carry(&destination, &memory, &pending, stopping).await else {
                return Ok(Ended::Stopped);
            };
            self.count(&destination, &pending, &outcome);
            match outcome {
                Outcome::Taken { .. } => self.taken(&destination, destination_num, &mut memory, &pending).await?,
                Outcome::TooLarge if memory.halved < HALVED => {
                    memory.halved += 1;
                    memory.pending = None;
                }
                Outcome::Busy { retry_after_ms } => {
                    memory.pending = Some(pending);
                    return self.busy(&destination, destination_num, memory, retry_after_ms).await;
                }
                Outcome::TooLarge => {
                    let error = "it finds every transaction too large".to_owned();
                    return self.failed(&destination, destination_num, memory, Some(pending), &error).await;
                }
                Outcome::Failed { error, .. } => {
                    return self.failed(&destination, destination_num, memory, Some(pending), &error).await;
                }
            }
            self.memories.set(destination_num, memory.clone());
        }
        Ok(Ended::Stopped)
    }

    async fn remembered(&self, destination_num: DestinationNum) -> Result<Memory> {
        if let Some(memory) = self.memories.get(destination_num) {
            return Ok(memory);
        }
        let row = self
            .parts
            .store
            .read(move |snapshot| async move { destinations::by_num(&snapshot, destination_num).await })
            .await?;
        let row = row.ok_or_else(|| StoreError::Corrupt(format!("destination number {destination_num} is none")))?;
        Ok(Memory::new(&row))
    }

    /// Forgets a transaction that was brought for too long.
    fn expire(&self, memory: &mut Memory) {
        let oldest_ms = self.parts.clock.now_ms() - KEPT_MS;
        if memory.pending.as_ref().is_some_and(|pending| pending.transaction.made_ms < oldest_ms) {
            memory.pending = None;
        }
    }

    /// The next transaction; none if there is nothing to tell.
    async fn next(
        &self,
        destination: &Destination,
        destination_num: DestinationNum,
        memory: &mut Memory,
    ) -> Result<Next> {
        let start = Start {
            destination_num,
            position: memory.position,
            newest_upto: memory.newest_upto,
            counted: memory.counted,
            halved: memory.halved,
            is_cell: matches!(destination, Destination::Cell(_)),
        };
        let mut passing = self.buffer.take(destination_num);
        let withheld = self.parts.users.localities().withheld(destination);
        if withheld.typing {
            passing.typing.clear();
        }
        let (events, users) = (Arc::clone(&self.parts.events), Arc::clone(&self.parts.users));
        let presence = Arc::clone(&self.parts.presence);
        let read = self.parts.store.read(move |snapshot| async move {
            let mut draft = draft::draft(&snapshot, &events, start).await?;
            let devices = device_edus::edus(&snapshot, &users, &draft.devices).await?;
            if withheld.receipts {
                draft.receipts.clear();
            }
            let mut rest = receipt_edus::edus(&snapshot, &users, &events, &draft.receipts).await?;
            let places = EDUS.saturating_sub(draft.messages.len() + devices.len() + rest.len());
            let passing = passing_edus::ToTell { passing, places, status: !withheld.status };
            rest.extend(passing_edus::edus(&snapshot, &users, &events, &presence, passing).await?);
            Ok::<_, Error>((draft, devices, rest))
        });
        let (draft, devices, rest) = read.await?;
        let misdirected = self.misdirected(destination, &draft.messages);
        if !misdirected.is_empty() {
            return Ok(Next::Redirect(misdirected));
        }
        memory.newest_upto = draft.newest_upto;
        memory.counted = draft.counted;
        if draft.is_empty() && rest.is_empty() {
            self.moved(destination_num, memory, draft.upto).await?;
            return Ok(Next::Nothing);
        }
        let mut edus = messages(&draft)?;
        for device in devices {
            edus.push(self.device_edu(device, !withheld.device_names).await?);
        }
        edus.extend(rest);
        let localities = self.parts.users.localities();
        let served = |event: &Arc<Stored>| localities.served(destination.peer_name(), &event.pdu, &event.room.rules);
        let pdus = draft.events.iter().map(served).collect::<Result<_>>()?;
        let transaction = Transaction { id: self.transaction_id(), made_ms: self.parts.clock.now_ms(), pdus, edus };
        Ok(Next::Tell(Arc::new(Pending {
            transaction: Arc::new(transaction),
            upto: draft.upto,
            lasting: !draft.is_empty(),
            edu_nums: draft.messages.iter().map(|message| message.edu_num).collect(),
            skipped: draft.skipped,
        })))
    }

    /// A change of a device, with its name if the operator lets others know it and it may go there.
    async fn device_edu(&self, told: device_edus::Told, is_named: bool) -> Result<Box<RawValue>> {
        let device_edus::Told { mut edu, device } = told;
        if let (ruma::api::federation::transactions::edu::Edu::DeviceListUpdate(content), Some(device)) =
            (&mut edu, device.filter(|_| is_named && self.parts.settings.device_names))
        {
            content.device_display_name = self.parts.devices.name(&device).await?;
        }
        super::edu(&edu)
    }

    /// Notes that nothing up to a position is for the destination: in memory, and on disk now and then.
    async fn moved(&self, destination_num: DestinationNum, memory: &mut Memory, upto: Position) -> Result<()> {
        memory.position = memory.position.max(upto);
        if memory.failures == 0 && memory.position.0 - memory.written.0 >= UNWRITTEN {
            let mut batch = Batch::new();
            batch.low_priority();
            destinations::set_told(&mut batch, destination_num, memory.position);
            self.parts.store.write(batch).await?;
            memory.written = memory.position;
        }
        Ok(())
    }

    /// Brings a transaction. None: the server stops.
    async fn carry(
        &self,
        destination: &Destination,
        memory: &Memory,
        pending: &Pending,
        stopping: &CancellationToken,
    ) -> Option<Outcome> {
        let transaction = Arc::clone(&pending.transaction);
        let bring = async {
            let carried = self.parts.carrier.carry(destination.clone(), transaction);
            tokio::time::timeout(TIME, carried).await.unwrap_or_else(|_| Outcome::Failed {
                word: "slow",
                error: format!("no answer within {} seconds", TIME.as_secs()),
            })
        };
        tokio::select! {
            () = stopping.cancelled() => None,
            outcome = self.lanes.turn(memory.failures > 0, bring) => Some(outcome),
        }
    }

    fn count(&self, destination: &Destination, pending: &Pending, outcome: &Outcome) {
        let word = match outcome {
            Outcome::Taken { refused } => {
                self.counts.refused(refused.len());
                if let Some((event_id, error)) = refused.first() {
                    tracing::debug!(%destination, event_id, error, events = refused.len(), "a destination refused events");
                }
                "taken"
            }
            Outcome::Busy { .. } => "busy",
            Outcome::TooLarge => "too_large",
            Outcome::Failed { word, .. } => word,
        };
        self.counts.add(destination, word, pending.transaction.pdus.len(), pending.transaction.edus.len());
    }

    /// Enters into the ledger what crossed a border, in the write that notes that it was taken.
    fn enter(&self, batch: &mut Batch, destination: &Destination, transaction: &Transaction) {
        for (flow, all) in [(Flow::Events, &transaction.pdus), (Flow::Ephemeral, &transaction.edus)] {
            let bytes = all.iter().map(|one| one.get().len()).sum();
            self.parts.ledger.enter(batch, destination, flow, (all.len(), bytes));
        }
    }

    /// A transaction was taken: the place moves and the rows go.
    async fn taken(
        &self,
        destination: &Destination,
        destination_num: DestinationNum,
        memory: &mut Memory,
        pending: &Pending,
    ) -> Result<()> {
        let upto = memory.position.max(pending.upto);
        if pending.lasting || memory.failures > 0 {
            let mut batch = Batch::new();
            destinations::set_told(&mut batch, destination_num, upto);
            if !pending.edu_nums.is_empty() {
                outgoing_edus::remove(&mut batch, pending.edu_nums.iter().copied());
            }
            for (room_num, position) in &pending.skipped {
                outgoing_events::skip(&mut batch, destination_num, *room_num, *position);
            }
            self.enter(&mut batch, destination, &pending.transaction);
            // Nothing waits for a place alone: where it is not on disk yet, some events are told twice, which everybody knows by their ids. What
            // was taken out of rows must not be found there again.
            if pending.edu_nums.is_empty() && pending.skipped.is_empty() && memory.failures == 0 {
                self.places.add(destination_num, batch);
            } else {
                self.places.settled(&destination_num).await;
                self.parts.store.write(batch).await?;
            }
            memory.written = upto;
        }
        if memory.failures > 0 {
            tracing::info!(%destination, failures = memory.failures, "a destination is there again");
        }
        self.parts.bell.resting.remove(destination);
        memory.position = upto;
        memory.failures = 0;
        memory.pending = None;
        Ok(())
    }

    /// The destination wishes to be left alone for a while. That is no failure.
    async fn busy(
        &self,
        destination: &Destination,
        destination_num: DestinationNum,
        memory: Memory,
        retry_after_ms: Option<i64>,
    ) -> Result<Ended> {
        let due_ms = self.parts.clock.now_ms() + rest::as_told(retry_after_ms);
        self.memories.set(destination_num, memory);
        let mut batch = Batch::new();
        destinations::set_retry(&mut batch, destination_num, Some(due_ms));
        self.places.settled(&destination_num).await;
        self.parts.store.write(batch).await?;
        Ok(Ended::Rests(destination.clone(), due_ms))
    }

    /// A transaction was not taken: the destination is left alone for a while.
    async fn failed(
        &self,
        destination: &Destination,
        destination_num: DestinationNum,
        mut memory: Memory,
        pending: Option<Arc<Pending>>,
        error: &str,
    ) -> Result<Ended> {
        let now_ms = self.parts.clock.now_ms();
        memory.failures += 1;
        // What only passes is not worth another try. A cell knows each thing again, and who is at home there may change meanwhile.
        let is_kept = |pending: &Arc<Pending>| pending.lasting && matches!(destination, Destination::Server(_));
        memory.pending = pending.filter(is_kept);
        let failures = memory.failures;
        let due_ms = now_ms + rest::after_failures(destination, failures, &*self.parts.rng);
        tracing::debug!(%destination, failures, error, "a destination was not reached");
        self.memories.set(destination_num, memory);
        let mut batch = Batch::new();
        destinations::set_failed(&mut batch, destination_num, failures, now_ms, due_ms, &shortened(error));
        self.places.settled(&destination_num).await;
        self.parts.store.write(batch).await?;
        Ok(Ended::Rests(destination.clone(), due_ms))
    }
}

/// Waits until a cell may be told the next.
async fn pace(destination: &Destination, memory: &Memory) {
    if let (Destination::Cell(_), Some(begun)) = (destination, memory.begun) {
        tokio::time::sleep_until(begun + PACE).await;
    }
}

/// The EDUs of rows, in their order.
fn messages(draft: &Draft) -> Result<Vec<Box<RawValue>>> {
    let edus = draft.messages.iter().map(|message| {
        let content = serde_json::from_str(&message.content).map_err(Error::internal)?;
        serde_json::value::to_raw_value(&Row { edu_type: &message.kind, content }).map_err(Error::internal)
    });
    edus.collect()
}

/// An error as it is kept for the operator: not too long, and without a character that the database cannot keep.
fn shortened(error: &str) -> String {
    let mut text: String = error.chars().filter(|letter| *letter != '\0').collect();
    let end = (0..=ERROR_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_kept_short() {
        assert_eq!(shortened("no\0 way"), "no way");
        assert_eq!(shortened(&"ä".repeat(500)).len(), ERROR_BYTES);
        assert_eq!(shortened(""), "");
    }
}
