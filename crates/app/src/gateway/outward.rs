//! What cells ask other servers, and tell them. A cell hands it to the gateway that talks to the server; the gateway looks what the cell may say,
//! puts the deployment's own signature where the cell's was, and asks.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use domicile_core::{
    error::{ErrorKind, MatrixError},
    locality::{CellName, Destination, is_cell},
};
use domicile_egress::FederationClient;
use domicile_residency::{
    flow::{self, Rule},
    gateway::{self, Found},
};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use ruma::{
    OwnedServerName, RoomId, ServerName, UserId,
    api::federation::authentication::{XMatrix, XMatrixSigningInput},
};
use serde_json::value::RawValue;

use super::{
    Errand, OuterSignatures, ROOMS_AT_ONCE, RoomIndex, RoomsAnswer, RoomsQuestion, Speakers, bodies,
    signatures::Telling,
};
use crate::{
    Error, Result,
    federation::{Bounds, OneAtATime, OwnKeys, PeerError, Policy, peers},
    residency::{InnerLink, Localities, OwnCell},
};

/// Where a gateway is asked which cells are in rooms.
pub const WHERE: &str = "/_domicile/inner/v1/gateway/where";
/// What the other server answered stands in this header where the gateway itself did its part.
const STATUS: HeaderName = HeaderName::from_static("x-domicile-status");
/// How long a transaction waits for its turn.
const TURN: Duration = Duration::from_secs(10);
/// When a cell whose turn did not come is to come again, in milliseconds.
const AGAIN_MS: u64 = 1_000;
/// How much longer a cell waits than its gateway does.
const WAY: Duration = Duration::from_secs(5);
/// Headers of an answer that matter to whoever asked.
const HEADERS: [HeaderName; 5] = [
    header::CONTENT_TYPE,
    header::CONTENT_DISPOSITION,
    header::LOCATION,
    header::RETRY_AFTER,
    header::CONTENT_SECURITY_POLICY,
];

/// What it is made of.
pub struct OutwardParts {
    /// This cell.
    pub own: Arc<OwnCell>,
    /// The way to the others.
    pub link: Arc<InnerLink>,
    /// The way to other servers.
    pub client: FederationClient,
    /// The outer key.
    pub own_keys: Arc<OwnKeys>,
    /// The operator's lists.
    pub policy: Arc<Policy>,
    /// Whose home is where.
    pub localities: Arc<Localities>,
    /// Which cells are in which room.
    pub rooms: Arc<RoomIndex>,
    /// Who speaks for whom.
    pub speakers: Arc<Speakers>,
    /// Puts the outer signature in place of cells'.
    pub signatures: Arc<OuterSignatures>,
}

/// Asks other servers in the deployment's name.
pub struct Outward {
    pub(super) parts: OutwardParts,
    turns: OneAtATime<OwnedServerName>,
}

pub(super) fn refused(text: impl Into<std::borrow::Cow<'static, str>>) -> MatrixError {
    ErrorKind::Forbidden.with(text)
}

impl Outward {
    /// Of its parts.
    pub fn new(parts: OutwardParts) -> Self {
        Self { parts, turns: OneAtATime::default() }
    }

    /// Asks a server through its gateway, which may be this cell.
    pub async fn ask(
        &self,
        to: &ServerName,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, PeerError> {
        let own = &self.parts.own;
        let gateway = own.document().gateway_to(own.region(), to).ok_or(PeerError::Refused)?;
        let errand = Errand {
            to: to.to_owned(),
            method: request.method().clone(),
            path: request.uri().path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            signed: request.headers().contains_key(header::AUTHORIZATION),
            time_ms: u64::try_from(bounds.time.as_millis()).unwrap_or(u64::MAX),
            bytes: bounds.bytes,
        };
        if gateway == own.name() {
            return self.carry(own.name(), errand, request.into_body()).await;
        }
        let handed = Request::builder().method(http::Method::POST).uri(errand.to_path()).body(request.into_body());
        let handed = handed.map_err(|error| PeerError::Request(error.to_string()))?;
        let bounds = Bounds { time: bounds.time + WAY, ..bounds };
        let mut answer = self.parts.link.ask(gateway, handed, bounds).await?;
        let status = answer.headers_mut().remove(STATUS);
        let status = status.and_then(|status| StatusCode::from_bytes(status.as_bytes()).ok());
        // The gateway's own word says why it did not ask.
        *answer.status_mut() = status.ok_or_else(|| peers::refusal(&answer))?;
        Ok(answer)
    }

    /// The other cells that are in a room, under the names by which they are asked.
    pub async fn cells_in(&self, room_id: &RoomId) -> Vec<OwnedServerName> {
        let own = &self.parts.own;
        let server = room_id.server_name().unwrap_or_else(|| self.parts.localities.server_name());
        let Some(gateway) = own.document().gateway_to(own.region(), server) else { return Vec::new() };
        let found = if gateway == own.name() {
            self.parts.rooms.cells(room_id).await.map(|found| found.cells.into_iter().collect())
        } else {
            let question = RoomsQuestion { room_ids: vec![room_id.to_owned()] };
            let answer = self.parts.link.ask_json::<RoomsAnswer>(gateway, WHERE, &question).await;
            answer.map(|answer| cells_of(answer, room_id)).map_err(Error::internal)
        };
        let cells: Vec<CellName> = found.unwrap_or_else(|error| {
            tracing::info!(%error, "it is not known which cells are in a room");
            Vec::new()
        });
        let others = cells.into_iter().filter(|cell| cell != own.name());
        others.map(|cell| Destination::Cell(cell).peer_name().to_owned()).collect()
    }

    /// Tells a cell which cells are in rooms.
    pub async fn tell_cells_in(&self, question: RoomsQuestion) -> Result<RoomsAnswer> {
        let mut rooms = BTreeMap::new();
        for room_id in question.room_ids.into_iter().take(ROOMS_AT_ONCE) {
            let cells = self.parts.rooms.cells(&room_id).await?.cells;
            rooms.insert(room_id, cells.iter().map(|cell| cell.as_str().to_owned()).collect());
        }
        Ok(RoomsAnswer { rooms })
    }

    /// Does what a cell asks for, if it may. The answer is as the other server gave it.
    pub async fn carry(&self, cell: &CellName, mut errand: Errand, body: Bytes) -> Result<Response<Bytes>, PeerError> {
        let parts = &self.parts;
        let to = errand.to.clone();
        if is_cell(&to) || to == *parts.localities.server_name() || !parts.policy.allows(&to) {
            return Err(PeerError::Refused);
        }
        self.may_share(cell, &errand)?;
        let path = errand.path.split('?').next().unwrap_or_default();
        let found = gateway::find(errand.method.as_str(), path);
        if found.is_none() && (errand.method != http::Method::GET || errand.signed) {
            return Err(PeerError::Refused);
        }
        if let Some(found) = &found {
            self.may_ask(cell, found).await.map_err(as_peer)?;
        }
        let name = found.as_ref().map_or("", |found| found.operation.name);
        let telling = Telling { cell, server: &to };
        let body = self.body(telling, name, body).await.map_err(as_peer)?;
        if let (Some(found), "sendTransaction") = (&found, name) {
            errand.path = bodies::transaction_path(cell, found);
        }
        let turn = self.turns.of(to.clone());
        let _turn = if name == "sendTransaction" {
            let turn = tokio::time::timeout(TURN, turn.lock_owned()).await;
            Some(turn.map_err(|_| as_peer(MatrixError::limit_exceeded(AGAIN_MS).into()))?)
        } else {
            None
        };
        let observed = matches!(name, "sendJoinV2" | "sendJoinV1").then(|| body.clone());
        let bounds = Bounds {
            time: Duration::from_millis(errand.time_ms).min(peers::LARGE.time),
            bytes: errand.bytes.min(peers::LARGE.bytes),
        };
        let request = self.signed(&errand, body)?;
        let answer = parts.client.ask(&to, request, bounds).await?;
        if let Some(event) = observed.filter(|_| answer.status().is_success())
            && let Ok(event) = serde_json::from_slice::<Box<RawValue>>(&event)
        {
            parts.rooms.let_in(&event).await.map_err(as_peer)?;
        }
        if name == "getEvent" && cell != parts.own.name() {
            self.may_have(cell, answer.body()).await.map_err(as_peer)?;
        }
        Ok(answer)
    }

    /// Whether the rules let a cell's people share anything with a server, and this cell is their gateway.
    fn may_share(&self, cell: &CellName, errand: &Errand) -> Result<(), PeerError> {
        let document = self.parts.own.document();
        let region = document.region_of(cell).ok_or(PeerError::Refused)?;
        if !document.carries(self.parts.own.name(), region) {
            return Err(PeerError::Refused);
        }
        let destination = Destination::Server(errand.to.clone());
        let decision = flow::to_destination(document, region, &destination);
        // What is not signed says nothing of anybody: a server's keys are asked for so.
        if decision.rule == Rule::Forbid && errand.signed {
            return Err(as_peer(refused(decision.reason).into()));
        }
        Ok(())
    }

    /// Whether a cell may ask for something: comings and goings of its own people, and what is in rooms in which somebody of it is.
    async fn may_ask(&self, cell: &CellName, found: &Found) -> Result<()> {
        if cell == self.parts.own.name() {
            return Ok(());
        }
        let part = |index: usize| found.parts.get(index).map(String::as_str).unwrap_or_default();
        match found.operation.name {
            "makeJoin" | "makeKnock" | "makeLeave" => {
                let user = <&UserId>::try_from(part(1)).map_err(|_| refused("This is no user."))?;
                self.parts.speakers.hear_of(cell, &[user]).await?;
                if self.parts.speakers.is_home(cell, user) {
                    return Ok(());
                }
                Err(refused("Only somebody's home speaks for them.").into())
            }
            "getRoomState"
            | "getRoomStateIds"
            | "getEventAuth"
            | "backfillRoom"
            | "getMissingPreviousEvents"
            | "getEventByTimestamp" => self.is_in(cell, part(0)).await,
            _ => Ok(()),
        }
    }

    async fn is_in(&self, cell: &CellName, room_id: &str) -> Result<()> {
        let room_id = <&RoomId>::try_from(room_id).map_err(|_| refused("This is no room."))?;
        if self.parts.rooms.is_in(cell, room_id).await? {
            return Ok(());
        }
        Err(refused("Nobody of the cell is known to be in the room.").into())
    }

    /// Whether a cell may have the events of an answer.
    async fn may_have(&self, cell: &CellName, answer: &Bytes) -> Result<()> {
        #[derive(serde::Deserialize)]
        struct Answer {
            pdus: Vec<Event>,
        }
        #[derive(serde::Deserialize)]
        struct Event {
            room_id: Option<String>,
        }
        let Ok(answer) = serde_json::from_slice::<Answer>(answer) else { return Ok(()) };
        for room_id in answer.pdus.into_iter().filter_map(|event| event.room_id) {
            self.is_in(cell, &room_id).await?;
        }
        Ok(())
    }

    /// The request with the deployment's signature, if it is one that is signed.
    fn signed(&self, errand: &Errand, body: Bytes) -> Result<Request<Bytes>, PeerError> {
        let wrong = |error: &dyn std::fmt::Display| PeerError::Request(error.to_string());
        let uri = format!("https://{}{}", errand.to, errand.path);
        let mut request = Request::builder().method(errand.method.clone()).uri(uri);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let mut request = request.body(body).map_err(|error| wrong(&error))?;
        if errand.signed {
            let signer = self.parts.own_keys.outer();
            let server = self.parts.localities.server_name().to_owned();
            let input = XMatrixSigningInput::new(server, errand.to.clone(), signer.key_pair());
            let signature = XMatrix::sign_http_request(&request, input).map_err(|error| wrong(&error))?;
            request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from(&signature));
        }
        Ok(request)
    }

    /// What another server answered, as the cell that asked gets it.
    pub fn handed_back(answer: Response<Bytes>) -> Response<Bytes> {
        let (parts, body) = answer.into_parts();
        let mut handed = Response::new(body);
        for name in HEADERS {
            if let Some(value) = parts.headers.get(&name) {
                handed.headers_mut().insert(name, value.clone());
            }
        }
        handed.headers_mut().insert(STATUS, HeaderValue::from(parts.status.as_u16()));
        handed
    }
}

fn cells_of(mut answer: RoomsAnswer, room_id: &RoomId) -> Vec<CellName> {
    let told = answer.rooms.remove(room_id).unwrap_or_default();
    told.iter().filter_map(|name| CellName::parse(name)).collect()
}

/// An error of this cell's as one of a server that was asked.
fn as_peer(error: Error) -> PeerError {
    match error {
        Error::Matrix(error) => PeerError::Matrix {
            status: error.kind.status(),
            errcode: error.kind.code().to_owned(),
            text: error.to_string(),
            retry_after_ms: error.retry_after_ms,
        },
        error => PeerError::Request(error.to_string()),
    }
}
