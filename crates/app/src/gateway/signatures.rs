//! The signature that other servers know, in place of those of cells.
//!
//! An event goes out if a home of each person in whose name it is has signed it. A former home's signature counts for what was said while it was the
//! home; since whoever steals that cell could go on signing, the home that the person has now must have such an event, too, where it is in the room.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use domicile_core::{error::ErrorKind, locality::CellName};
use domicile_residency::deployment::{KeyStanding, keys::is_cell_key_id};
use domicile_room::event::{
    outward::{self, Claims, Replaced},
    receive::PublicKey,
};
use domicile_store::{
    Store,
    table::events::{self, Status},
};
use futures::future::join_all;
use http::Request;
use quick_cache::sync::Cache;
use ruma::{MilliSecondsSinceUnixEpoch, OwnedEventId, ServerName, UInt, UserId};
use serde_json::value::RawValue;

use super::{FOR, RoomIndex, Speakers, errand::escaped};
use crate::{
    Error, Result,
    federation::{OwnKeys, peers},
    residency::{InnerLink, Localities, OwnCell},
};

/// The document says until when a cell's key counts: while it stands there.
const ALWAYS: MilliSecondsSinceUnixEpoch = MilliSecondsSinceUnixEpoch(UInt::MAX);
/// Events of which it is remembered that their sender's home has them.
const REMEMBERED: usize = 50_000;

/// What it is made of.
pub struct SignaturesParts {
    /// What is here.
    pub store: Store,
    /// This cell.
    pub own: Arc<OwnCell>,
    /// The way to the others.
    pub link: Arc<InnerLink>,
    /// Whose home is where.
    pub localities: Arc<Localities>,
    /// Which cells are in which room.
    pub rooms: Arc<RoomIndex>,
    /// Who speaks for whom.
    pub speakers: Arc<Speakers>,
    /// The outer key.
    pub own_keys: Arc<OwnKeys>,
}

/// Replaces signatures.
pub struct OuterSignatures {
    parts: SignaturesParts,
    /// Events that somebody's home has.
    had: Cache<OwnedEventId, ()>,
}

/// Who hands events over, and for whom they are.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'t> {
    /// The cell.
    pub cell: &'t CellName,
    /// The other server.
    pub server: &'t ServerName,
}

impl OuterSignatures {
    /// Of its parts.
    pub fn new(parts: SignaturesParts) -> Self {
        Self { parts, had: Cache::new(REMEMBERED) }
    }

    /// Events as they go to another server, in their order. One that no home has signed which could have is left out: nobody outside would
    /// believe it.
    pub async fn replaced(&self, events: Vec<Box<RawValue>>, telling: Telling<'_>) -> Result<Vec<Box<RawValue>>> {
        let localities = &self.parts.localities;
        let server = localities.server_name();
        let claims: Vec<Option<Claims>> =
            events.iter().map(|event| outward::claims(event.get().as_bytes(), server, is_cell_key_id)).collect();
        let users: Vec<&UserId> = claims.iter().flatten().flat_map(Claims::users).collect();
        localities.meet(&users).await?;
        let moved = claims.iter().flatten().filter(|claims| !self.counting(claims).has_all()).flat_map(Claims::users);
        let moved: Vec<&UserId> = moved.collect();
        if !moved.is_empty() {
            self.parts.speakers.hear_of(telling.cell, &moved).await?;
        }
        let one = |(event, claims): (Box<RawValue>, Option<Claims>)| async move {
            let Some(claims) = claims else { return Ok(Some(event)) };
            self.one(&event, &claims, telling).await
        };
        let replaced = join_all(events.into_iter().zip(claims).map(one)).await;
        replaced.into_iter().filter_map(Result::transpose).collect()
    }

    async fn one(&self, event: &RawValue, claims: &Claims, telling: Telling<'_>) -> Result<Option<Box<RawValue>>> {
        let counting = self.counting(claims);
        let signer = self.parts.own_keys.outer();
        let key = |id: &str| counting.keys.get(id);
        let replaced = outward::replace(event.get().as_bytes(), &signer, key, |right| counting.is_enough(right));
        let replaced = match replaced {
            Ok(replaced) => replaced,
            Err(why) => {
                tracing::warn!(%why, keys = ?claims.key_ids, "an event does not go out");
                return Ok(None);
            }
        };
        if let Some(home) = counting.doubted(&replaced.key_ids, telling.cell)
            && !self.has(home, claims, &replaced, telling).await?
        {
            tracing::warn!(
                cell = telling.cell.as_str(),
                "an event that a former home tells does not go out: the sender's home does not know it"
            );
            return Ok(None);
        }
        Ok(String::from_utf8(replaced.json).ok().and_then(|json| RawValue::from_string(json).ok()))
    }

    /// Whether somebody's home has an event, if it is in the event's room. An error while it cannot be asked.
    async fn has(&self, home: &CellName, claims: &Claims, event: &Replaced, telling: Telling<'_>) -> Result<bool> {
        if event.ids.iter().any(|id| self.had.get(id).is_some()) {
            return Ok(true);
        }
        if let Some(room_id) = &claims.room_id
            && !self.parts.rooms.cells(room_id).await?.cells.contains(home)
        {
            return Ok(true);
        }
        for id in &event.ids {
            if self.asked(home, id, telling.server).await? {
                self.had.insert(id.clone(), ());
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn asked(&self, home: &CellName, id: &OwnedEventId, server: &ServerName) -> Result<bool> {
        if home == self.parts.own.name() {
            let id = id.clone();
            let read = self.parts.store.read(move |snapshot| async move { events::by_id(&snapshot, &id).await });
            return Ok(read.await?.is_some_and(|event| !event.status.has(Status::REJECTED)));
        }
        if !self.parts.own.document().cells.contains_key(home) {
            // It was revoked since, and nobody can ask it any more.
            return Ok(true);
        }
        let path = format!("{FOR}{}/_matrix/federation/v1/event/{}", escaped(server.as_str()), escaped(id.as_str()));
        let request = Request::builder().method(http::Method::GET).uri(path).body(Bytes::new());
        let answer = self.parts.link.ask(home, request.map_err(Error::internal)?, peers::ORDINARY).await;
        match answer.map(|answer| answer.status().as_u16()) {
            Ok(200) => Ok(true),
            Ok(403 | 404) => Ok(false),
            _ => Err(ErrorKind::Unavailable
                .with("The home of an event's sender cannot be asked for it now: tell it again.")
                .into()),
        }
    }

    /// The keys whose signatures count for an event.
    fn counting(&self, claims: &Claims) -> Counting {
        let mut counting = Counting::default();
        let Some(cells) = self.parts.localities.cells() else { return counting };
        let document = cells.own.document();
        for (id, found) in claims.key_ids.iter().filter_map(|id| Some((id, document.cell_key(id)?))) {
            let Ok(key) = PublicKey::new(found.key.as_bytes(), ALWAYS) else { continue };
            counting.keys.insert(id.clone(), key);
            counting.cells.insert(id.clone(), found.cell.clone());
            if found.standing == KeyStanding::Revoked {
                counting.revoked.insert(id.clone());
            }
        }
        for any in &claims.speakers {
            let mut homes = Homes::default();
            for history in any.iter().filter_map(|user| cells.tickets.get(user)) {
                let of = counting.cells.iter().filter(|(_, cell)| history.was_home(cell));
                homes.keys.extend(of.map(|(id, _)| id.clone()));
                homes.now.extend(history.home());
            }
            counting.speakers.push(homes);
        }
        counting
    }
}

/// Somebody in whose name an event is, or one of several.
#[derive(Default)]
struct Homes {
    /// The keys of their homes, of now and before, among those that signed it.
    keys: BTreeSet<String>,
    /// Their homes now.
    now: Vec<CellName>,
}

/// The keys that signed an event, and for whom they count.
#[derive(Default)]
struct Counting {
    keys: BTreeMap<String, PublicKey>,
    cells: BTreeMap<String, CellName>,
    /// Those of cells that were revoked since: they count beside one that was not, which had the event before.
    revoked: BTreeSet<String>,
    speakers: Vec<Homes>,
}

impl Counting {
    /// Whether there are signatures, right or not, of a home of each in whose name the event is.
    fn has_all(&self) -> bool {
        self.speakers.iter().all(|homes| !homes.keys.is_empty())
    }

    /// Whether right signatures of these keys are enough: of a home of each in whose name the event is.
    fn is_enough(&self, right: &[&str]) -> bool {
        let has_witness = right.iter().any(|id| !self.revoked.contains(*id));
        let counts = |id: &&&str| has_witness || !self.revoked.contains(**id);
        let of_each = |homes: &Homes| right.iter().filter(counts).any(|id| homes.keys.contains(*id));
        !self.speakers.is_empty() && self.speakers.iter().all(of_each)
    }

    /// The home that is to be asked for an event: it is signed for somebody by the cell that tells it alone, which was their home and is not now.
    fn doubted(&self, right: &[String], teller: &CellName) -> Option<&CellName> {
        let cells = |homes: &Homes| -> BTreeSet<&CellName> {
            let of = right.iter().filter(|id| homes.keys.contains(*id) && !self.revoked.contains(*id));
            of.filter_map(|id| self.cells.get(id)).collect()
        };
        let doubtful = self.speakers.iter().find(|homes| {
            let by = cells(homes);
            by.len() == 1 && by.contains(teller) && !homes.now.is_empty() && !homes.now.contains(teller)
        });
        doubtful.and_then(|homes| homes.now.first())
    }
}
