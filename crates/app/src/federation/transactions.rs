//! Transactions of other servers (server-server, *Transactions*): acknowledged when each event is in its room, or waits on disk for others.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::{error::ErrorKind, locality::is_cell};
use domicile_room::event::{Pdu, receive};
use domicile_store::{
    Batch, Store,
    table::{inbound, inbound_messages},
};
use futures::{StreamExt, stream};
use ruma::{
    OwnedEventId, OwnedRoomId, OwnedServerName, OwnedTransactionId, ServerName, TransactionId,
    api::federation::transactions::edu::Edu, serde::Raw,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Edus, RemoteRooms};
use crate::{
    Error, Result,
    events::{
        Ingest,
        ingest::{Outcome, Way},
    },
    notes::Notes,
    rooms::{Room, Rooms},
};

/// Events and other messages of one transaction (server-server, `PUT /send/{txnId}`).
const PDUS: usize = 50;
const EDUS: usize = 100;
/// Events of a cell's transaction. Each has some writes to disk of its own, one after the other: of fifty, a busy cell has too many.
pub(super) const PDUS_OF_CELL: usize = 200;
/// How long a transaction waits for a room that somebody here is entering. Others give an answer a minute.
const ENTERING: Duration = Duration::from_secs(30);
/// Rooms of one transaction that are worked on at once.
const ROOMS_AT_ONCE: usize = 16;

/// Where cells ask which messages for devices were taken.
pub const TAKEN: &str = "/_domicile/inner/v1/messages/taken";

/// Which messages for devices were taken of these?
#[derive(Debug, Serialize, Deserialize)]
pub struct TakenQuestion {
    /// Their ids.
    pub ids: Vec<String>,
}

/// Those that were taken.
#[derive(Debug, Serialize, Deserialize)]
pub struct TakenAnswer {
    /// Their ids.
    pub taken: Vec<String>,
}

/// What became of each event: nothing, or what is wrong with it.
pub type Answers = BTreeMap<OwnedEventId, std::result::Result<(), String>>;

/// Takes transactions.
pub struct Transactions {
    store: Store,
    rooms: Arc<Rooms>,
    ingest: Arc<Ingest>,
    edus: Arc<Edus>,
    remote_rooms: Arc<RemoteRooms>,
    /// Transactions that are being worked on, and the last one that was answered: a repeated one waits for the first.
    working: quick_cache::sync::Cache<OwnedServerName, Arc<tokio::sync::Mutex<Option<OwnedTransactionId>>>>,
    /// What was answered, in case it is asked again.
    notes: Notes<OwnedServerName>,
}

/// Servers whose turns are kept in memory.
const SERVERS: usize = 10_000;

impl Transactions {
    /// Over a store.
    pub fn new(
        store: Store,
        rooms: Arc<Rooms>,
        ingest: Arc<Ingest>,
        edus: Arc<Edus>,
        remote_rooms: Arc<RemoteRooms>,
    ) -> Self {
        let (working, notes) = (quick_cache::sync::Cache::new(SERVERS), Notes::new(store.clone()));
        Self { store, rooms, ingest, edus, remote_rooms, working, notes }
    }

    /// Takes a transaction. One that is repeated gets the answer of the first time.
    pub async fn take(
        &self,
        origin: &ServerName,
        txn_id: &TransactionId,
        pdus: Vec<Box<RawValue>>,
        edus: Vec<Raw<Edu>>,
    ) -> Result<Answers> {
        let most = if is_cell(origin) { PDUS_OF_CELL } else { PDUS };
        if pdus.len() > most || edus.len() > EDUS {
            let text = format!("A transaction has at most {most} events and {EDUS} other messages.");
            return Err(ErrorKind::TooLarge.with(text).into());
        }
        let turn = self.working.get_or_insert_with(origin, || Ok::<_, Error>(Arc::default()))?;
        let mut last = turn.lock().await;
        // Only the last one is kept. What it was is known here but for the first one after a start.
        if last.as_deref().is_none_or(|last| last == txn_id)
            && let Some(answers) = self.answered_before(origin, txn_id).await?
        {
            return Ok(answers);
        }
        // What decrypts a message comes before the message.
        let after_events = self.edus.before_events(origin, edus).await?;
        let mut by_room: BTreeMap<OwnedRoomId, Vec<Box<RawValue>>> = BTreeMap::new();
        for pdu in pdus {
            // What names no room cannot be answered by its id either: it is dropped.
            if let Some(room_id) = receive::room_of(pdu.get().as_bytes()) {
                by_room.entry(room_id).or_default().push(pdu);
            }
        }
        let mut answers = Answers::new();
        let way = Way { in_company: by_room.len() > 1, ..Way::default() };
        let way = &way;
        let taking = stream::iter(by_room)
            .map(|(room_id, pdus)| async move { self.take_room(origin, &room_id, pdus, way).await })
            .buffer_unordered(ROOMS_AT_ONCE);
        let taken: Vec<Result<Answers>> = taking.collect().await;
        for more in taken {
            answers.extend(more?);
        }
        self.edus.after_events(origin, after_events).await?;
        self.note(origin, txn_id, &answers)?;
        *last = Some(txn_id.to_owned());
        Ok(answers)
    }

    /// Which messages for devices an origin has brought, when nothing of it is on the way any more.
    pub async fn taken(&self, origin: &ServerName, question: TakenQuestion) -> Result<TakenAnswer> {
        if question.ids.len() > EDUS {
            return Err(ErrorKind::TooLarge.with(format!("At most {EDUS} messages are asked about at once.")).into());
        }
        let turn = self.working.get_or_insert_with(origin, || Ok::<_, Error>(Arc::default()))?;
        let _turn = turn.lock().await;
        let origin = origin.to_string();
        let read = self.store.read(move |snapshot| async move {
            let mut taken = Vec::new();
            for id in question.ids {
                if inbound_messages::is_known(&snapshot, &origin, &Sha256::digest(id.as_str())).await? {
                    taken.push(id);
                }
            }
            Ok::<_, Error>(TakenAnswer { taken })
        });
        read.await
    }

    async fn answered_before(&self, origin: &ServerName, txn_id: &TransactionId) -> Result<Option<Answers>> {
        self.notes.settled(&origin.to_owned()).await;
        let asked = origin.to_string();
        let read = self.store.read(move |snapshot| async move { inbound::last_transaction(&snapshot, &asked).await });
        let Some((last, answer)) = read.await? else { return Ok(None) };
        if last != txn_id.as_str() {
            return Ok(None);
        }
        let answers: BTreeMap<OwnedEventId, Option<String>> = serde_json::from_str(&answer).map_err(Error::internal)?;
        Ok(Some(answers.into_iter().map(|(id, error)| (id, error.map_or(Ok(()), Err))).collect()))
    }

    /// Keeps an answer. Everything that it speaks of is on disk: without the answer the same would be found again, and nobody waits for it.
    fn note(&self, origin: &ServerName, txn_id: &TransactionId, answers: &Answers) -> Result<()> {
        let answers: BTreeMap<&OwnedEventId, Option<&String>> =
            answers.iter().map(|(id, answer)| (id, answer.as_ref().err())).collect();
        let mut batch = Batch::new();
        let answer = serde_json::to_string(&answers).map_err(Error::internal)?;
        inbound::set_transaction(&mut batch, origin.as_str(), txn_id.as_str(), answer);
        self.notes.add(origin.to_owned(), batch);
        Ok(())
    }

    /// The events of one room.
    async fn take_room(
        &self,
        origin: &ServerName,
        room_id: &OwnedRoomId,
        raw: Vec<Box<RawValue>>,
        way: &Way,
    ) -> Result<Answers> {
        let Some(room) = self.entered(room_id).await? else {
            return self.take_outside(origin, room_id, raw).await;
        };
        let mut answers = Answers::new();
        let mut right: Vec<Arc<Pdu>> = Vec::with_capacity(raw.len());
        let view = room.view();
        let is_let_in = Ingest::is_let_in(&view, origin);
        for event in self.ingest.verify(&room.info.rules, room_id, raw).await? {
            match event {
                Ok(received) => {
                    let id = received.pdu.event_id().to_owned();
                    if is_let_in && self.ingest.sender_is_let_in(&view, received.pdu.sender()) {
                        right.push(Arc::new(received.pdu));
                    } else {
                        answers.insert(id, Err("the room's access list does not let the server in".to_owned()));
                    }
                }
                Err((Some(id), reason)) => {
                    tracing::info!(%origin, event_id = %id, %reason, "an event of another server is dropped");
                    answers.insert(id, Err(reason));
                }
                Err((None, reason)) => {
                    tracing::info!(%origin, %reason, "an event of another server is dropped");
                }
            }
        }
        let told = self.ingest.vouched_for(&room, origin, right).await?;
        for (id, reason) in told.refused {
            tracing::info!(%origin, event_id = %id, %reason, "an event of another cell is dropped");
            answers.insert(id, Err(reason));
        }
        let right = self.ingest.with_policy_signatures(&room, told.right).await?;
        self.take_right((origin, way), &room, &right, &mut answers).await?;
        Ok(answers)
    }

    /// A room that somebody here is in. One that somebody is just entering is waited for: what they tell us who heard of it is told once.
    async fn entered(&self, room_id: &OwnedRoomId) -> Result<Option<Arc<Room>>> {
        let entering = self.remote_rooms.entering(room_id);
        if let Some(room) = self.rooms.held(room_id).await? {
            return Ok(Some(room));
        }
        let Some(entering) = entering else { return Ok(None) };
        let _entered = tokio::time::timeout(ENTERING, entering.lock()).await;
        self.rooms.held(room_id).await
    }

    /// Events of a room in which nobody here is any more, or ever was: only what takes an invite back is heard.
    async fn take_outside(
        &self,
        origin: &ServerName,
        room_id: &OwnedRoomId,
        raw: Vec<Box<RawValue>>,
    ) -> Result<Answers> {
        let mut answers = Answers::new();
        for pdu in raw {
            if let Some(id) = self.remote_rooms.take_back(origin, room_id, pdu).await? {
                answers.insert(id, Ok(()));
            }
        }
        Ok(answers)
    }

    async fn take_right(
        &self,
        (origin, way): (&ServerName, &Way),
        room: &Arc<Room>,
        pdus: &[Arc<Pdu>],
        answers: &mut Answers,
    ) -> Result<()> {
        let outcomes = self.ingest.take(room, pdus, way).await?;
        let mut waiting = Vec::new();
        for (pdu, outcome) in pdus.iter().zip(outcomes) {
            let answer = match outcome {
                Outcome::Accepted | Outcome::Known => Ok(()),
                Outcome::SoftFailed(reason) => {
                    tracing::info!(event_id = %pdu.event_id(), %reason, "an event of another server is not shown");
                    Ok(())
                }
                Outcome::Rejected(reason) => Err(reason),
                Outcome::Lacks(_) => {
                    waiting.push(Arc::clone(pdu));
                    Ok(())
                }
            };
            answers.insert(pdu.event_id().to_owned(), answer);
        }
        if !waiting.is_empty() && !self.ingest.wait(room, &waiting, origin).await? {
            for pdu in waiting {
                let told = Err("too many events of this room wait for others already".to_owned());
                answers.insert(pdu.event_id().to_owned(), told);
            }
        }
        Ok(())
    }
}
