//! Asking other servers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use domicile_core::{
    error::{ErrorKind, MatrixError},
    locality::{CellName, Destination, is_cell},
};
pub use domicile_egress::client::Bounds;
use domicile_egress::{ClientError, FederationClient, spool::Spool};
use parking_lot::Mutex;
use ruma::{
    OwnedServerName, RoomId, ServerName,
    api::{
        IncomingResponseExt, OutgoingRequest, OutgoingRequestExt,
        auth_scheme::{AuthScheme, NoAuthentication},
        error::FromHttpResponseError,
        federation::authentication::{ServerSignatures, XMatrixSigningInput},
        path_builder::PathBuilder,
    },
};
use serde_json::Value;

use super::{LargeAnswer, OwnKeys, Policy};
use crate::{
    evidence::ledger::{Flow, OuterTally},
    gateway::Outward,
    residency::InnerLink,
};

/// What an ordinary answer may cost.
pub const ORDINARY: Bounds = Bounds { time: Duration::from_secs(30), bytes: 4 * 1024 * 1024 };
/// What an answer with a room's state or history may cost.
pub const LARGE: Bounds = Bounds { time: Duration::from_mins(5), bytes: 256 * 1024 * 1024 };

/// Bytes of another server's text that are passed on.
const TEXT: usize = 500;

/// Why another server gave no answer that could be used.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The operator's lists leave the server out.
    #[error("this server does not talk to it")]
    Refused,
    /// It is this server itself.
    #[error("it is this server itself")]
    Ourselves,
    /// No answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It answered with an error.
    #[error("it answered {status} {errcode}: {text}")]
    Matrix {
        /// The HTTP status.
        status: u16,
        /// The error code, `M_UNKNOWN` if there was none.
        errcode: String,
        /// What it tells.
        text: String,
        /// When to come again, in milliseconds from now.
        retry_after_ms: Option<u64>,
    },
    /// It answered with something else than the specification says.
    #[error("its answer is not what the specification says: {0}")]
    Nonsense(String),
    /// Our request could not be made.
    #[error("the request could not be made: {0}")]
    Request(String),
    /// There is no such cell, or not any more.
    #[error("this deployment has no cell {0} at work")]
    NoCell(String),
}

impl PeerError {
    /// A word for what happened, for counting.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Refused | Self::Ourselves => "refused",
            Self::Client(error) => error.word(),
            Self::Matrix { .. } => "error",
            Self::Nonsense(_) => "nonsense",
            Self::Request(_) => "request",
            Self::NoCell(_) => "no_cell",
        }
    }

    /// Whether the server as such does not answer, so that other requests to it would fail, too.
    pub fn is_down(&self) -> bool {
        match self {
            Self::Client(error) => !matches!(error, ClientError::TooLarge(_)),
            Self::Matrix { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// What a client of ours is told, who asked for something of `server_name`.
    pub fn told(self, server_name: &ServerName) -> MatrixError {
        if is_cell(server_name) {
            return self.told_of_cell();
        }
        match self {
            Self::Refused => ErrorKind::Forbidden.with(format!("This server does not talk to {server_name}.")),
            Self::Matrix { status: 403, text, .. } => {
                ErrorKind::Forbidden.with(format!("{server_name} refuses it: {text}"))
            }
            Self::Matrix { status: 404, text, .. } => {
                ErrorKind::NotFound.with(format!("{server_name} does not have it: {text}"))
            }
            Self::Matrix { status: 429, retry_after_ms, .. } => MatrixError {
                retry_after_ms: Some(retry_after_ms.unwrap_or(1_000)),
                ..ErrorKind::LimitExceeded.with(format!("{server_name} has too much to do: try again later."))
            },
            other => ErrorKind::BadGateway.with(format!("{server_name} could not be asked: {other}")),
        }
    }
}

impl PeerError {
    /// The same about another cell, which nobody is told the name of.
    fn told_of_cell(self) -> MatrixError {
        match self {
            Self::Matrix { status: 403, text, .. } => ErrorKind::Forbidden.with(text),
            Self::Matrix { status: 404, text, .. } => ErrorKind::NotFound.with(text),
            Self::Matrix { status: 429, retry_after_ms, .. } => MatrixError {
                retry_after_ms: Some(retry_after_ms.unwrap_or(1_000)),
                ..ErrorKind::LimitExceeded.with("There is too much to do at the moment: try again later.")
            },
            other => {
                tracing::info!(error = %other, "another cell could not be asked");
                let text = "The part of this service in which this has its home cannot be reached at the moment: try again later.";
                ErrorKind::BadGateway.with(text)
            }
        }
    }
}

/// The ways of a cell of a deployment.
pub struct Ways {
    /// To the other cells.
    pub link: Arc<InnerLink>,
    /// To other servers.
    pub outward: Arc<Outward>,
}

/// How somebody is asked.
enum Way<'p> {
    /// On the link to another cell.
    Cell(&'p InnerLink, CellName),
    /// Another server, by the gateway.
    Gateway(&'p Outward),
    /// Another server, by ourselves.
    Straight,
}

/// Asks other servers.
pub struct Peers {
    client: FederationClient,
    own: Arc<OwnKeys>,
    policy: Arc<Policy>,
    cells: Option<Ways>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
    told: Arc<OuterTally>,
}

impl Peers {
    /// Asks with `client`, in the name of `own`, whom `policy` allows; in a cell of a deployment by its ways.
    pub fn new(client: FederationClient, own: Arc<OwnKeys>, policy: Arc<Policy>, cells: Option<Ways>) -> Self {
        Self { client, own, policy, cells, counts: Mutex::default(), told: Arc::default() }
    }

    /// The operator's lists.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The cells of the deployment that are in a room, as its gateway knows, under the names by which they are asked. None if it has no gateway,
    /// or that is not reached.
    pub async fn cells_in(&self, room_id: &RoomId) -> Vec<OwnedServerName> {
        match &self.cells {
            Some(ways) => ways.outward.cells_in(room_id).await,
            None => Vec::new(),
        }
    }

    /// Asks a server with our signature.
    pub async fn ask<R>(&self, to: &ServerName, request: R, bounds: Bounds) -> Result<R::IncomingResponse, PeerError>
    where
        R: OutgoingRequest<Authentication = ServerSignatures>,
        for<'a> R::PathBuilder: PathBuilder<Input<'a> = ()>,
    {
        let signer = self.own.outer();
        let input = XMatrixSigningInput::new(self.own.server_name().to_owned(), to.to_owned(), signer.key_pair());
        let request = made(to, request, input);
        self.answer::<R>(to, request, bounds).await
    }

    /// Asks a server without a signature: for its keys, for instance.
    pub async fn ask_unsigned<R>(
        &self,
        to: &ServerName,
        request: R,
        bounds: Bounds,
    ) -> Result<R::IncomingResponse, PeerError>
    where
        R: OutgoingRequest<Authentication = NoAuthentication>,
        for<'a> R::PathBuilder: PathBuilder<Input<'a> = ()>,
    {
        let request = made(to, request, ());
        self.answer::<R>(to, request, bounds).await
    }

    /// Asks a server for a path without a signature. An answer that points elsewhere is one, too.
    pub async fn ask_plain(
        &self,
        to: &ServerName,
        path: &str,
        bounds: Bounds,
    ) -> Result<http::Response<Bytes>, PeerError> {
        let request = http::Request::builder().uri(format!("https://{to}{path}")).body(Bytes::new());
        let asking = async {
            let request = request.map_err(|error| PeerError::Request(error.to_string()))?;
            let answer = self.send(to, request, bounds).await?;
            if answer.status().as_u16() >= 400 { Err(refusal(&answer)) } else { Ok(answer) }
        };
        let answer = asking.await;
        let word = answer.as_ref().err().map_or("answered", PeerError::word);
        *self.counts.lock().entry(word).or_default() += 1;
        answer
    }

    /// Asks a server with our signature for something large, whose members `lists` are large lists.
    pub(crate) async fn ask_large<R>(
        &self,
        to: &ServerName,
        request: R,
        lists: &'static [&'static str],
    ) -> Result<LargeAnswer, PeerError>
    where
        R: OutgoingRequest<Authentication = ServerSignatures>,
        for<'a> R::PathBuilder: PathBuilder<Input<'a> = ()>,
    {
        let signer = self.own.outer();
        let input = XMatrixSigningInput::new(self.own.server_name().to_owned(), to.to_owned(), signer.key_pair());
        let request = made(to, request, input);
        let asking = async {
            let answer = self.send_for_large(to, request?, LARGE).await?;
            if answer.status().as_u16() >= 300 {
                let (parts, body) = answer.into_parts();
                let body = body.whole().map_err(|error| PeerError::Request(error.to_string()))?;
                return Err(refusal(&http::Response::from_parts(parts, body)));
            }
            let found = tokio::task::spawn_blocking(move || LargeAnswer::find(answer.into_body(), lists)).await;
            found.map_err(|error| PeerError::Request(error.to_string()))?
        };
        let answer = asking.await;
        let word = answer.as_ref().err().map_or("answered", PeerError::word);
        *self.counts.lock().entry(word).or_default() += 1;
        answer
    }

    async fn answer<R: OutgoingRequest>(
        &self,
        to: &ServerName,
        request: Result<http::Request<Bytes>, PeerError>,
        bounds: Bounds,
    ) -> Result<R::IncomingResponse, PeerError> {
        let asking = async {
            let answer = self.send(to, request?, bounds).await?;
            if answer.status().as_u16() >= 300 {
                return Err(refusal(&answer));
            }
            read::<R>(&answer)
        };
        let answer = asking.await;
        let word = answer.as_ref().err().map_or("answered", PeerError::word);
        *self.counts.lock().entry(word).or_default() += 1;
        answer
    }

    async fn send(
        &self,
        to: &ServerName,
        request: http::Request<Bytes>,
        bounds: Bounds,
    ) -> Result<http::Response<Bytes>, PeerError> {
        let carried = carried(to, &request);
        let answer = match self.way_to(to)? {
            Way::Cell(link, cell) => link.ask(&cell, request, bounds).await?,
            Way::Gateway(outward) => outward.ask(to, request, bounds).await?,
            Way::Straight => self.client.ask(to, request, bounds).await?,
        };
        self.note(carried, answer.status());
        Ok(answer)
    }

    /// The same for an answer that may be large.
    async fn send_for_large(
        &self,
        to: &ServerName,
        request: http::Request<Bytes>,
        bounds: Bounds,
    ) -> Result<http::Response<Spool>, PeerError> {
        let carried = carried(to, &request);
        let answer = match self.way_to(to)? {
            Way::Cell(link, cell) => link.ask(&cell, request, bounds).await?.map(Spool::from),
            Way::Gateway(outward) => outward.ask(to, request, bounds).await?.map(Spool::from),
            Way::Straight => self.client.ask_large(to, request, bounds).await?,
        };
        self.note(carried, answer.status());
        Ok(answer)
    }

    fn note(&self, carried: Option<(Flow, usize)>, status: http::StatusCode) {
        if let Some((flow, bytes)) = carried.filter(|_| status.is_success()) {
            self.told.add(flow, bytes);
        }
    }

    /// What requests have told other servers, for the ledger. What they have told cells is counted on the link, and transactions where they are sent.
    pub fn told(&self) -> &Arc<OuterTally> {
        &self.told
    }

    /// How a cell is asked, or another server, which the lists must allow.
    fn way_to(&self, to: &ServerName) -> Result<Way<'_>, PeerError> {
        if to == self.own.server_name() {
            return Err(PeerError::Ourselves);
        }
        if let Destination::Cell(cell) = Destination::of_peer(to) {
            let ways = self.cells.as_ref().ok_or_else(|| PeerError::NoCell(cell.as_str().to_owned()))?;
            return Ok(Way::Cell(&ways.link, cell));
        }
        match &self.cells {
            _ if !self.policy.allows(to) => Err(PeerError::Refused),
            Some(ways) => Ok(Way::Gateway(&ways.outward)),
            None => Ok(Way::Straight),
        }
    }

    /// Requests by outcome, without a name of anybody.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().clone()
    }
}

/// What a request tells another server, and in how many bytes; nothing for those that only ask.
fn carried(to: &ServerName, request: &http::Request<Bytes>) -> Option<(Flow, usize)> {
    let flow = Flow::of_request(request.uri().path()).filter(|_| !is_cell(to))?;
    Some((flow, request.body().len()))
}

/// A request of ruma's as HTTP.
fn made<R>(
    to: &ServerName,
    request: R,
    input: <R::Authentication as AuthScheme>::Input<'_>,
) -> Result<http::Request<Bytes>, PeerError>
where
    R: OutgoingRequest,
    for<'a> R::PathBuilder: PathBuilder<Input<'a> = ()>,
{
    let made = request.try_into_http_request::<BytesMut>(&format!("https://{to}"), input, ());
    Ok(made.map_err(|error| PeerError::Request(error.to_string()))?.map(BytesMut::freeze))
}

fn read<R: OutgoingRequest>(answer: &http::Response<Bytes>) -> Result<R::IncomingResponse, PeerError> {
    let mut lent = http::Response::new(answer.body().as_ref());
    *lent.status_mut() = answer.status();
    lent.headers_mut().clone_from(answer.headers());
    R::IncomingResponse::try_from_http_response(lent).map_err(|error| match error {
        FromHttpResponseError::Deserialization(error) => PeerError::Nonsense(error.to_string()),
        other => PeerError::Nonsense(other.to_string()),
    })
}

/// An answer that is no success.
pub(crate) fn refusal(answer: &http::Response<Bytes>) -> PeerError {
    let said: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let text = |key: &str| said[key].as_str().map(|text| text.chars().take(TEXT).collect::<String>());
    let header = answer.headers().get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    PeerError::Matrix {
        status: answer.status().as_u16(),
        errcode: text("errcode").unwrap_or_else(|| "M_UNKNOWN".to_owned()),
        text: text("error").unwrap_or_default(),
        retry_after_ms: said["retry_after_ms"]
            .as_u64()
            .or_else(|| header.map(|seconds: u64| seconds.saturating_mul(1_000))),
    }
}
