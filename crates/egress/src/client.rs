//! Requests to other people's servers over HTTPS: one pool of connections for all of them, by host, HTTP/1.1 or HTTP/2 as the host likes.
//!
//! Nothing is followed: an answer that points elsewhere is an answer. Time and size of an answer are bounded by the caller.

use std::{io, path::Path, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream, stream::BoxStream};
use http::{HeaderValue, Request, Response, Uri, header::USER_AGENT};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client as Pool,
    rt::{TokioExecutor, TokioTimer},
};

use crate::{
    connect::{ConnectError, Connector, Locate, SystemHosts},
    spool::{Spool, Spooling},
    trust::Trust,
};

/// Idle connections to one host that are kept, and for how long.
const IDLE_CONNECTIONS: usize = 8;
const IDLE_TIME: Duration = Duration::from_mins(1);
/// How long it may take to connect: name, address and encryption together.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// How long a line over which something is asked may be silent before it is tried, and how long it may take to show that it is there.
const SILENCE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);
/// The body of an answer, piece by piece.
pub type Pieces = BoxStream<'static, Result<Bytes, ClientError>>;

/// What an answer may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time for all of it: connecting, asking, and reading to the end.
    pub time: Duration,
    /// Bytes of its body.
    pub bytes: usize,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection.
    #[error(transparent)]
    Connect(ConnectError),
    /// The connection broke, or what came over it was no HTTP.
    #[error("no answer: {0}")]
    Broken(String),
    /// It took too long.
    #[error("the answer took too long")]
    Slow,
    /// The answer is too large.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

impl ClientError {
    /// A word for what happened, for counting.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Connect(ConnectError::Refused | ConnectError::NotHttps | ConnectError::NoHost) => "refused",
            Self::Connect(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::Slow => "slow",
            Self::TooLarge(_) => "too_large",
        }
    }
}

/// Asks other people's servers. Cheap to clone; all clones share their connections.
#[derive(Clone)]
#[expect(private_bounds, reason = "only this crate finds hosts")]
pub struct Client<L: Locate = SystemHosts> {
    pool: Pool<Connector<L>, Full<Bytes>>,
}

impl Client {
    /// A client that finds hosts as every program of this machine does.
    pub fn new(trust: &Trust) -> Self {
        Self::over(trust, SystemHosts)
    }
}

#[expect(private_bounds, reason = "only this crate finds hosts")]
impl<L: Locate> Client<L> {
    /// A client that finds hosts in a way of its own.
    pub(crate) fn over(trust: &Trust, hosts: L) -> Self {
        let mut pool = Pool::builder(TokioExecutor::new());
        pool.timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_headers(100)
            .http2_max_header_list_size(64 * 1024);
        if trust.detour.is_some() {
            // A line that is blocked falls silent. It must be given up for another one to be looked for.
            pool.http2_keep_alive_interval(SILENCE).http2_keep_alive_timeout(PATIENCE);
        }
        Self { pool: pool.build(Connector::new(trust, hosts, CONNECT_TIME)) }
    }

    /// Asks for what is at an address, and gives the whole answer.
    pub async fn get(&self, address: Uri, bounds: Bounds) -> Result<Response<Bytes>, ClientError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = address;
        self.ask(request, bounds).await
    }

    /// Asks, and gives the answer with its body still on the way. The caller bounds it.
    pub(crate) async fn begin(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("Domicile"));
        self.pool.request(request).await.map_err(|error| broken(&error))
    }

    /// Asks, and gives the whole answer.
    pub async fn ask(&self, request: Request<Full<Bytes>>, bounds: Bounds) -> Result<Response<Bytes>, ClientError> {
        let asking = async {
            let response = self.begin(request).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, bounds.bytes).collect().await.map_err(|error| unread(&*error, bounds))?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        tokio::time::timeout(bounds.time, asking).await.map_err(|_| ClientError::Slow)?
    }

    /// Asks, and gives the answer with its body piece by piece, as it comes. The time is that of the answer's head, and of each piece.
    pub async fn ask_streamed(
        &self,
        request: Request<Full<Bytes>>,
        bounds: Bounds,
    ) -> Result<Response<Pieces>, ClientError> {
        let response =
            tokio::time::timeout(bounds.time, self.begin(request)).await.map_err(|_| ClientError::Slow)??;
        let (parts, body) = response.into_parts();
        let pieces = stream::try_unfold(Limited::new(body, bounds.bytes), move |mut body| async move {
            loop {
                let frame = tokio::time::timeout(bounds.time, body.frame()).await.map_err(|_| ClientError::Slow)?;
                let Some(frame) = frame else { return Ok(None) };
                if let Ok(piece) = frame.map_err(|error| unread(&*error, bounds))?.into_data() {
                    return Ok(Some((piece, body)));
                }
            }
        });
        Ok(Response::from_parts(parts, pieces.boxed()))
    }

    /// Asks, and gives the whole answer, which lies in a file in `folder` if it is large.
    pub async fn ask_large(
        &self,
        request: Request<Full<Bytes>>,
        bounds: Bounds,
        folder: &Path,
    ) -> Result<Response<Spool>, ClientError> {
        let asking = async {
            let response = self.begin(request).await?;
            let (parts, body) = response.into_parts();
            let mut body = Limited::new(body, bounds.bytes);
            let mut spooling = Spooling::default();
            while let Some(frame) = body.frame().await {
                if let Ok(piece) = frame.map_err(|error| unread(&*error, bounds))?.into_data() {
                    spooling.push(&piece, folder).await.map_err(|error| unkept(&error, folder))?;
                }
            }
            let spool = spooling.end(folder).await.map_err(|error| unkept(&error, folder))?;
            Ok(Response::from_parts(parts, spool))
        };
        tokio::time::timeout(bounds.time, asking).await.map_err(|_| ClientError::Slow)?
    }
}

/// An answer came, and there is no room for it here.
fn unkept(error: &io::Error, folder: &Path) -> ClientError {
    ClientError::Broken(format!("the answer could not be kept in {}: {error}", folder.display()))
}

/// Why an answer could not be read to its end.
fn unread(error: &(dyn std::error::Error + Send + Sync + 'static), bounds: Bounds) -> ClientError {
    if error.is::<LengthLimitError>() {
        ClientError::TooLarge(bounds.bytes)
    } else {
        ClientError::Broken(error.to_string())
    }
}

/// What went wrong, told apart from what it is wrapped in.
fn broken(error: &hyper_util::client::legacy::Error) -> ClientError {
    use std::error::Error;
    let said = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = source {
        if let Some(connect) = inner.downcast_ref::<ConnectError>() {
            return ClientError::Connect(connect.again());
        }
        source = inner.source();
    }
    ClientError::Broken(said)
}
