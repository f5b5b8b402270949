//! Servers that other servers reach: over TLS on this machine, with a certificate of an authority that the tests make up.
//!
//! ```text
//! let (here, there) = (TestServer::start_federating().await, TestServer::start_federating().await);
//! let request = get_server_version::v1::Request::new();
//! here.services.peers.ask_unsigned(&there.name(), request, ORDINARY).await
//! ```

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, LazyLock},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{self, Method},
};
use domicile_egress::{ClientSettings, Guard};
use domicile_http::{
    forwarded::Proxies,
    listener::{Bound, Certificate},
};
use domicile_room::event::template::{Template, Wanted};
use parking_lot::RwLock;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use ruma::{
    OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomVersionId, ServerName,
    api::federation::authentication::{XMatrix, XMatrixSigningInput},
    events::room::member::MembershipState,
};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;

use super::{Settings, TestServer};

/// An authority that vouches for anybody. Every test process has one of its own.
static AUTHORITY: LazyLock<CertifiedIssuer<'static, KeyPair>> = LazyLock::new(|| {
    let mut params = CertificateParams::new(Vec::new()).expect("no names are names");
    // A name of its own: where issuer and subject are called the same, OpenSSL takes a certificate for a self-signed one.
    params.distinguished_name.push(DnType::CommonName, "authority of the tests");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = KeyPair::generate().expect("a key");
    CertifiedIssuer::self_signed(params, key).expect("a certificate")
});

/// Files of a certificate.
#[derive(Debug)]
pub struct CertificateFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The authority that vouches for it, for `ca_files`.
    pub authority: PathBuf,
}

/// Writes a certificate for host names and addresses into a folder.
pub fn certificate(folder: &Path, names: &[&str]) -> CertificateFiles {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(names).expect("names");
    let signed = params.signed_by(&key, &AUTHORITY).expect("a certificate");
    let files = CertificateFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
        authority: folder.join("authority.pem"),
    };
    for (path, text) in
        [(&files.certificate, signed.pem()), (&files.key, key.serialize_pem()), (&files.authority, AUTHORITY.pem())]
    {
        std::fs::write(path, text).expect("a file");
    }
    files
}

/// Where other servers reach a server. It stays when the server behind it starts again.
pub(crate) struct Front {
    shown: Arc<RwLock<Router>>,
    /// Ends it.
    _stopping: DropGuard,
}

/// Serves a router over TLS at a port of 127.0.0.1, with this certificate, until the guard is dropped.
pub async fn serve(files: &CertificateFiles, router: Router) -> (SocketAddr, DropGuard) {
    let certificate = Certificate::load(&files.certificate, &files.key).expect("a certificate");
    let bound = Bound::bind("127.0.0.1:0", 0, Some(certificate), Proxies::default()).await.expect("a port");
    let address = bound.address().expect("an address");
    let stopping = CancellationToken::new();
    tokio::spawn(bound.serve(router, stopping.clone()));
    (address, stopping.drop_guard())
}

impl Front {
    /// Listens on a port of 127.0.0.1 with this certificate.
    pub(crate) async fn open(files: &CertificateFiles) -> (Self, SocketAddr) {
        let shown = Arc::new(RwLock::new(Router::new()));
        let behind = Arc::clone(&shown);
        let front = Router::new().fallback(move |request: Request| {
            let router = behind.read().clone();
            async move { router.oneshot(request).await.unwrap_or_else(|never: Infallible| match never {}) }
        });
        let (address, stopping) = serve(files, front).await;
        (Self { shown, _stopping: stopping }, address)
    }

    /// Shows a server.
    pub(crate) fn show(&self, router: Router) {
        *self.shown.write() = router;
    }
}

impl TestServer {
    /// A server that others reach, called `127.0.0.1:PORT`, and that reaches all others of this kind.
    pub async fn start_federating() -> Self {
        Self::federating_with(Settings::default()).await
    }

    /// The same with settings of the test's own. A name without a port in them is the host; `localhost`, which is what they have by default,
    /// becomes `127.0.0.1`.
    pub async fn federating_with(mut settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let host = if settings.server_name == "localhost" { "127.0.0.1" } else { settings.server_name.host() };
        let files = certificate(folder.path(), &[host, "localhost", "127.0.0.1"]);
        let (front, address) = Front::open(&files).await;
        settings.server_name = OwnedServerName::try_from(format!("{host}:{}", address.port())).expect("a server name");
        let here = "127.0.0.0/8".parse().expect("a range");
        settings.egress = ClientSettings { guard: Guard::new(vec![here]), ca_files: vec![files.authority] };
        Box::pin(Self::begin(settings, folder, Some(front))).await
    }

    /// Shows other servers a router of the test's own instead of what the server serves.
    pub fn show(&self, router: Router) {
        self.front.as_ref().expect("a server that others reach").show(router);
    }

    /// A request to another server with this one's signature, for [`TestUser::request`](super::TestUser::request) of the other.
    pub fn sign(&self, to: &ServerName, method: Method, path: &str, body: Option<&Value>) -> Request {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let mut request = http::Request::builder().method(method).uri(path).body(body).expect("a request");
        let signer = self.services.own_keys.current();
        let input = XMatrixSigningInput::new(self.name(), to.to_owned(), signer.key_pair());
        let header = XMatrix::sign_http_request(&request, input).expect("a signature");
        request.headers_mut().insert(http::header::AUTHORIZATION, (&header).into());
        request.map(Body::from)
    }

    /// Its name.
    pub fn name(&self) -> OwnedServerName {
        self.settings.server_name.clone()
    }

    /// The event that another server has drafted for a join of somebody of this one: its id, and as it is sent.
    pub fn finish(&self, draft: &Value, version: &str) -> (OwnedEventId, Value) {
        let rules = RoomVersionId::try_from(version).ok().and_then(|version| version.rules()).expect("a room version");
        let text = |field: &str| draft[field].as_str().expect("a text").to_owned();
        let room_id = OwnedRoomId::try_from(text("room_id")).expect("a room id");
        let user_id = OwnedUserId::try_from(text("sender")).expect("a user id");
        let content = serde_json::Map::from_iter([("membership".to_owned(), "join".into())]);
        let wanted = Wanted { room_id: &room_id, user_id: &user_id, membership: MembershipState::Join, content };
        let template = Template::read(draft.to_string().as_bytes(), &wanted, super::START_MS, &rules).expect("a draft");
        let event = template.build("made", &rules, &self.services.own_keys.current()).expect("an event");
        (event.event_id().to_owned(), serde_json::from_slice(event.json()).expect("an event is JSON"))
    }
}
