//! What other servers ask of the deployment: the cells that know are asked in the other server's name, and give one answer.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use domicile_core::{clock::Clock, error::ErrorKind, locality::CellName, percent};
use domicile_residency::gateway::{self, Operation, Route, Told};
use futures::future::{BoxFuture, join_all};
use http::{HeaderValue, Request, Response, header};
use ruma::{OwnedServerName, RoomId, UserId};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, value::RawValue};

use super::{OuterSignatures, RoomIndex, Spool, errand::escaped, signatures::Telling};
use crate::{
    Error, Result,
    error::not_found,
    federation::{PeerError, peers},
    residency::{InnerLink, Localities, OwnCell},
};

/// What stands before the path of a request that a gateway passes to a cell: this, the other server's name, and the path.
pub const FOR: &str = "/_domicile/inner/v1/for/";

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

/// This cell's own answers.
pub trait Here: Send + Sync {
    /// Answers a request.
    fn answer(&self, asked: Asked) -> BoxFuture<'_, Response<Bytes>>;
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
pub struct Inward(pub(super) InwardParts);

impl Inward {
    /// Of its parts.
    pub fn new(parts: InwardParts) -> Self {
        Self(parts)
    }

    pub(super) fn rooms(&self) -> &RoomIndex {
        &self.0.rooms
    }

    pub(super) fn spool(&self) -> &Spool {
        &self.0.spool
    }

    pub(super) fn localities(&self) -> &Localities {
        &self.0.localities
    }

    pub(super) fn own(&self) -> &CellName {
        self.0.own.name()
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    /// The cells whose traffic this gateway carries, itself first if it is one of them.
    pub(super) fn cells(&self) -> Vec<CellName> {
        let cells = self.0.own.document().carried_by(self.own());
        cells.into_iter().cloned().collect()
    }

    /// Answers a request.
    pub async fn answer(&self, asked: Asked, here: &dyn Here) -> Result<Response<Bytes>> {
        let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
        let Some(found) = gateway::find(asked.method.as_str(), path) else { return Ok(here.answer(asked).await) };
        let part = |index: usize| found.parts.get(index).map(String::as_str).unwrap_or_default();
        let (cell, answer) = match found.operation.route {
            Route::Gateway => return Ok(here.answer(asked).await),
            Route::Transaction => return self.deliver(&asked, part(0), here).await,
            Route::Room => self.of_room(&asked, part(0), here).await?,
            Route::User => {
                let user = if found.parts.is_empty() {
                    value(query, "user_id").unwrap_or_default()
                } else {
                    part(0).to_owned()
                };
                self.of_user(&asked, &user, here).await?
            }
            Route::Users => return self.of_users(&asked, found.operation, here).await,
            Route::Invited => {
                let user = invited(&asked.body).ok_or_else(|| ErrorKind::BadJson.with("The invite names nobody."))?;
                self.of_user(&asked, &user, here).await?
            }
            Route::Any => self.first(self.cells(), false, &asked, here).await?,
            Route::Pages => return self.pages(&asked, query, here).await,
        };
        self.with_outer_signatures(found.operation, answer, Telling { cell: &cell, server: &asked.origin }).await
    }

    async fn of_room(&self, asked: &Asked, room_id: &str, here: &dyn Here) -> Result<(CellName, Response<Bytes>)> {
        let room_id =
            <&RoomId>::try_from(room_id).map_err(|_| ErrorKind::InvalidParam.with("The path has no room in it."))?;
        let found = self.rooms().cells(room_id).await?;
        let partial = !found.unreached.is_empty();
        if found.cells.is_empty() && !partial {
            return Err(not_found(format!("Nobody of this server is in {room_id}.")));
        }
        let own = self.own();
        let mut cells: Vec<CellName> = found.cells.into_iter().collect();
        cells.sort_by_key(|cell| cell != own);
        self.first(cells, partial, asked, here).await
    }

    async fn of_user(&self, asked: &Asked, user: &str, here: &dyn Here) -> Result<(CellName, Response<Bytes>)> {
        let user = <&UserId>::try_from(user).map_err(|_| ErrorKind::InvalidParam.with("This is no user's id."))?;
        match self.home(user).await? {
            Some(cell) => self.first(vec![cell], false, asked, here).await,
            None => Err(not_found(format!("There is no user {user} here."))),
        }
    }

    /// The first answer of some cells that is one, with whose it is; else what the last said. `partial`: there may be others who know more.
    async fn first(
        &self,
        cells: Vec<CellName>,
        partial: bool,
        asked: &Asked,
        here: &dyn Here,
    ) -> Result<(CellName, Response<Bytes>)> {
        let (mut last, mut away) = (None, partial);
        for cell in cells {
            match self.one(&cell, asked, here).await {
                Some(answer) if answer.status().is_success() || is_final(&answer) => return Ok((cell, answer)),
                Some(answer) => last = Some((cell, answer)),
                None => away = true,
            }
        }
        match last {
            Some(answer) if !away => Ok(answer),
            None if !away => Err(not_found("Nobody here knows of it.")),
            _ => Err(is_away()),
        }
    }

    /// One cell's answer; nothing if it is not reached.
    pub(super) async fn one(&self, cell: &CellName, asked: &Asked, here: &dyn Here) -> Option<Response<Bytes>> {
        if cell == self.own() {
            return Some(here.answer(asked.clone()).await);
        }
        let path = format!("{FOR}{}{}", escaped(asked.origin.as_str()), asked.path);
        let request = Request::builder()
            .method(asked.method.clone())
            .uri(path)
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(asked.body.clone());
        let answer = match request {
            Ok(request) => self.0.link.ask(cell, request, peers::LARGE).await,
            Err(error) => Err(PeerError::Request(error.to_string())),
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

    /// What concerns several people: the home of each is asked, and the answers are put together.
    async fn of_users(&self, asked: &Asked, operation: &Operation, here: &dyn Here) -> Result<Response<Bytes>> {
        let claims = operation.name == "claimUserEncryptionKeys";
        let key = if claims { "one_time_keys" } else { "device_keys" };
        let told: &[&str] = if claims { &[key] } else { &[key, "master_keys", "self_signing_keys"] };
        let mut body: Map<String, Value> = read(&asked.body)?;
        let Some(Value::Object(users)) = body.remove(key) else {
            return Err(ErrorKind::BadJson.with(format!("The request has no `{key}`.")).into());
        };
        let mut by_cell: BTreeMap<CellName, Map<String, Value>> = BTreeMap::new();
        for (user, wanted) in users {
            if let Ok(user_id) = <&UserId>::try_from(user.as_str())
                && let Some(cell) = self.home(user_id).await?
            {
                by_cell.entry(cell).or_default().insert(user, wanted);
            }
        }
        let count = by_cell.len();
        let asking = by_cell.into_iter().map(|(cell, users)| async move {
            let body = Bytes::from(serde_json::to_vec(&BTreeMap::from([(key, &users)])).unwrap_or_default());
            Some((self.one(&cell, &Asked { body, ..asked.clone() }, here).await?, users))
        });
        let answers: Vec<Option<(Response<Bytes>, Map<String, Value>)>> = join_all(asking).await;
        let missing = answers.iter().filter(|answer| answer.is_none()).count();
        if missing > 0 && (missing == count || !claims) {
            return Err(is_away());
        }
        let mut all: Map<String, Value> = Map::from_iter([(key.to_owned(), Value::Object(Map::new()))]);
        for (answer, users) in answers.into_iter().flatten() {
            if !answer.status().is_success() {
                return Ok(answer);
            }
            let mut answer = read::<Map<String, Value>>(answer.body())?;
            for key in told {
                let Some(Value::Object(mut found)) = answer.remove(*key) else { continue };
                // A cell speaks of those whose home it is, and of nobody else.
                found.retain(|user, _| users.contains_key(user));
                if let Value::Object(all) = all.entry(*key).or_insert_with(|| Value::Object(Map::new())) {
                    all.extend(found);
                }
            }
        }
        json(&all)
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
                let events = self.0.signatures.replaced(events, telling).await?;
                *told = serde_json::value::to_raw_value(&events).map_err(Error::internal)?;
            } else if told.get().starts_with('{') {
                let event = self.0.signatures.replaced(vec![told.clone()], telling).await?.pop();
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

/// Whether no other cell could say anything better: what is asked is wrong, or not allowed to whoever asks.
fn is_final(answer: &Response<Bytes>) -> bool {
    match answer.status().as_u16() {
        401 | 404 => false,
        // Another cell may have somebody who can let them in.
        400 => !matches!(errcode(answer).as_deref(), Some("M_UNABLE_TO_GRANT_JOIN" | "M_UNABLE_TO_AUTHORISE_JOIN")),
        _ => true,
    }
}

fn errcode(answer: &Response<Bytes>) -> Option<String> {
    let said: Value = serde_json::from_slice(answer.body()).ok()?;
    Some(said.get("errcode")?.as_str()?.to_owned())
}

/// Whether a cell says that it cannot answer now, or does not let this gateway ask.
fn is_no_answer(answer: &Response<Bytes>) -> bool {
    match answer.status().as_u16() {
        401 => errcode(answer).as_deref() == Some("M_UNAUTHORIZED"),
        status => status == 429 || status >= 500,
    }
}

/// An answer without headers that say where it comes from.
fn bare(answer: Response<Bytes>) -> Response<Bytes> {
    let (parts, body) = answer.into_parts();
    let mut bare = Response::new(body);
    *bare.status_mut() = parts.status;
    for name in [header::CONTENT_TYPE, header::CONTENT_DISPOSITION, header::LOCATION, header::CONTENT_SECURITY_POLICY] {
        if let Some(value) = parts.headers.get(&name) {
            bare.headers_mut().insert(name, value.clone());
        }
    }
    bare
}

fn is_away() -> Error {
    ErrorKind::GatewayTimeout.with("A part of this service cannot be reached at the moment: try again later.").into()
}

/// Whom an invite is for; the first version has the event alone in its body.
fn invited(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let event = body.get("event").unwrap_or(&body);
    Some(event.get("state_key")?.as_str()?.to_owned())
}

pub(super) fn value(query: &str, key: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == key).find_map(|(_, value)| percent::decoded(value.replace('+', " ").as_bytes()))
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    Ok(serde_json::from_slice(body)
        .map_err(|error| ErrorKind::BadJson.with(format!("The body does not fit: {error}.")))?)
}

pub(super) fn json(value: &impl Serialize) -> Result<Response<Bytes>> {
    let mut answer = Response::new(Bytes::from(serde_json::to_vec(value).map_err(Error::internal)?));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(answer)
}
