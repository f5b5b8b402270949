//! A connection to a host: its name resolved, its addresses judged, encrypted with a certificate for its name.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;

use crate::{
    detour::{Detour, Relayed},
    guard::Guard,
    proxy::{Proxy, ProxyError, Target},
    trust::Trust,
};

/// Addresses of one name that are tried.
const TRIED: usize = 4;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Only `https` is spoken.
    #[error("only https is spoken")]
    NotHttps,
    /// The host is no name and no address.
    #[error("the host is no name and no address")]
    NoHost,
    /// The name system says that there is no such service.
    #[error("the name system says that there is no Matrix server")]
    NoService,
    /// The name has no address.
    #[error("the name cannot be resolved: {0}")]
    Unknown(io::Error),
    /// The name leads to addresses that may not be connected to, and to no others.
    #[error("the host is not on the public internet, and no range in `egress.allow_addresses` has it")]
    Refused,
    /// Nobody answered at any of the addresses.
    #[error("nobody answers: {0}")]
    Nobody(io::Error),
    /// The proxy by which connections are made opened no way.
    #[error(transparent)]
    Proxy(ProxyError),
    /// The encryption failed: a certificate of another name or of nobody whom we trust, for instance.
    #[error("no encrypted connection: {0}")]
    Tls(io::Error),
    /// Another cell does not lead there.
    #[error("the cell {relay} is no way there: {why}")]
    Relay {
        /// The cell.
        relay: String,
        /// Why not.
        why: String,
    },
    /// It took too long.
    #[error("connecting took too long")]
    Slow,
}

impl ConnectError {
    /// The same error once more: that of a shared connection is only lent.
    pub(crate) fn again(&self) -> Self {
        let io = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self {
            Self::NotHttps => Self::NotHttps,
            Self::NoHost => Self::NoHost,
            Self::NoService => Self::NoService,
            Self::Unknown(error) => Self::Unknown(io(error)),
            Self::Refused => Self::Refused,
            Self::Nobody(error) => Self::Nobody(io(error)),
            Self::Proxy(error) => Self::Proxy(error.clone()),
            Self::Tls(error) => Self::Tls(io(error)),
            Self::Relay { relay, why } => Self::Relay { relay: relay.clone(), why: why.clone() },
            Self::Slow => Self::Slow,
        }
    }
}

/// Where a host is, and what its certificate must name.
pub(crate) struct Located {
    /// The name or address that the certificate is for.
    pub(crate) name: ServerName<'static>,
    /// Its addresses, the best first.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// Where a host is for a proxy that looks names up.
pub(crate) struct Named {
    /// The name or address that the certificate is for.
    pub(crate) name: ServerName<'static>,
    /// Hosts and ports, the best first.
    pub(crate) hosts: Vec<(String, u16)>,
}

/// Finds hosts.
pub(crate) trait Locate: Clone + Send + Sync + 'static {
    /// Where the host of an address is.
    fn locate(&self, uri: &Uri) -> impl Future<Output = Result<Located, ConnectError>> + Send;

    /// The same without asking for addresses, for a proxy that does.
    fn name(&self, uri: &Uri) -> impl Future<Output = Result<Named, ConnectError>> + Send {
        let named = host_and_port(uri)
            .and_then(|(host, port)| Ok(Named { name: tls_name(host)?, hosts: vec![(host.to_owned(), port)] }));
        std::future::ready(named)
    }
}

/// Finds hosts as every program of this machine does.
#[derive(Clone, Copy, Debug)]
pub struct SystemHosts;

impl Locate for SystemHosts {
    async fn locate(&self, uri: &Uri) -> Result<Located, ConnectError> {
        let (host, port) = host_and_port(uri)?;
        let name = tls_name(host)?;
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => tokio::net::lookup_host((host, port)).await.map_err(ConnectError::Unknown)?.collect(),
        };
        Ok(Located { name, addresses })
    }
}

/// The host and the port of an address. A literal address of IPv6 has lost its brackets.
pub(crate) fn host_and_port(uri: &Uri) -> Result<(&str, u16), ConnectError> {
    let host = uri.host().ok_or(ConnectError::NoHost)?;
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    Ok((host, uri.port_u16().unwrap_or(443)))
}

/// What a certificate must be for.
pub(crate) fn tls_name(host: &str) -> Result<ServerName<'static>, ConnectError> {
    ServerName::try_from(host.to_owned()).map_err(|_| ConnectError::NoHost)
}

/// Connects.
#[derive(Clone)]
pub(crate) struct Connector<L> {
    hosts: L,
    guard: Arc<Guard>,
    tls: TlsConnector,
    time: Duration,
    proxy: Option<Proxy>,
    detour: Option<Detour>,
}

impl<L: Locate> Connector<L> {
    pub(crate) fn new(trust: &Trust, hosts: L, time: Duration) -> Self {
        let tls = TlsConnector::from(Arc::clone(&trust.tls));
        let (guard, proxy, detour) = (Arc::clone(&trust.guard), trust.proxy.clone(), trust.detour.clone());
        Self { hosts, guard, tls, time, proxy, detour }
    }

    async fn connect(self, uri: Uri) -> Result<Wire, ConnectError> {
        if uri.scheme_str() != Some("https") {
            return Err(ConnectError::NotHttps);
        }
        let connecting = async {
            let stream = match &self.detour {
                None => self.directly(&uri).await?,
                Some(detour) => {
                    Box::pin(detour.connect(|| self.directly(&uri), |line| self.relayed(&uri, line))).await?
                }
            };
            Ok(Wire(TokioIo::new(stream)))
        };
        tokio::time::timeout(self.time, connecting).await.map_err(|_| ConnectError::Slow)?
    }

    /// An encrypted connection without a detour.
    pub(crate) async fn directly(&self, uri: &Uri) -> Result<Encrypted, ConnectError> {
        let (name, stream) = open(&self.hosts, &self.guard, self.proxy.as_ref(), uri).await?;
        self.encrypted(name, Either::Left(stream)).await
    }

    /// An encrypted connection over a line through a relay.
    async fn relayed(&self, uri: &Uri, line: Relayed) -> Result<Encrypted, ConnectError> {
        self.encrypted(tls_name(host_and_port(uri)?.0)?, Either::Right(line)).await
    }

    async fn encrypted(&self, name: ServerName<'static>, line: Line) -> Result<Encrypted, ConnectError> {
        self.tls.connect(name, line).await.map_err(ConnectError::Tls)
    }
}

/// A line of its own, or one through a relay.
type Line = Either<TcpStream, Relayed>;

/// The same, encrypted.
type Encrypted = TlsStream<Line>;

/// A connection that is not encrypted yet, and the name for which the certificate must be.
pub(crate) async fn open(
    hosts: &impl Locate,
    guard: &Guard,
    proxy: Option<&Proxy>,
    uri: &Uri,
) -> Result<(ServerName<'static>, TcpStream), ConnectError> {
    let (name, stream) = if let Some(proxy) = proxy.filter(|proxy| proxy.resolves()) {
        let Named { name, hosts } = hosts.name(uri).await?;
        (name, proxy.first_that_opens(&nameable(guard, &hosts)?).await?)
    } else {
        let Located { name, addresses } = hosts.locate(uri).await?;
        if addresses.is_empty() {
            return Err(ConnectError::Unknown(io::Error::other("it has no address")));
        }
        let allowed = allowed(guard, addresses)?;
        match proxy {
            None => (name, first_that_answers(&allowed).await?),
            Some(proxy) => {
                let targets: Vec<Target> = allowed.into_iter().map(Target::Address).collect();
                (name, proxy.first_that_opens(&targets).await?)
            }
        }
    };
    // Requests are small and complete: waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    Ok((name, stream))
}

/// Those hosts for which a proxy that looks names up may be asked, and is.
fn nameable(guard: &Guard, hosts: &[(String, u16)]) -> Result<Vec<Target>, ConnectError> {
    let targets = hosts.iter().map(|(host, port)| Target::of(host, *port));
    let targets: Vec<Target> = targets.filter(|target| may_be_asked_for(guard, target)).take(TRIED).collect();
    if targets.is_empty() { Err(ConnectError::Refused) } else { Ok(targets) }
}

/// Whether a connection to a place may be made or asked for.
pub(crate) fn may_be_asked_for(guard: &Guard, target: &Target) -> bool {
    match target {
        Target::Address(address) => guard.allows(*address),
        Target::Name(name, _) => guard.allows_name(name),
    }
}

/// Those addresses of a host that may be connected to, and are tried.
pub(crate) fn allowed(guard: &Guard, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, ConnectError> {
    let allowed: Vec<_> = found.into_iter().filter(|address| guard.allows(*address)).take(TRIED).collect();
    if allowed.is_empty() { Err(ConnectError::Refused) } else { Ok(allowed) }
}

/// The addresses one after the other. Whoever does not answer must not use up the time of the next.
pub(crate) async fn first_that_answers(addresses: &[SocketAddr]) -> Result<TcpStream, ConnectError> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for (index, address) in addresses.iter().enumerate() {
        let connecting = TcpStream::connect(address);
        let patience = Duration::from_secs(if index + 1 < addresses.len() { 3 } else { 3_600 });
        match tokio::time::timeout(patience, connecting).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::from(io::ErrorKind::TimedOut),
        }
    }
    Err(ConnectError::Nobody(last))
}

impl<L: Locate> tower::Service<Uri> for Connector<L> {
    type Response = Wire;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// An encrypted connection.
pub(crate) struct Wire(TokioIo<Encrypted>);

impl Connection for Wire {
    fn connected(&self) -> Connected {
        let (_, session) = self.0.inner().get_ref();
        let connected = Connected::new();
        if session.alpn_protocol() == Some(b"h2") { connected.negotiated_h2() } else { connected }
    }
}

impl Read for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}
