//! A push gateway in the test's own process: it speaks TLS with a certificate of the test authority, notes what it is told, and behaves as badly
//! as a test wants.
//!
//! The certificates and the key in `gateway/` are for tests: whoever trusts that authority trusts anybody.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::{convert::Infallible, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{Request, Response, StatusCode},
};
pub use domicile_egress::ClientSettings;
use domicile_egress::Guard;
use http_body_util::BodyExt as _;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use parking_lot::Mutex;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

const CERTIFICATE: &[u8] = include_bytes!("gateway/certificate.pem");
const KEY: &[u8] = include_bytes!("gateway/key.pem");

/// How the gateway behaves.
#[derive(Clone, Debug)]
pub enum Behaviour {
    /// It takes everything.
    Takes,
    /// It says that these push keys are no longer any.
    Rejects(Vec<String>),
    /// It answers with a status.
    Status(u16),
    /// It answers with this body.
    Says(String),
    /// It sends the client elsewhere.
    Redirects(String),
    /// It never answers.
    Silent,
}

#[derive(Default)]
struct Told {
    notifications: Vec<Value>,
    requests: usize,
    connections: usize,
}

/// The gateway. It stops when it is dropped.
pub struct FakeGateway {
    port: u16,
    behaviour: Arc<Mutex<Behaviour>>,
    told: Arc<Mutex<Told>>,
    news: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Drop for FakeGateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The file of the authority that vouches for the gateway.
pub fn authority() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src/gateway/authority.pem"))
}

/// What a client needs to reach the gateway.
pub fn client_settings() -> ClientSettings {
    let here = "127.0.0.0/8".parse().expect("a range");
    ClientSettings { guard: Guard::new(vec![here]), ca_files: vec![authority()] }
}

impl FakeGateway {
    /// A gateway that takes everything.
    pub async fn start() -> Self {
        Self::start_with(&[b"h2", b"http/1.1"]).await
    }

    /// The same, which speaks these protocols.
    pub async fn start_with(protocols: &[&[u8]]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let behaviour = Arc::new(Mutex::new(Behaviour::Takes));
        let (told, news) = (Arc::<Mutex<Told>>::default(), Arc::<Notify>::default());
        let serving =
            serve(listener, acceptor(protocols), Arc::clone(&behaviour), Arc::clone(&told), Arc::clone(&news));
        let task = tokio::spawn(serving);
        Self { port, behaviour, told, news, task }
    }

    /// Its address, as a pusher names it.
    pub fn url(&self) -> String {
        self.url_at("localhost")
    }

    /// Its address by another name of this machine.
    pub fn url_at(&self, host: &str) -> String {
        format!("https://{host}:{}/_matrix/push/v1/notify", self.port)
    }

    /// Lets it behave in another way.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.lock() = behaviour;
    }

    /// Everything that it has taken.
    pub fn notifications(&self) -> Vec<Value> {
        self.told.lock().notifications.clone()
    }

    /// Requests that came, whatever became of them.
    pub fn requests(&self) -> usize {
        self.told.lock().requests
    }

    /// Connections that were made.
    pub fn connections(&self) -> usize {
        self.told.lock().connections
    }

    /// Waits until it has taken so many notifications, and gives all of them.
    pub async fn wait_for(&self, count: usize) -> Vec<Value> {
        self.wait_until(|told| told.notifications.len() >= count).await;
        self.notifications()
    }

    /// Waits until so many requests came.
    pub async fn wait_for_requests(&self, count: usize) {
        self.wait_until(|told| told.requests >= count).await;
    }

    async fn wait_until(&self, enough: impl Fn(&Told) -> bool) {
        let waiting = async {
            loop {
                let news = self.news.notified();
                if enough(&self.told.lock()) {
                    return;
                }
                news.await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(20), waiting).await;
        let told = self.told.lock();
        assert!(came.is_ok(), "the gateway waited in vain; so far: {} {:?}", told.requests, told.notifications);
    }
}

pub(crate) fn acceptor(protocols: &[&[u8]]) -> TlsAcceptor {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(CERTIFICATE).collect::<Result<_, _>>().expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let mut config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    behaviour: Arc<Mutex<Behaviour>>,
    told: Arc<Mutex<Told>>,
    news: Arc<Notify>,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        told.lock().connections += 1;
        let (acceptor, behaviour) = (acceptor.clone(), Arc::clone(&behaviour));
        let (told, news) = (Arc::clone(&told), Arc::clone(&news));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = tower::service_fn(move |request: Request<hyper::body::Incoming>| {
                let behaviour = behaviour.lock().clone();
                let (told, news) = (Arc::clone(&told), Arc::clone(&news));
                async move {
                    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
                    Ok::<_, Infallible>(answer(&behaviour, &body.unwrap_or_default(), &told, &news).await)
                }
            });
            let service = TowerToHyperService::new(service);
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(behaviour: &Behaviour, body: &Bytes, told: &Mutex<Told>, news: &Notify) -> Response<Body> {
    let notification = serde_json::from_slice::<Value>(body).unwrap_or_default()["notification"].take();
    {
        let mut told = told.lock();
        told.requests += 1;
        if matches!(behaviour, Behaviour::Takes | Behaviour::Rejects(_)) {
            told.notifications.push(notification);
        }
    }
    news.notify_waiters();
    let (status, text) = match behaviour {
        Behaviour::Takes => (200, r#"{"rejected":[]}"#.to_owned()),
        Behaviour::Rejects(keys) => (200, serde_json::json!({ "rejected": keys }).to_string()),
        Behaviour::Status(status) => (*status, "{}".to_owned()),
        Behaviour::Says(text) => (200, text.clone()),
        Behaviour::Redirects(_) => (307, String::new()),
        Behaviour::Silent => std::future::pending().await,
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    if let Behaviour::Redirects(to) = behaviour {
        response.headers_mut().insert("location", to.parse().expect("an address"));
    }
    response
}
