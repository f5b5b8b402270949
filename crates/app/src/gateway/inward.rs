//! What other servers ask of the deployment: the cells that know are asked in the other server's name, and give one answer.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use domicile_core::{clock::Clock, error::ErrorKind, locality::CellName};
use domicile_residency::{
    deployment::Deployment,
    gateway::{self, Found, Operation, Route, Size, Told},
};
use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response, header};
use ruma::{OwnedServerName, RoomId, ServerName, UserId};
use serde_json::value::RawValue;

use super::{
    OuterBody, OuterSignatures, RoomIndex, Spool, Turn,
    answers::{Kept, bare, invited, is_away, is_final, is_no_answer, nobody, none_if_refused, read, value},
    errand::escaped,
    lookups::Lookups,
    signatures::Telling,
    turns::Turns,
};
use crate::{
    Error, Result,
    error::not_found,
    federation::{Bounds, PeerError, peers},
    media::ByteStream,
    residency::{InnerLink, Localities, OwnCell},
};

/// What stands before the path of a request that a gateway passes to a cell: this, the other server's name, and the path.
pub const FOR: &str = "/_domicile/inner/v1/for/";

/// The name that stands for whoever asks without a signature. It is no server's, so no region's rule names it.
pub const UNSIGNED: &str = "unsigned.invalid";

/// Bytes of the keys of many people.
const KEYS: usize = 16 * 1024 * 1024;

/// A request of another server, whose signature is checked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Whose it is.
    pub origin: OwnedServerName,
    /// The method.
    pub method: http::Method,
    /// Path and query.
    pub path: String,
    /// The body.
    pub body: Bytes,
}

impl Asked {
    /// Whether it is the first thing that a server asks which wants to come into a room.
    fn lets_in(&self) -> bool {
        let path = self.path.strip_prefix("/_matrix/federation/v1/").unwrap_or_default();
        path.starts_with("make_join/") || path.starts_with("make_knock/")
    }
}

/// This cell's own answers.
pub trait Here: Send + Sync {
    /// Answers a request, with at most so many bytes.
    fn answer(&self, asked: Asked, bytes: usize) -> BoxFuture<'_, Response<Bytes>>;

    /// Answers one piece by piece.
    fn pieces(&self, asked: Asked) -> BoxFuture<'_, Response<ByteStream>>;
}

/// What it is made of.
pub struct InwardParts {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// This cell.
    pub own: Arc<OwnCell>,
    /// The way to the others.
    pub link: Arc<InnerLink>,
    /// Whose home is where.
    pub localities: Arc<Localities>,
    /// Which cells are in which room.
    pub rooms: Arc<RoomIndex>,
    /// Puts the outer signature in place of cells'.
    pub signatures: Arc<OuterSignatures>,
    /// What waits for cells.
    pub spool: Arc<Spool>,
}

/// Answers other servers for all cells.
pub struct Inward {
    parts: InwardParts,
    turns: Turns,
    lookups: Lookups,
}

impl Inward {
    /// Of its parts.
    pub fn new(parts: InwardParts) -> Self {
        Self { parts, turns: Turns::default(), lookups: Lookups::default() }
    }

    pub(super) fn rooms(&self) -> &RoomIndex {
        &self.parts.rooms
    }

    pub(super) fn spool(&self) -> &Spool {
        &self.parts.spool
    }

    pub(super) fn localities(&self) -> &Localities {
        &self.parts.localities
    }

    /// Lets a server have so many names looked up in the directory, if that is another cell's to answer.
    pub(super) fn may_look_up(&self, server: &ServerName, names: usize) -> Result<()> {
        if self.parts.own.decides() { Ok(()) } else { self.lookups.take(server, names, self.now_ms()) }
    }

    pub(super) fn link(&self) -> &InnerLink {
        &self.parts.link
    }

    pub(super) fn document(&self) -> &Deployment {
        self.parts.own.document()
    }

    pub(super) fn own(&self) -> &CellName {
        self.parts.own.name()
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.parts.clock.now_ms()
    }

    /// Waits until there is room for a request of a server. Its turn lasts until the answer is read.
    pub async fn turn(&self, server: &ServerName, method: &http::Method, path: &str) -> Result<Turn> {
        self.turns.of(server, size(method, path)).await
    }

    /// Answers a request.
    pub async fn answer(&self, asked: Asked, here: &dyn Here) -> Result<Response<OuterBody>> {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let Some(found) = gateway::find(asked.method.as_str(), path) else {
            return Ok(here.answer(asked, peers::ORDINARY.bytes).await.map(OuterBody::Whole));
        };
        if found.operation.size() == Size::File {
            return self.of_file(&asked, here).await;
        }
        Ok(self.whole(&asked, query, &found, here).await?.map(OuterBody::Whole))
    }

    async fn whole(&self, asked: &Asked, query: &str, found: &Found, here: &dyn Here) -> Result<Response<Bytes>> {
        let part = |index: usize| found.parts.get(index).map(String::as_str).unwrap_or_default();
        let (cell, answer) = match found.operation.route {
            Route::Gateway => return Ok(here.answer(asked.clone(), peers::ORDINARY.bytes).await),
            Route::Transaction => return self.deliver(asked, part(0), here).await,
            Route::Room => self.of_room(asked, part(0), here).await?,
            Route::User => {
                let user = if found.parts.is_empty() {
                    value(query, "user_id").unwrap_or_default()
                } else {
                    part(0).to_owned()
                };
                let (cell, answer) = self.of_user(asked, &user, here).await?;
                (cell, none_if_refused(answer, || nobody(&user))?)
            }
            Route::Users => return self.of_users(asked, found.operation, here).await,
            Route::Invited => {
                let user = invited(&asked.body).ok_or_else(|| ErrorKind::BadJson.with("The invite names nobody."))?;
                self.of_user(asked, &user, here).await?
            }
            Route::Any => {
                let (cell, answer) = self.first(self.cells_for(&asked.origin), false, asked, here).await?;
                (cell, none_if_refused(answer, || "Nobody here knows of it.".to_owned())?)
            }
            Route::Alias => return self.of_alias(asked, query, here).await,
            Route::Token => return self.of_token(asked, query, here).await,
            Route::Pages => return self.pages(asked, query, here).await,
        };
        self.with_outer_signatures(found.operation, answer, Telling { cell: &cell, server: &asked.origin }).await
    }

    async fn of_room(&self, asked: &Asked, room_id: &str, here: &dyn Here) -> Result<(CellName, Response<Bytes>)> {
        let room_id =
            <&RoomId>::try_from(room_id).map_err(|_| ErrorKind::InvalidParam.with("The path has no room in it."))?;
        let found = self.rooms().cells(room_id).await?;
        let may_hear = |cell: &CellName| self.may_hear(&asked.origin, cell);
        let partial = found.unreached.iter().any(may_hear);
        let mut cells: Vec<CellName> = found.cells.into_iter().filter(may_hear).collect();
        if cells.is_empty() && !partial {
            return Err(not_found(format!("Nobody of this server is in {room_id}.")));
        }
        let own = self.own();
        cells.sort_by_key(|cell| cell != own);
        self.first(cells, partial, asked, here).await
    }

    async fn of_user(&self, asked: &Asked, user: &str, here: &dyn Here) -> Result<(CellName, Response<Bytes>)> {
        let user = <&UserId>::try_from(user).map_err(|_| ErrorKind::InvalidParam.with("This is no user's id."))?;
        match self.home(&asked.origin, user).await? {
            Some(cell) => self.first(vec![cell], false, asked, here).await,
            None => Err(not_found(nobody(user.as_str()))),
        }
    }

    /// The first answer of some cells that is one, with whose it is; else what they refuse, rather than that they know nothing. `partial`: there may be
    /// others who know more.
    pub(super) async fn first(
        &self,
        cells: Vec<CellName>,
        partial: bool,
        asked: &Asked,
        here: &dyn Here,
    ) -> Result<(CellName, Response<Bytes>)> {
        let (mut kept, mut away) = (Kept::default(), partial);
        for cell in cells {
            match self.one(&cell, asked, here).await {
                Some(answer) if answer.status().is_success() || is_final(&answer) => return Ok((cell, answer)),
                Some(answer) => kept.keep(&cell, answer),
                None => away = true,
            }
        }
        if away && asked.lets_in() {
            // By this word, another server that wants to come in asks the next one.
            return Err(not_found("Nobody who could let you in is reached here at the moment: try again later."));
        }
        if away {
            return Err(is_away());
        }
        kept.refusal().ok_or_else(|| not_found("Nobody here knows of it."))
    }

    /// A request as it is passed on to a cell.
    pub(super) fn passed_to(asked: &Asked) -> Result<Request<Bytes>, PeerError> {
        Request::builder()
            .method(asked.method.clone())
            .uri(format!("{FOR}{}{}", escaped(asked.origin.as_str()), asked.path))
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(asked.body.clone())
            .map_err(|error| PeerError::Request(error.to_string()))
    }

    /// One cell's answer; nothing if it is not reached.
    pub(super) async fn one(&self, cell: &CellName, asked: &Asked, here: &dyn Here) -> Option<Response<Bytes>> {
        let bounds = bounds(asked);
        if cell == self.own() {
            return Some(here.answer(asked.clone(), bounds.bytes).await);
        }
        let answer = match Self::passed_to(asked) {
            Ok(request) => self.link().ask(cell, request, bounds).await,
            Err(error) => Err(error),
        };
        match answer {
            // Of such an answer the other server would believe that all of the deployment is away.
            Ok(answer) if is_no_answer(&answer) => {
                tracing::info!(cell = cell.as_str(), status = answer.status().as_u16(), "a cell does not answer");
                None
            }
            Ok(answer) => Some(bare(answer)),
            Err(error) => {
                tracing::info!(cell = cell.as_str(), %error, "a cell is not reached");
                None
            }
        }
    }

    /// An answer with the outer signature on its events.
    async fn with_outer_signatures(
        &self,
        operation: &Operation,
        answer: Response<Bytes>,
        telling: Telling<'_>,
    ) -> Result<Response<Bytes>> {
        if !answer.status().is_success() {
            return Ok(answer);
        }
        let body = match operation.told {
            Told::None => return Ok(answer),
            Told::Lists(keys) => {
                let mut whole: BTreeMap<String, Box<RawValue>> = read(answer.body())?;
                self.replace_in(&mut whole, keys, telling).await?;
                serde_json::to_vec(&whole)
            }
            Told::Pair(keys) => {
                let (status, mut whole): (u16, BTreeMap<String, Box<RawValue>>) = read(answer.body())?;
                self.replace_in(&mut whole, keys, telling).await?;
                serde_json::to_vec(&(status, whole))
            }
        };
        let mut answer = answer.map(|_| Bytes::from(body.unwrap_or_default()));
        // The length was that of the answer before.
        answer.headers_mut().remove(header::CONTENT_LENGTH);
        Ok(answer)
    }

    async fn replace_in(
        &self,
        whole: &mut BTreeMap<String, Box<RawValue>>,
        keys: &[&str],
        telling: Telling<'_>,
    ) -> Result<()> {
        for key in keys {
            let Some(told) = whole.get_mut(*key) else { continue };
            if let Ok(events) = serde_json::from_str::<Vec<Box<RawValue>>>(told.get()) {
                let events = self.parts.signatures.replaced(events, telling).await?;
                *told = serde_json::value::to_raw_value(&events).map_err(Error::internal)?;
            } else if told.get().starts_with('{') {
                let event = self.parts.signatures.replaced(vec![told.clone()], telling).await?.pop();
                *told = event.ok_or_else(|| Error::internal("an event of one's own has no signature of a home"))?;
            }
        }
        Ok(())
    }
}

/// Whether cells are asked for an operation; the rest a gateway answers itself.
pub fn concerns_cells(method: &http::Method, path: &str) -> bool {
    gateway::find(method.as_str(), path).is_some_and(|found| found.operation.route != Route::Gateway)
}

/// Whether anybody may ask for something, without a signature.
pub fn is_open(method: &http::Method, path: &str) -> bool {
    gateway::find(method.as_str(), path).is_some_and(|found| found.operation.is_open())
}

/// How large the answer to a request may be.
fn size(method: &http::Method, path: &str) -> Size {
    gateway::find(method.as_str(), path).map_or(Size::Ordinary, |found| found.operation.size())
}

/// What a cell's answer may cost that is in memory as a whole.
fn bounds(asked: &Asked) -> Bounds {
    let path = asked.path.split('?').next().unwrap_or_default();
    match size(&asked.method, path) {
        Size::Ordinary | Size::File => peers::ORDINARY,
        Size::Keys => Bounds { bytes: KEYS, ..peers::ORDINARY },
        Size::Room => peers::LARGE,
    }
}
