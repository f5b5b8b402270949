//! Requests between this cell and the others: made, and judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use domicile_core::{
    clock::Clock,
    error::{ErrorKind, MatrixError},
    locality::{CellName, Destination},
    rng::{self, Rng},
};
use domicile_egress::{
    Proxy,
    inner::{Identity, InnerClient, InnerError, InnerPlace, ServerConfig, server_config},
};
use domicile_residency::{
    deployment::{KeyStanding, PublicKey, accept},
    flow::{self, Rule},
    inner::{Header, Once, RequestId, Said},
};
use http::{HeaderValue, Method, Request, Response, header::AUTHORIZATION, uri::PathAndQuery};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};

use super::OwnCell;
use crate::federation::{Bounds, PeerError, peers};

/// By what other cells are reached, and which of them.
#[derive(Clone, Debug, Default)]
pub struct InnerProxy {
    /// The proxy; without one all are reached directly.
    pub proxy: Option<Proxy>,
    /// Those who are reached by it. None: all.
    pub cells: BTreeSet<CellName>,
}

impl InnerProxy {
    /// By what a cell is reached.
    fn to(&self, cell: &CellName) -> Option<Proxy> {
        self.proxy.clone().filter(|_| self.cells.is_empty() || self.cells.contains(cell))
    }
}

/// The link to the other cells.
pub struct InnerLink {
    own: Arc<OwnCell>,
    client: InnerClient,
    began_ms: u64,
    process: u64,
    next: AtomicU64,
    once: Mutex<BTreeMap<CellName, Once>>,
}

impl InnerLink {
    /// Speaks with the cells of the document.
    pub fn new(own: Arc<OwnCell>, proxy: &InnerProxy, clock: &dyn Clock, rng: &dyn Rng) -> Result<Self, InnerError> {
        for name in proxy.cells.iter().filter(|name| !own.document().cells.contains_key(*name)) {
            tracing::warn!(cell = name.as_str(), "deployment.proxy_cells names a cell that is not in the document");
        }
        let others = own.document().cells.iter().filter(|(name, _)| *name != own.name());
        let places = others.map(|(name, cell)| InnerPlace {
            name: name.as_str().to_owned(),
            url: cell.inner_url.to_string(),
            spki: cell.key.to_spki(),
            proxy: proxy.to(name),
        });
        let client = InnerClient::new(&identity(&own), places.collect())?;
        Ok(Self {
            client,
            began_ms: u64::try_from(clock.now_ms()).unwrap_or_default(),
            process: u64::from_le_bytes(rng::bytes(rng)),
            next: AtomicU64::new(0),
            once: Mutex::default(),
            own,
        })
    }

    /// How this cell answers connections of others: it lets in the cells of the document, and nobody else.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, InnerError> {
        let others = self.own.document().cells.iter().filter(|(name, _)| *name != self.own.name());
        server_config(&identity(&self.own), others.map(|(_, cell)| cell.key.to_spki()).collect())
    }

    /// Asks a cell, with this cell's signature in place of any other.
    pub async fn ask(
        &self,
        cell: &CellName,
        mut request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, PeerError> {
        let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
        let said = Said { method: request.method().as_str(), path: &path, body: request.body() };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = RequestId { began_ms: self.began_ms, process: self.process, number };
        let signer = (self.own.name(), self.own.key());
        let header = Header::sign(signer, cell, self.own.document().serial, id, said).to_string();
        let header = HeaderValue::try_from(header).map_err(|error| PeerError::Request(error.to_string()))?;
        request.headers_mut().insert(AUTHORIZATION, header);
        let answer = self.client.ask(cell.as_str(), request, bounds).await;
        Ok(answer.ok_or_else(|| PeerError::NoCell(cell.as_str().to_owned()))??)
    }

    /// Asks a cell for something of Domicile's own, in JSON.
    pub async fn ask_json<A: DeserializeOwned>(
        &self,
        cell: &CellName,
        path: &str,
        body: &impl Serialize,
    ) -> Result<A, PeerError> {
        self.ask_json_within(cell, path, body, peers::ORDINARY).await
    }

    /// The same within other bounds.
    pub async fn ask_json_within<A: DeserializeOwned>(
        &self,
        cell: &CellName,
        path: &str,
        body: &impl Serialize,
        bounds: Bounds,
    ) -> Result<A, PeerError> {
        let body = serde_json::to_vec(body).map_err(|error| PeerError::Request(error.to_string()))?;
        let request = Request::builder().method(Method::POST).uri(path).header("content-type", "application/json");
        let request = request.body(Bytes::from(body)).map_err(|error| PeerError::Request(error.to_string()))?;
        let answer = self.ask(cell, request, bounds).await?;
        if answer.status().as_u16() >= 300 {
            return Err(peers::refusal(&answer));
        }
        serde_json::from_slice(answer.body()).map_err(|error| PeerError::Nonsense(error.to_string()))
    }

    /// Whose a request is said to be, and whether such a one can be for us at all. `spki` is the key with which its connection was opened.
    /// Nothing of the body is looked at before that.
    pub fn open(&self, header: &str, spki: &[u8]) -> Result<Header, MatrixError> {
        let refuse = |text: String| ErrorKind::Unauthorized.with(text);
        let header = Header::read(header).map_err(|error| refuse(error.to_string()))?;
        if header.destination != *self.own.name() {
            return Err(refuse("The request is for another cell.".to_owned()));
        }
        let document = self.own.document();
        let key = accept::request_key(document, &header.origin, &header.key_id);
        let key = key.map_err(|apart| refuse(format!("The request is refused: {apart}.")))?;
        if PublicKey::from_spki(spki).as_ref() != Ok(key) {
            return Err(refuse("The connection is another cell's than the request.".to_owned()));
        }
        accept::talks(document, header.serial).map_err(|apart| refuse(format!("The request is refused: {apart}.")))?;
        Ok(header)
    }

    /// Checks the signature of a request, and that it did not come before. Gives whose it is.
    pub fn verify(&self, header: Header, said: Said<'_>) -> Result<CellName, MatrixError> {
        let refuse = |text: &'static str| ErrorKind::Unauthorized.with(text);
        let document = self.own.document();
        let found = document.cell_key(&header.key_id);
        let found = found.filter(|found| *found.cell == header.origin && found.standing == KeyStanding::Current);
        if !found.is_some_and(|found| header.is_signed(found.key, said)) {
            return Err(refuse("The request's signature is wrong."));
        }
        let mut once = self.once.lock();
        once.entry(header.origin.clone())
            .or_default()
            .note(header.request)
            .map_err(|_| refuse("The request came before."))?;
        Ok(header.origin)
    }

    /// Whether anything of this cell's people may be copied to another cell at all. Where it may not, the other is told nothing of rooms and
    /// people, whatever it asks.
    pub fn may_ask(&self, cell: &CellName) -> Result<(), MatrixError> {
        self.may_share(&Destination::Cell(cell.clone()))
    }

    /// The same for any destination.
    pub fn may_share(&self, destination: &Destination) -> Result<(), MatrixError> {
        let decision = flow::to_destination(self.own.document(), self.own.region(), destination);
        if decision.rule == Rule::Forbid { Err(ErrorKind::Forbidden.with(decision.reason)) } else { Ok(()) }
    }

    /// Whether a cell passes on what other servers ask of people here.
    pub fn may_pass(&self, gateway: &CellName) -> Result<(), MatrixError> {
        if self.own.document().carries(gateway, self.own.region()) {
            return Ok(());
        }
        Err(ErrorKind::Unauthorized.with("The cell carries nothing of this region."))
    }
}

fn identity(own: &OwnCell) -> Identity {
    Identity { pkcs8: own.key().to_pkcs8().to_vec(), spki: own.key().public().to_spki() }
}
