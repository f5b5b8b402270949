//! A proxy on the way to others: HTTP's CONNECT (RFC 9110, section 9.3.6), or SOCKS 5 (RFC 1928; names and passwords, RFC 1929).
//!
//! What goes through it is encrypted from end to end. It learns who is talked to, when and how much, and it can refuse; it can neither read nor
//! change anything. It is asked for one place at a time, within [`TIME`]; what it answers is bounded.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{
    HeaderValue, Request, StatusCode,
    header::{HOST, PROXY_AUTHORIZATION},
};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};
use tokio_socks::{IntoTargetAddr, TargetAddr, tcp::Socks5Stream};

use crate::connect::{ConnectError, first_that_answers};

/// How long a proxy may take to open the way to a place.
const TIME: Duration = Duration::from_secs(6);
/// The same where another place of the same server is left to be tried.
const SHORT: Duration = Duration::from_secs(3);
/// Bytes of what an HTTP proxy may say before the way is open, and lines of it.
const ANSWER_BYTES: usize = 16 * 1024;
const ANSWER_LINES: usize = 50;

/// How a proxy is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// By HTTP's CONNECT.
    Http,
    /// By SOCKS 5.
    Socks5,
}

/// A proxy as the operator describes it.
#[derive(Clone)]
pub struct ProxySettings {
    /// How it is asked.
    pub kind: ProxyKind,
    /// Its name or address. It is the operator's own choice, so it may be in a private network.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The name and the password that it wants, each of 1 to 255 bytes.
    pub credentials: Option<(String, String)>,
    /// Whether it is given names and looks them up; otherwise it is given addresses, which were judged here.
    pub resolves: bool,
}

/// Why a proxy opened no way.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProxyError {
    /// It is not there.
    #[error("the proxy cannot be reached: {0}")]
    Unreachable(String),
    /// It wants a name and a password, or others than these.
    #[error("the proxy does not take the name and the password, or wants some")]
    Credentials,
    /// It does not lead there, or finds nobody there.
    #[error("the proxy opens no way: {0}")]
    Refused(String),
    /// What it answers is not of its kind.
    #[error("the proxy's answer cannot be understood: is it a proxy of this kind?")]
    Nonsense,
    /// The connection with it broke.
    #[error("the proxy hung up: {0}")]
    Broken(String),
    /// It took too long.
    #[error("the proxy did not open the way in time")]
    Slow,
}

impl ProxyError {
    /// Whether another place of the same server may go better.
    fn is_of_the_place(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Slow)
    }
}

/// Where a way is to lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To an address, which was judged.
    Address(SocketAddr),
    /// To a name, which the proxy looks up, and a port.
    Name(String, u16),
}

impl Target {
    /// A host as it is written, which may be an address.
    pub(crate) fn of(host: &str, port: u16) -> Self {
        match host.parse::<IpAddr>() {
            Ok(address) => Self::Address((address, port).into()),
            Err(_) => Self::Name(host.to_owned(), port),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// A proxy. Cheap to clone.
#[derive(Clone)]
pub struct Proxy(Arc<ProxySettings>);

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(of) = self;
        f.debug_struct("Proxy").field("kind", &of.kind).field("host", &of.host).field("port", &of.port).finish()
    }
}

impl Proxy {
    /// As it is described. Nobody is connected to.
    pub fn new(settings: ProxySettings) -> Self {
        Self(Arc::new(settings))
    }

    /// Whether it is given names.
    pub(crate) fn resolves(&self) -> bool {
        self.0.resolves
    }

    /// A connection by it to the first of these places to which it opens a way.
    pub(crate) async fn first_that_opens(&self, targets: &[Target]) -> Result<TcpStream, ConnectError> {
        let mut last = ProxyError::Refused("there is no place to lead to".to_owned());
        for (index, target) in targets.iter().enumerate() {
            let patience = if index + 1 < targets.len() { SHORT } else { TIME };
            match self.open(target, patience).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
            if !last.is_of_the_place() {
                break;
            }
        }
        Err(ConnectError::Proxy(last))
    }

    async fn open(&self, target: &Target, patience: Duration) -> Result<TcpStream, ProxyError> {
        let opening = async {
            let stream = self.reach().await?;
            match self.0.kind {
                ProxyKind::Http => self.by_http(stream, target).await,
                ProxyKind::Socks5 => self.by_socks(stream, target).await,
            }
        };
        tokio::time::timeout(patience, opening).await.map_err(|_| ProxyError::Slow)?
    }

    /// A connection with the proxy itself.
    async fn reach(&self) -> Result<TcpStream, ProxyError> {
        let unreachable = |error: &dyn fmt::Display| ProxyError::Unreachable(error.to_string());
        let place = (self.0.host.as_str(), self.0.port);
        let found = tokio::net::lookup_host(place).await.map_err(|error| unreachable(&error))?;
        let found: Vec<SocketAddr> = found.collect();
        first_that_answers(&found).await.map_err(|error| unreachable(&error))
    }

    async fn by_http(&self, stream: TcpStream, target: &Target) -> Result<TcpStream, ProxyError> {
        let request = self.connect_request(target)?;
        let mut building = http1::Builder::new();
        building.max_buf_size(ANSWER_BYTES).max_headers(ANSWER_LINES);
        let (mut sender, connection) = building.handshake(TokioIo::new(stream)).await.map_err(|error| http(&error))?;
        // It ends with this function: whoever waits no longer leaves nothing behind.
        let mut driving = JoinSet::new();
        driving.spawn(connection.with_upgrades());
        let answer = sender.send_request(request).await.map_err(|error| http(&error))?;
        match answer.status() {
            status if status.is_success() => {}
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => return Err(ProxyError::Credentials),
            status => return Err(ProxyError::Refused(format!("it answers with status {}", status.as_u16()))),
        }
        let opened = hyper::upgrade::on(answer).await.map_err(|error| http(&error))?;
        let opened = opened.downcast::<TokioIo<TcpStream>>().map_err(|_| ProxyError::Nonsense)?;
        // Whoever is reached by TLS waits to be spoken to: what came already is of the proxy's own making.
        if opened.read_buf.is_empty() { Ok(opened.io.into_inner()) } else { Err(ProxyError::Nonsense) }
    }

    fn connect_request(&self, target: &Target) -> Result<Request<Empty<Bytes>>, ProxyError> {
        let place = target.to_string();
        let unfit = || ProxyError::Refused(format!("{place} cannot be asked for"));
        let mut request = Request::connect(&*place).body(Empty::new()).map_err(|_| unfit())?;
        request.headers_mut().insert(HOST, HeaderValue::from_str(&place).map_err(|_| unfit())?);
        if let Some((name, password)) = &self.0.credentials {
            let text = format!("Basic {}", BASE64_STANDARD.encode(format!("{name}:{password}")));
            let mut value = HeaderValue::from_str(&text).map_err(|_| ProxyError::Credentials)?;
            value.set_sensitive(true);
            request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
        Ok(request)
    }

    async fn by_socks(&self, stream: TcpStream, target: &Target) -> Result<TcpStream, ProxyError> {
        let target: TargetAddr<'_> = match target {
            Target::Address(address) => TargetAddr::Ip(*address),
            Target::Name(name, port) => (name.as_str(), *port).into_target_addr().map_err(|error| socks(&error))?,
        };
        let opened = match &self.0.credentials {
            None => Socks5Stream::connect_with_socket(stream, target).await,
            Some((name, password)) => {
                Socks5Stream::connect_with_password_and_socket(stream, target, name, password).await
            }
        };
        opened.map(Socks5Stream::into_inner).map_err(|error| socks(&error))
    }
}

/// What went wrong in asking by HTTP.
fn http(error: &hyper::Error) -> ProxyError {
    if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
        return ProxyError::Nonsense;
    }
    ProxyError::Broken(error.to_string())
}

/// What went wrong in asking by SOCKS.
fn socks(error: &tokio_socks::Error) -> ProxyError {
    use tokio_socks::Error;
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            ProxyError::Broken("before it had answered".to_owned())
        }
        Error::Io(error) => ProxyError::Broken(error.to_string()),
        Error::NoAcceptableAuthMethods
        | Error::InvalidAuthValues(_)
        | Error::PasswordAuthFailure(_)
        | Error::AuthorizationRequired => ProxyError::Credentials,
        Error::InvalidTargetAddress(_)
        | Error::GeneralSocksServerFailure
        | Error::ConnectionNotAllowedByRuleset
        | Error::NetworkUnreachable
        | Error::HostUnreachable
        | Error::ConnectionRefused
        | Error::TtlExpired
        | Error::CommandNotSupported
        | Error::AddressTypeNotSupported => ProxyError::Refused(format!("it says: {error}")),
        _ => ProxyError::Nonsense,
    }
}
