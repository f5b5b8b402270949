//! Requests to other people's servers over HTTPS: one pool of connections for all of them, by host, HTTP/1.1 or HTTP/2 as the host likes.
//!
//! Nothing is followed: an answer that points elsewhere is an answer. Time and size of an answer are bounded by the caller.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header::USER_AGENT};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper_util::{
    client::legacy::Client as Pool,
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::{
    connect::{ConnectError, Connector},
    guard::Guard,
};

/// Idle connections to one host that are kept, and for how long.
const IDLE_CONNECTIONS: usize = 8;
const IDLE_TIME: Duration = Duration::from_mins(1);
/// How long it may take to connect: name, address and encryption together.
const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Where systems keep the certificates of those whom everybody trusts, as one file.
const SYSTEM_ROOTS: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What the operator chooses.
#[derive(Clone, Debug, Default)]
pub struct ClientSettings {
    /// Which addresses may be connected to.
    pub guard: Guard,
    /// Files with certificates that are trusted beside those of the system, as PEM.
    pub ca_files: Vec<PathBuf>,
}

/// What an answer may cost.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time for all of it: connecting, asking, and reading to the end.
    pub time: Duration,
    /// Bytes of its body.
    pub bytes: usize,
}

/// A certificate file of the configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the certificates of {path} cannot be used: {reason}")]
pub struct CaError {
    path: PathBuf,
    reason: String,
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
pub struct Client {
    pool: Pool<Connector, Full<Bytes>>,
}

impl Client {
    /// A client that trusts the system's certificates and those of `ca_files`.
    pub fn new(settings: ClientSettings) -> Result<Self, CaError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = SYSTEM_ROOTS.iter().map(Path::new).find(|path| path.is_file()) {
            // Single certificates that rustls does not take (of old kinds) are left out, as browsers do.
            let (_, left_out) = roots.add_parsable_certificates(pem(path)?);
            tracing::debug!(left_out, path = %path.display(), "the system's certificates are read");
        }
        for path in &settings.ca_files {
            let wrong = |reason: String| CaError { path: path.clone(), reason };
            let certificates = pem(path)?;
            if certificates.is_empty() {
                return Err(wrong("there is none".to_owned()));
            }
            for certificate in certificates {
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
        }
        let failed = |error: rustls::Error| CaError { path: PathBuf::from("TLS"), reason: error.to_string() };
        let mut tls = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let pool = Pool::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .http1_max_headers(100)
            .http2_max_header_list_size(64 * 1024)
            .build(Connector::new(settings.guard, tls, CONNECT_TIME));
        Ok(Self { pool })
    }

    /// Asks, and gives the whole answer.
    pub async fn ask(&self, mut request: Request<Full<Bytes>>, bounds: Bounds) -> Result<Response<Bytes>, ClientError> {
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("Domicile"));
        let asking = async {
            let response = self.pool.request(request).await.map_err(|error| broken(&error))?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, bounds.bytes).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    ClientError::TooLarge(bounds.bytes)
                } else {
                    ClientError::Broken(error.to_string())
                }
            })?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        tokio::time::timeout(bounds.time, asking).await.map_err(|_| ClientError::Slow)?
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

fn pem(path: &Path) -> Result<Vec<CertificateDer<'static>>, CaError> {
    let wrong = |reason: String| CaError { path: path.to_owned(), reason };
    CertificateDer::pem_file_iter(path)
        .map_err(|error| wrong(error.to_string()))?
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(error.to_string()))
}
