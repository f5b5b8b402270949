//! A transaction of another server on its way to the cells: each gets what concerns it, and what is for one that is not reached is kept.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use domicile_core::{error::ErrorKind, locality::CellName};
use domicile_room::event::receive;
use futures::future::{join_all, try_join};
use http::Response;
use ruma::{OwnedRoomId, OwnedUserId, RoomId, ServerName};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Asked, Here, Inward, Spooled,
    edus::{self, Concerns},
    room_index::RoomCells,
};
use crate::{Error, Result};

/// Events and other messages of one transaction (server-server, `PUT /send/{txnId}`).
const PDUS: usize = 50;
const EDUS: usize = 100;
/// Rooms of which a transaction may speak; receipts in more of them are nobody's.
const ROOMS: usize = 500;
/// Rooms that are looked for at a time.
const ROOMS_ASKED: usize = 50;

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

/// An event with its room, and with whom it is about if it is a membership.
type Event = (OwnedRoomId, Option<OwnedUserId>, Box<RawValue>);

/// Another message with what it concerns.
type Message = (Concerns, Box<RawValue>);

/// Where those are whom a transaction is for.
struct Whereabouts {
    rooms: BTreeMap<OwnedRoomId, RoomCells>,
    homes: BTreeMap<OwnedUserId, CellName>,
}

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
        let transaction: Transaction = super::answers::read(&asked.body)?;
        if transaction.pdus.len() > PDUS || transaction.edus.len() > EDUS {
            let text = format!("A transaction has at most {PDUS} events and {EDUS} other messages.");
            return Err(ErrorKind::TooLarge.with(text).into());
        }
        let (parts, doubts) = self.parts_of(&asked.origin, transaction).await?;
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
        super::answers::json(&all)
    }

    /// What each cell gets; and what cells may be to get of rooms of which it is not known yet whether they are in them.
    async fn parts_of(
        &self,
        server: &ServerName,
        transaction: Transaction,
    ) -> Result<(BTreeMap<CellName, Part>, Doubts)> {
        let mut parts: BTreeMap<CellName, Part> = BTreeMap::new();
        let mut doubts = Doubts::new();
        // What names no room is nobody's.
        let pdus = transaction.pdus.into_iter();
        let pdus: Vec<_> =
            pdus.filter_map(|pdu| Some((receive::room_of(pdu.get().as_bytes())?, about(&pdu), pdu))).collect();
        let edus: Vec<_> = transaction.edus.into_iter().map(|edu| (edus::shape(&edu).concerns, edu)).collect();
        let whereabouts = self.whereabouts(server, &pdus, &edus).await?;
        for (room_id, about, pdu) in pdus {
            let Some(found) = whereabouts.rooms.get(&room_id) else { continue };
            let mut cells = found.cells.clone();
            // Whom a membership is about may have an invite that it takes back.
            cells.extend(about.and_then(|user_id| whereabouts.homes.get(&user_id).cloned()));
            for cell in found.doubtful.iter().chain(&found.unreached).filter(|cell| !cells.contains(*cell)) {
                doubts.entry((cell.clone(), room_id.clone())).or_default().push(pdu.clone());
            }
            for cell in cells {
                parts.entry(cell).or_default().pdus.push(pdu.clone());
            }
        }
        let everybody: BTreeSet<CellName> = self.cells_for(server).into_iter().collect();
        for (concerns, edu) in edus {
            for (cell, edu) in whereabouts.shares_of(concerns, &edu, &everybody) {
                parts.entry(cell).or_default().edus.push(edu);
            }
        }
        Ok((parts, doubts))
    }

    /// Finds out about all rooms and all people of a transaction at once: a cell that says nothing holds it up once, and not for each of them.
    async fn whereabouts(&self, server: &ServerName, pdus: &[Event], edus: &[Message]) -> Result<Whereabouts> {
        let mut room_ids: BTreeSet<&RoomId> = pdus.iter().map(|(room_id, ..)| &**room_id).collect();
        let mut users: BTreeSet<OwnedUserId> = pdus.iter().filter_map(|(_, about, _)| about.clone()).collect();
        for (concerns, _) in edus {
            let more = match concerns {
                Concerns::Nobody | Concerns::Everybody => continue,
                Concerns::Users(more) => {
                    users.extend(more.iter().cloned());
                    continue;
                }
                Concerns::Room(room_id) => std::slice::from_ref(room_id),
                Concerns::Rooms(more) => more,
            };
            let left = ROOMS.saturating_sub(room_ids.len());
            room_ids.extend(more.iter().map(|room_id| &**room_id).take(left));
        }
        let (rooms, homes) = try_join(self.cells_in(server, room_ids), self.homes(server, &users)).await?;
        Ok(Whereabouts { rooms, homes })
    }

    /// The cells in rooms, as far as a server may hear of them.
    async fn cells_in(
        &self,
        server: &ServerName,
        room_ids: BTreeSet<&RoomId>,
    ) -> Result<BTreeMap<OwnedRoomId, RoomCells>> {
        let room_ids: Vec<&RoomId> = room_ids.into_iter().collect();
        let mut rooms = BTreeMap::new();
        for some in room_ids.chunks(ROOMS_ASKED) {
            let finding = some.iter().map(|room_id| self.rooms().cells(room_id));
            for (room_id, found) in some.iter().zip(join_all(finding).await) {
                let mut found = found?;
                for cells in [&mut found.cells, &mut found.doubtful, &mut found.unreached] {
                    cells.retain(|cell| self.may_hear(server, cell));
                }
                rooms.insert((*room_id).to_owned(), found);
            }
        }
        Ok(rooms)
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

impl Whereabouts {
    /// Which cells get what of an EDU.
    fn shares_of(
        &self,
        concerns: Concerns,
        edu: &RawValue,
        everybody: &BTreeSet<CellName>,
    ) -> Vec<(CellName, Box<RawValue>)> {
        let in_room = |room_id: &RoomId| self.rooms.get(room_id).map(|found| &found.cells);
        let whole = |cells: &BTreeSet<CellName>| cells.iter().map(|cell| (cell.clone(), edu.to_owned())).collect();
        let mut by_cell: BTreeMap<CellName, BTreeSet<String>> = BTreeMap::new();
        match concerns {
            Concerns::Nobody => return Vec::new(),
            Concerns::Everybody => return whole(everybody),
            Concerns::Room(room_id) => return in_room(&room_id).map(whole).unwrap_or_default(),
            Concerns::Rooms(room_ids) => {
                for room_id in room_ids {
                    for cell in in_room(&room_id).into_iter().flatten() {
                        by_cell.entry(cell.clone()).or_default().insert(room_id.to_string());
                    }
                }
            }
            Concerns::Users(users) => {
                for user_id in users {
                    if let Some(cell) = self.homes.get(&user_id) {
                        by_cell.entry(cell.clone()).or_default().insert(user_id.to_string());
                    }
                }
            }
        }
        let share =
            |(cell, kept): (CellName, BTreeSet<String>)| Some((cell, edus::part(edu, &|key| kept.contains(key))?));
        by_cell.into_iter().filter_map(share).collect()
    }
}

/// Whom a membership is about.
fn about(pdu: &RawValue) -> Option<OwnedUserId> {
    #[derive(Deserialize)]
    struct Member {
        #[serde(rename = "type")]
        kind: String,
        state_key: String,
    }
    let member = serde_json::from_str::<Member>(pdu.get()).ok().filter(|member| member.kind == "m.room.member")?;
    OwnedUserId::try_from(member.state_key).ok()
}
