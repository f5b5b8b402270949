//! The way to a cell by way of another one, where the direct line is blocked.
//!
//! ```text
//! this cell ==TLS==> relay --TCP--> target          the relay passes bytes on
//! this cell ==========TLS=========> target          with the target's own key, inside of that
//! ```
//!
//! The direct line is tried first. Where it fails, cells that may be the way are asked, all at once, and the first that reaches the target is the way
//! until the direct line is found to be open again. A relay connects directly and asks no further one, so there is no way in a circle.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures::future::select_ok;
use http::{
    HeaderValue, Method, Request, StatusCode, Uri,
    header::{AUTHORIZATION, CONNECTION, HOST, UPGRADE},
};
use http_body_util::Empty;
use hyper::{client::conn::http1, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use parking_lot::{Mutex, RwLock};
use rustls::ClientConfig;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_util::io::InspectWriter;

use crate::{
    connect::{ConnectError, SystemHosts, open},
    guard::Guard,
    proxy::Proxy,
};

/// What is asked for in place of HTTP.
pub const PROTOCOL: &str = "domicile-relay";
/// Where a cell asks another to be the way to a third, whose name follows.
pub const PATH: &str = "/_domicile/inner/v1/relay/";
/// How long the direct line may take where there is another way.
pub(crate) const DIRECT_TIME: Duration = Duration::from_secs(4);
/// How long relays may take.
const RELAY_TIME: Duration = Duration::from_secs(5);
/// Relays that are asked for one connection.
const TRIED: usize = 3;
/// How long the direct line is not tried before a relay that was the way a moment ago.
const REST: Duration = Duration::from_mins(1);
/// Bytes of what a relay may say before the way is open, and lines of it.
const ANSWER_BYTES: usize = 16 * 1024;
const ANSWER_LINES: usize = 50;

/// What a cell shows to others that are to be the way.
pub trait Passport: Send + Sync {
    /// The header of a request without a body to a cell, with a method and a path. Nothing if there is no such cell.
    fn sign(&self, relay: &str, method: &str, path: &str) -> Option<HeaderValue>;

    /// A line through a cell is open.
    fn opened(&self, relay: &str);

    /// Bytes went out through a cell.
    fn sent(&self, relay: &str, bytes: usize);
}

/// A cell that can be asked to be the way to another.
#[derive(Clone)]
pub(crate) struct Hop {
    pub(crate) uri: Uri,
    /// TLS with its key, for HTTP/1.1, which can be left for something else.
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) proxy: Option<Proxy>,
}

/// The cells that can be the way to others.
#[derive(Default)]
pub(crate) struct Hops {
    pub(crate) cells: BTreeMap<String, Hop>,
    /// Those that may be the way, by where it leads.
    pub(crate) ways: BTreeMap<String, Vec<String>>,
}

/// Asks cells to be the way.
pub(crate) struct Relays {
    guard: Arc<Guard>,
    passport: Option<Arc<dyn Passport>>,
    hops: RwLock<Hops>,
    asked: AtomicUsize,
}

impl Relays {
    pub(crate) fn new(guard: Arc<Guard>, passport: Option<Arc<dyn Passport>>) -> Self {
        Self { guard, passport, hops: RwLock::default(), asked: AtomicUsize::new(0) }
    }

    /// Asks these cells from now on.
    pub(crate) fn set(&self, hops: Hops) {
        *self.hops.write() = hops;
    }

    /// Whether a cell may be the way to another.
    pub(crate) fn lead(&self, relay: &str, target: &str) -> bool {
        self.hops.read().ways.get(target).is_some_and(|ways| ways.iter().any(|way| way == relay))
    }

    /// The cells that are asked for a way to another one: the one that was the way last, and others in turn.
    fn candidates(&self, target: &str, last: Option<&str>) -> Vec<(String, Hop)> {
        let hops = self.hops.read();
        let Some(ways) = hops.ways.get(target).filter(|ways| !ways.is_empty() && self.passport.is_some()) else {
            return Vec::new();
        };
        let first = self.asked.fetch_add(1, Ordering::Relaxed) % ways.len();
        let in_turn = ways[first..].iter().chain(&ways[..first]).map(String::as_str);
        let names = last.into_iter().filter(|last| ways.iter().any(|way| way == last));
        let names = names.chain(in_turn.filter(|name| Some(*name) != last));
        names.filter_map(|name| Some((name.to_owned(), hops.cells.get(name)?.clone()))).take(TRIED).collect()
    }

    /// A line to a cell through another one.
    async fn through(&self, relay: &str, hop: &Hop, target: &str) -> Result<Relayed, ConnectError> {
        let failed = |why: String| ConnectError::Relay { relay: relay.to_owned(), why };
        let broken = |error: hyper::Error| failed(format!("it does not speak HTTP: {error}"));
        let passport = self.passport.clone().ok_or_else(|| failed("it is not asked".to_owned()))?;
        let (name, stream) = open(&SystemHosts, &self.guard, hop.proxy.as_ref(), &hop.uri).await?;
        let stream = TlsConnector::from(Arc::clone(&hop.tls)).connect(name, stream).await.map_err(ConnectError::Tls)?;
        let mut building = http1::Builder::new();
        building.max_buf_size(ANSWER_BYTES).max_headers(ANSWER_LINES);
        let (mut sender, connection) = building.handshake(TokioIo::new(stream)).await.map_err(broken)?;
        let path = format!("{PATH}{target}");
        let header = passport.sign(relay, Method::POST.as_str(), &path);
        let header = header.ok_or_else(|| failed("the request cannot be signed".to_owned()))?;
        let authority = hop.uri.authority().map_or("", |authority| authority.as_str());
        let request = Request::post(path.as_str())
            .header(HOST, authority)
            .header(AUTHORIZATION, header)
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, PROTOCOL)
            .body(Empty::<Bytes>::new())
            .map_err(|error| failed(error.to_string()))?;
        let asking = async move {
            let answer = sender.send_request(request).await.map_err(broken)?;
            match answer.status() {
                StatusCode::SWITCHING_PROTOCOLS => hyper::upgrade::on(answer).await.map_err(broken),
                status => Err(failed(format!("it answers with status {}", status.as_u16()))),
            }
        };
        let (upgraded, _) = tokio::join!(asking, connection.with_upgrades());
        let upgraded = upgraded?;
        passport.opened(relay);
        let relay = relay.to_owned();
        let sent: Sent = Box::new(move |bytes| passport.sent(&relay, bytes.len()));
        Ok(InspectWriter::new(TokioIo::new(upgraded), sent))
    }
}

/// Told of what goes out.
type Sent = Box<dyn FnMut(&[u8]) + Send>;

/// What comes over a relay.
pub(crate) type Relayed = InspectWriter<TokioIo<Upgraded>, Sent>;

/// The way by which a cell was reached last.
#[derive(Clone, Debug, Default)]
struct Way {
    /// The relay, if it was not the direct line.
    relay: Option<String>,
    /// When it was found to lead there.
    found: Option<Instant>,
}

/// How one cell is reached.
#[derive(Clone)]
pub(crate) struct Detour {
    target: String,
    relays: Arc<Relays>,
    way: Arc<Mutex<Way>>,
}

impl Detour {
    pub(crate) fn new(target: String, relays: Arc<Relays>) -> Self {
        Self { target, relays, way: Arc::default() }
    }

    /// The cell by way of which this one is reached, if it is not reached directly.
    pub(crate) fn relay(&self) -> Option<String> {
        self.way.lock().relay.clone()
    }

    /// The direct line is the way.
    pub(crate) fn is_open(&self) {
        *self.way.lock() = Way::default();
    }

    /// The first of the ways that works: `direct`, or what `finish` makes of a line through a relay.
    pub(crate) async fn connect<S, D, F>(
        &self,
        direct: impl Fn() -> D + Sync,
        finish: impl Fn(Relayed) -> F + Sync,
    ) -> Result<S, ConnectError>
    where
        D: Future<Output = Result<S, ConnectError>> + Send,
        F: Future<Output = Result<S, ConnectError>> + Send,
        S: Send,
    {
        let Way { relay: last, found } = self.way.lock().clone();
        let candidates = self.relays.candidates(&self.target, last.as_deref());
        if candidates.is_empty() {
            return direct().await.inspect(|_| self.is_open());
        }
        let rests = last.is_some() && found.is_some_and(|found| found.elapsed() < REST);
        let mut why = ConnectError::Slow;
        if !rests {
            match self.directly(&direct).await {
                Ok(stream) => return Ok(stream),
                Err(error) => why = error,
            }
        }
        match self.by_way_of(candidates, &finish).await {
            Ok((stream, relay)) => {
                *self.way.lock() = Way { relay: Some(relay.clone()), found: Some(Instant::now()) };
                if last.as_ref() != Some(&relay) {
                    tracing::warn!(cell = self.target, relay, %why, "a cell is not reached directly, and by way of another");
                }
                return Ok(stream);
            }
            Err(error) => tracing::debug!(cell = self.target, %error, "no other cell is the way"),
        }
        // The next connection begins with the direct line again.
        self.way.lock().found = None;
        if rests { self.directly(&direct).await } else { Err(why) }
    }

    async fn directly<S, D>(&self, direct: &(impl Fn() -> D + Sync)) -> Result<S, ConnectError>
    where
        D: Future<Output = Result<S, ConnectError>> + Send,
    {
        let stream = tokio::time::timeout(DIRECT_TIME, direct()).await.map_err(|_| ConnectError::Slow)?;
        stream.inspect(|_| self.is_open())
    }

    /// What `finish` makes of the first line that one of these cells opens, and the cell.
    async fn by_way_of<S, F>(
        &self,
        candidates: Vec<(String, Hop)>,
        finish: &(impl Fn(Relayed) -> F + Sync),
    ) -> Result<(S, String), ConnectError>
    where
        F: Future<Output = Result<S, ConnectError>> + Send,
        S: Send,
    {
        let (relays, target) = (&self.relays, &self.target);
        let asked = candidates.into_iter().map(|(relay, hop)| {
            Box::pin(async move {
                let line = relays.through(&relay, &hop, target).await?;
                Ok((finish(line).await?, relay))
            })
        });
        let first = tokio::time::timeout(RELAY_TIME, select_ok(asked)).await.map_err(|_| ConnectError::Slow)?;
        first.map(|(found, _)| found)
    }
}
