//! A transaction of another server on its way to the cells: each gets what concerns it, and what is for one that is not reached is kept.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use domicile_core::{
    error::ErrorKind,
    locality::{CellName, Destination, Locality},
};
use domicile_room::event::receive;
use futures::future::join_all;
use http::Response;
use ruma::{OwnedRoomId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Asked, Here, Inward, Spooled,
    edus::{self, Concerns},
};
use crate::{Error, Result};

/// Events and other messages of one transaction (server-server, `PUT /send/{txnId}`).
const PDUS: usize = 50;
const EDUS: usize = 100;

/// A transaction as it comes.
#[derive(Deserialize)]
struct Transaction {
    #[serde(default)]
    pdus: Vec<Box<RawValue>>,
    #[serde(default)]
    edus: Vec<Box<RawValue>>,
}

/// What a cell gets of one.
#[derive(Default)]
struct Part {
    pdus: Vec<Box<RawValue>>,
    edus: Vec<Box<RawValue>>,
}

/// Events by the cell that may be to get them, and the room.
type Doubts = BTreeMap<(CellName, OwnedRoomId), Vec<Box<RawValue>>>;

/// A part as it is passed on.
#[derive(Serialize)]
struct Passed<'p> {
    origin: &'p str,
    origin_server_ts: i64,
    pdus: &'p [Box<RawValue>],
    edus: &'p [Box<RawValue>],
}

/// What became of each event.
#[derive(Default, Serialize, Deserialize)]
struct Answer {
    #[serde(default)]
    pdus: BTreeMap<String, Outcome>,
}

#[derive(Default, Serialize, Deserialize)]
struct Outcome {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Inward {
    /// Takes a transaction: answered when each of its parts is with its cell, or in the spool.
    pub(super) async fn deliver(&self, asked: &Asked, txn_id: &str, here: &dyn Here) -> Result<Response<Bytes>> {
        let transaction: Transaction = super::inward::read(&asked.body)?;
        if transaction.pdus.len() > PDUS || transaction.edus.len() > EDUS {
            let text = format!("A transaction has at most {PDUS} events and {EDUS} other messages.");
            return Err(ErrorKind::TooLarge.with(text).into());
        }
        let (parts, doubts) = self.parts_of(transaction).await?;
        let passing = parts.into_iter().map(|(cell, part)| self.pass_part(cell, part, asked, txn_id, here));
        let mut all = Answer::default();
        for answer in join_all(passing).await {
            for (event_id, outcome) in answer?.pdus {
                // One cell that took it is enough: an error would have the event repeated to nobody's use.
                let before = all.pdus.entry(event_id);
                let taken = outcome.error.is_none();
                let known = before.or_insert(outcome);
                if taken {
                    known.error = None;
                }
            }
        }
        for ((cell, room_id), pdus) in doubts {
            // A transaction is taken once: this is another one.
            let txn_id = format!("{txn_id}~{room_id}");
            let kept = Spooled { origin: asked.origin.clone(), txn_id, pdus, edus: Vec::new() };
            if !self.spool().keep(&cell, &kept, Some(&room_id)).await? {
                tracing::info!(cell = cell.as_str(), "what may be for a cell is not kept");
            }
        }
        super::inward::json(&all)
    }

    /// What each cell gets; and what cells may be to get of rooms of which it is not known yet whether they are in them.
    async fn parts_of(&self, transaction: Transaction) -> Result<(BTreeMap<CellName, Part>, Doubts)> {
        let mut parts: BTreeMap<CellName, Part> = BTreeMap::new();
        let mut doubts = Doubts::new();
        for pdu in transaction.pdus {
            // What names no room is nobody's.
            let Some(room_id) = receive::room_of(pdu.get().as_bytes()) else { continue };
            let found = self.rooms().cells(&room_id).await?;
            let mut cells = found.cells;
            // Whom a membership is about may have an invite that it takes back.
            cells.extend(self.about(&pdu).await?);
            for cell in found.doubtful.into_iter().chain(found.unreached).filter(|cell| !cells.contains(cell)) {
                doubts.entry((cell, room_id.clone())).or_default().push(pdu.clone());
            }
            for cell in cells {
                parts.entry(cell).or_default().pdus.push(pdu.clone());
            }
        }
        for edu in transaction.edus {
            for (cell, edu) in self.shares_of(edu).await? {
                parts.entry(cell).or_default().edus.push(edu);
            }
        }
        Ok((parts, doubts))
    }

    /// The home of whom a membership is about.
    async fn about(&self, pdu: &RawValue) -> Result<Option<CellName>> {
        #[derive(Deserialize)]
        struct Member {
            #[serde(rename = "type")]
            kind: String,
            state_key: String,
        }
        let member = serde_json::from_str::<Member>(pdu.get()).ok().filter(|member| member.kind == "m.room.member");
        let Some(member) = member else { return Ok(None) };
        match <&UserId>::try_from(member.state_key.as_str()) {
            Ok(user_id) => self.home(user_id).await,
            Err(_) => Ok(None),
        }
    }

    /// The home of a user of the deployment, if this gateway carries it.
    pub(super) async fn home(&self, user_id: &UserId) -> Result<Option<CellName>> {
        let localities = self.localities();
        if !localities.is_ours(user_id.server_name()) {
            return Ok(None);
        }
        localities.meet(&[user_id]).await?;
        let home = match localities.of(user_id) {
            Locality::Here => Some(self.own().clone()),
            Locality::Elsewhere(Destination::Cell(cell)) => Some(cell),
            _ => None,
        };
        Ok(home.filter(|cell| self.cells().contains(cell)))
    }

    /// Which cells get what of an EDU.
    async fn shares_of(&self, edu: Box<RawValue>) -> Result<Vec<(CellName, Box<RawValue>)>> {
        let whole = |cells: BTreeSet<CellName>| cells.into_iter().map(|cell| (cell, edu.clone())).collect();
        match edus::shape(&edu).concerns {
            Concerns::Nobody => Ok(Vec::new()),
            Concerns::Everybody => Ok(whole(self.cells().into_iter().collect())),
            Concerns::Room(room_id) => Ok(whole(self.rooms().cells(&room_id).await?.cells)),
            Concerns::Rooms(room_ids) => {
                let mut by_cell: BTreeMap<CellName, BTreeSet<String>> = BTreeMap::new();
                for room_id in room_ids {
                    for cell in self.rooms().cells(&room_id).await?.cells {
                        by_cell.entry(cell).or_default().insert(room_id.to_string());
                    }
                }
                Ok(shares(&edu, by_cell))
            }
            Concerns::Users(users) => {
                let mut by_cell: BTreeMap<CellName, BTreeSet<String>> = BTreeMap::new();
                for user in users {
                    if let Some(cell) = self.home(&user).await? {
                        by_cell.entry(cell).or_default().insert(user.to_string());
                    }
                }
                Ok(shares(&edu, by_cell))
            }
        }
    }

    async fn pass_part(
        &self,
        cell: CellName,
        part: Part,
        asked: &Asked,
        txn_id: &str,
        here: &dyn Here,
    ) -> Result<Answer> {
        let waits = cell != *self.own() && self.spool().has(&cell).await?;
        if !waits {
            let body = Passed {
                origin: asked.origin.as_str(),
                origin_server_ts: self.now_ms(),
                pdus: &part.pdus,
                edus: &part.edus,
            };
            let passed =
                Asked { body: Bytes::from(serde_json::to_vec(&body).map_err(Error::internal)?), ..asked.clone() };
            let answer = self.one(&cell, &passed, here).await;
            match answer {
                Some(answer) if answer.status().is_success() => {
                    return Ok(serde_json::from_slice(answer.body()).unwrap_or_default());
                }
                // It will not be taken another time either: the rules do not let it in, for instance.
                Some(answer) if matches!(answer.status().as_u16(), 400 | 403 | 404 | 413) => {
                    tracing::info!(status = answer.status().as_u16(), "a cell refuses what another server told");
                    return Ok(Answer::default());
                }
                _ if cell == *self.own() => {
                    return Err(ErrorKind::Unavailable
                        .with("There is too much to do at the moment: try again later.")
                        .into());
                }
                _ => {}
            }
        }
        let ids = part.pdus.len();
        let Part { pdus, mut edus } = part;
        // Who is typing and who is there is of no use when the cell is reached again.
        edus.retain(|edu| edus::is_lasting(edu));
        if pdus.is_empty() && edus.is_empty() {
            return Ok(Answer::default());
        }
        let spooled = Spooled { origin: asked.origin.clone(), txn_id: txn_id.to_owned(), pdus, edus };
        if self.spool().keep(&cell, &spooled, None).await? {
            tracing::debug!(events = ids, "what another server told waits for a cell");
            return Ok(Answer::default());
        }
        Err(ErrorKind::Unavailable.with("There is too much to do at the moment: try again later.").into())
    }
}

fn shares(edu: &RawValue, by_cell: BTreeMap<CellName, BTreeSet<String>>) -> Vec<(CellName, Box<RawValue>)> {
    let share = |(cell, kept): (CellName, BTreeSet<String>)| Some((cell, edus::part(edu, &|key| kept.contains(key))?));
    by_cell.into_iter().filter_map(share).collect()
}
