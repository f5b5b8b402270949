//! Requests between this cell and the others: made, and judged.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use domicile_core::{
    clock::Clock,
    error::{ErrorKind, MatrixError},
    locality::{CellName, Destination},
    rng::{self, Rng},
};
use domicile_egress::{
    ClientError,
    client::Pieces,
    detour,
    inner::{Admission, InnerClient, InnerError},
};
use domicile_residency::{
    deployment::{Deployment, KeyStanding, PublicKey, accept},
    flow::{self, Rule},
    inner::{Header, Once, RequestId, Said},
};
use futures::StreamExt;
use http::{HeaderValue, Method, Request, Response, header::AUTHORIZATION, uri::PathAndQuery};
use parking_lot::Mutex;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    net::TcpStream,
    sync::{Notify, watch},
};

use super::{
    OwnCell,
    contacts::Contacts,
    documents,
    inner_ways::{InnerWays, identity, keys, places},
    relay::Passages,
};
use crate::{
    evidence::ledger::{Flow, Tally},
    federation::{Bounds, PeerError, peers},
};

/// The link to the other cells.
pub struct InnerLink {
    own: Arc<OwnCell>,
    client: ArcSwap<InnerClient>,
    ways: InnerWays,
    /// Who gets through to this cell, and to whom it speaks.
    admission: watch::Sender<Arc<Admission>>,
    /// The documents that others have, as their requests say.
    serials: Mutex<BTreeMap<CellName, u32>>,
    /// Told when one of these is another one than ours, for the first time.
    differs: Notify,
    numbers: Arc<Numbers>,
    pub(super) passages: Passages,
    once: Mutex<BTreeMap<CellName, Once>>,
    tally: Arc<Tally>,
    pub(super) contacts: Contacts,
}

/// Numbers requests, each of which counts once.
struct Numbers {
    began_ms: u64,
    process: u64,
    next: AtomicU64,
}

impl Numbers {
    fn new(clock: &dyn Clock, rng: &dyn Rng) -> Self {
        Self {
            began_ms: u64::try_from(clock.now_ms()).unwrap_or_default(),
            process: u64::from_le_bytes(rng::bytes(rng)),
            next: AtomicU64::new(0),
        }
    }

    /// The header of a request to a cell.
    fn header(&self, own: &OwnCell, to: &CellName, said: Said<'_>) -> Result<HeaderValue, PeerError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let id = RequestId { began_ms: self.began_ms, process: self.process, number };
        let header = Header::sign((own.name(), own.key()), to, own.document().serial, id, said).to_string();
        HeaderValue::try_from(header).map_err(|error| PeerError::Request(error.to_string()))
    }
}

/// What this cell shows to others that are to be the way, and counts of what goes through them.
struct Passport {
    own: Arc<OwnCell>,
    numbers: Arc<Numbers>,
    tally: Arc<Tally>,
}

impl detour::Passport for Passport {
    fn sign(&self, relay: &str, method: &str, path: &str) -> Option<HeaderValue> {
        self.numbers.header(&self.own, &CellName::parse(relay)?, Said { method, path, body: &[] }).ok()
    }

    fn opened(&self, relay: &str) {
        if let Some(relay) = CellName::parse(relay) {
            self.tally.add(&relay, Flow::Relayed, 0);
        }
    }

    fn sent(&self, relay: &str, bytes: usize) {
        if let Some(relay) = CellName::parse(relay) {
            self.tally.add_bytes(&relay, Flow::Relayed, bytes);
        }
    }
}

impl InnerLink {
    /// Speaks with the cells of the document.
    pub fn new(own: Arc<OwnCell>, ways: InnerWays, clock: Arc<dyn Clock>, rng: &dyn Rng) -> Result<Self, InnerError> {
        for name in ways.cells.iter().filter(|name| !own.document().cells.contains_key(*name)) {
            tracing::warn!(cell = name.as_str(), "deployment.proxy_cells names a cell that is not in the document");
        }
        let (numbers, tally) = (Arc::new(Numbers::new(&*clock, rng)), Arc::new(Tally::default()));
        let passport = Passport { own: Arc::clone(&own), numbers: Arc::clone(&numbers), tally: Arc::clone(&tally) };
        let passport = Arc::new(passport) as Arc<dyn detour::Passport>;
        let client =
            InnerClient::new(&identity(&own), places(&own, own.document(), &ways), ways.relays.then_some(passport))?;
        let admission = Admission::new(&identity(&own), keys(&own, own.document()))?;
        Ok(Self {
            client: ArcSwap::from_pointee(client),
            ways,
            admission: watch::Sender::new(Arc::new(admission)),
            serials: Mutex::default(),
            differs: Notify::new(),
            numbers,
            passages: Passages::default(),
            once: Mutex::default(),
            tally,
            contacts: Contacts::new(clock),
            own,
        })
    }

    /// How this cell answers connections of others: it lets in the cells of the document, and nobody else. Another document changes it.
    pub fn admission(&self) -> watch::Receiver<Arc<Admission>> {
        self.admission.subscribe()
    }

    /// What a document makes of the link: nothing changes before it is [put in place](Self::turn_to), and then nothing can fail.
    pub(super) fn prepare(&self, document: &Deployment) -> Result<Prepared, InnerError> {
        let identity = identity(&self.own);
        let client = self.client.load().with_places(&identity, places(&self.own, document, &self.ways))?;
        let admission = Admission::new(&identity, keys(&self.own, document))?;
        Ok(Prepared { client, admission })
    }

    /// Speaks with the cells of another document from now on. Connections with others end, and what is asked over them.
    pub(super) fn turn_to(&self, prepared: Prepared) {
        let Prepared { client, admission } = prepared;
        client.settle();
        self.client.store(Arc::new(client));
        self.serials.lock().retain(|cell, _| self.own.document().cells.contains_key(cell));
        self.admission.send_replace(Arc::new(admission));
    }

    /// The cell by way of which another is reached, if it is not reached directly.
    pub fn relay_to(&self, cell: &CellName) -> Option<String> {
        self.client.load().relay_to(cell.as_str())
    }

    /// Tries the direct line to each cell that is reached by way of another.
    pub async fn try_direct(&self) {
        self.client.load_full().try_direct().await;
    }

    /// Whether this cell may be the way between two others.
    pub fn may_relay(&self, ends: [&CellName; 2]) -> Result<(), MatrixError> {
        if !self.ways.relays {
            let text = "This cell is not the way to others: its operator has set `deployment.relay` to false.";
            return Err(ErrorKind::Forbidden.with(text));
        }
        flow::may_relay(self.own.document(), self.own.name(), ends)
            .map_err(|decision| ErrorKind::Forbidden.with(decision.reason))
    }

    /// A line to a cell for another one's bytes.
    pub(super) async fn dial(&self, cell: &CellName) -> Result<TcpStream, PeerError> {
        let line = self.client.load_full().dial(cell.as_str()).await;
        let line = line.ok_or_else(|| PeerError::NoCell(cell.as_str().to_owned()))?;
        line.map_err(|error| ClientError::Connect(error).into())
    }

    /// The key of a cell of the document, as connections show it.
    pub(super) fn key_of(&self, cell: &CellName) -> Option<Vec<u8>> {
        self.own.document().cells.get(cell).map(|cell| cell.key.to_spki())
    }

    /// Waits until a cell shows that it has another document than this one has.
    pub(super) async fn differs(&self) {
        self.differs.notified().await;
    }

    /// Notes which document a cell has.
    fn note_serial(&self, cell: &CellName, serial: u32) {
        let ours = self.own.document().serial;
        if self.serials.lock().insert(cell.clone(), serial) != Some(serial) && serial != ours {
            self.differs.notify_one();
        }
    }

    /// Asks a cell, with this cell's signature in place of any other.
    pub async fn ask(
        &self,
        cell: &CellName,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Bytes>, PeerError> {
        let name = cell.as_str();
        self.asked(cell, request, async |client, request| client.ask(name, request, bounds).await).await
    }

    /// The same with the answer's body piece by piece, as it comes. It ends in the middle if the cell is none of the deployment any more.
    pub async fn ask_streamed(
        &self,
        cell: &CellName,
        request: Request<Bytes>,
        bounds: Bounds,
    ) -> Result<Response<Pieces>, PeerError> {
        let name = cell.as_str();
        let answer =
            self.asked(cell, request, async |client, request| client.ask_streamed(name, request, bounds).await);
        let answer = answer.await?;
        let Some(spki) = self.key_of(cell) else { return Err(PeerError::NoCell(name.to_owned())) };
        let dismissed = dismissed(self.admission.subscribe(), spki);
        Ok(answer.map(|pieces| pieces.take_until(Box::pin(dismissed)).boxed()))
    }

    /// Asks a cell in a way, and notes what came of it.
    async fn asked<A>(
        &self,
        cell: &CellName,
        mut request: Request<Bytes>,
        ask: impl AsyncFnOnce(&InnerClient, Request<Bytes>) -> Option<Result<Response<A>, ClientError>>,
    ) -> Result<Response<A>, PeerError> {
        let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
        let said = Said { method: request.method().as_str(), path: &path, body: request.body() };
        let header = self.numbers.header(&self.own, cell, said)?;
        request.headers_mut().insert(AUTHORIZATION, header);
        let carried = request.body().len();
        let client = self.client.load_full();
        let none = || PeerError::NoCell(cell.as_str().to_owned());
        let spki = client.key_of(cell.as_str()).ok_or_else(none)?;
        let answer = tokio::select! {
            answer = ask(&client, request) => answer.ok_or_else(none)?,
            () = dismissed(self.admission.subscribe(), spki) => return Err(none()),
        };
        match &answer {
            // One that is too large came all the same.
            Ok(_) | Err(ClientError::TooLarge(_)) => self.contacts.reached(cell),
            Err(_) => self.contacts.failed(cell),
        }
        let answer = answer?;
        if let Some(flow) = Flow::of_request(&path).filter(|_| answer.status().is_success()) {
            self.tally.add(cell, flow, carried);
        }
        Ok(answer)
    }

    /// What was carried to other cells, for the ledger.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The cell of a key with which a connection was opened.
    pub fn cell_of_key(&self, spki: &[u8]) -> Option<CellName> {
        let key = PublicKey::from_spki(spki).ok()?;
        let document = self.own.document();
        document.cells.iter().find(|(_, cell)| cell.key == key).map(|(name, _)| name.clone())
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
    /// Nothing of the body is looked at before that. What is asked at [`documents::EXCHANGE`] may come from a cell whose document is far from ours.
    pub fn open(&self, header: &str, spki: &[u8], path: &str) -> Result<Header, MatrixError> {
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
        // The holder of the cell's key has opened the connection, so this much of the header is believed before the signature is looked at.
        self.note_serial(&header.origin, header.serial);
        if path != documents::EXCHANGE {
            accept::talks(document, header.serial)
                .map_err(|apart| refuse(format!("The request is refused: {apart}.")))?;
        }
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
        drop(once);
        self.contacts.heard(&header.origin);
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

/// Ends when the holder of a key does not get through any more.
async fn dismissed(mut admission: watch::Receiver<Arc<Admission>>, spki: impl AsRef<[u8]>) {
    // The link itself keeps the other end, so this never fails while anybody asks.
    if admission.wait_for(|admission| !admission.admits(spki.as_ref())).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// What another document makes of the link.
pub(super) struct Prepared {
    client: InnerClient,
    admission: Admission,
}
