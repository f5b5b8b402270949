//! A federation tap: another server of the test's own, over TLS and with a signing key, that tells the truth until it is told to lie.
//!
//! ```text
//! let (tap, server) = (Tap::start().await, TestServer::start_federating().await);
//! let room = tap.room("11");
//! let event = room.message("eve", "hello");
//! tap.send(&server, "t1", &[lies::forged_sender(&event)], &[]).await.ok();
//! tap.script("/_matrix/federation/v1/state_ids/", |_| Answer::Trickle(vec![b' '; 100], Duration::from_secs(1)));
//! ```
//!
//! Without a script it serves its keys, and of its rooms the join, leave, knock and invite operations, the graph and the state ([`serve`]).
//! What it was asked is in [`Tap::heard`].

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

mod answer;
pub mod lies;
mod room;
mod serve;

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{self, Method, header},
    response::Response,
};
use domicile_http::{
    forwarded::Proxies,
    listener::{Bound, Certificate},
};
pub use domicile_room::event::{Place, ServerSigner};
use http_body_util::BodyExt as _;
use parking_lot::Mutex;
use ruma::{
    CanonicalJsonObject, OwnedRoomId, OwnedServerName, OwnedUserId,
    api::federation::authentication::{XMatrix, XMatrixSigningInput},
    signatures::sign_json,
};
use serde_json::{Value, json};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use answer::Answer;
pub use room::TapRoom;

use crate::server::{Answered, TestServer, certificate};

/// Until when its keys are good: the end of what an integer of canonical JSON holds, nearly.
const VALID_UNTIL_TS: i64 = 9_000_000_000_000_000;

/// A request that came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// The body, null where there was none.
    pub body: Value,
    /// Whether the request had a signature.
    pub signed: bool,
}

type Script = Arc<dyn Fn(&Heard) -> Answer + Send + Sync>;

struct Inner {
    name: OwnedServerName,
    signer: ServerSigner,
    scripts: Mutex<Vec<(String, Script)>>,
    heard: Mutex<Vec<Heard>>,
    rooms: Mutex<BTreeMap<OwnedRoomId, TapRoom>>,
}

/// The server. It ends when it is dropped.
pub struct Tap {
    inner: Arc<Inner>,
    _stopping: DropGuard,
    _folder: tempfile::TempDir,
}

impl Tap {
    /// A server that those of [`TestServer::start_federating`] reach, called `127.0.0.1:PORT`.
    pub async fn start() -> Self {
        Self::with_seed(99).await
    }

    /// The same with a signing key of one's own.
    pub async fn with_seed(seed: u8) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = certificate(folder.path(), &["127.0.0.1", "localhost"]);
        let certificate = Certificate::load(&files.certificate, &files.key).expect("a certificate");
        let bound = Bound::bind("127.0.0.1:0", 0, Some(certificate), Proxies::default()).await.expect("a port");
        let address = bound.address().expect("an address");
        let name = OwnedServerName::try_from(format!("127.0.0.1:{}", address.port())).expect("a server name");
        let signer = ServerSigner::from_seed(name.clone(), &[seed; 32], "tap").expect("a key");
        let inner = Arc::new(Inner {
            name,
            signer,
            scripts: Mutex::default(),
            heard: Mutex::default(),
            rooms: Mutex::default(),
        });
        let behind = Arc::clone(&inner);
        let router = Router::new().fallback(move |request: Request| {
            let inner = Arc::clone(&behind);
            async move { inner.answer(request).await }
        });
        let stopping = CancellationToken::new();
        tokio::spawn(bound.serve(router, stopping.clone()));
        Self { inner, _stopping: stopping.drop_guard(), _folder: folder }
    }

    /// Its name.
    pub fn name(&self) -> OwnedServerName {
        self.inner.name.clone()
    }

    /// A user of its own.
    pub fn user(&self, localpart: &str) -> OwnedUserId {
        self.inner.user(localpart)
    }

    /// Its signing key.
    pub fn signer(&self) -> &ServerSigner {
        &self.inner.signer
    }

    /// A new public room of a version, made by its user `eve`. It is served from now on.
    pub fn room(&self, version: &str) -> TapRoom {
        let room = TapRoom::new(Arc::clone(&self.inner), version);
        self.inner.rooms.lock().insert(room.room_id(), room.clone());
        room
    }

    /// Answers requests whose path begins so from now on. The newest script that fits is asked.
    pub fn script(&self, path: &str, answer: impl Fn(&Heard) -> Answer + Send + Sync + 'static) {
        self.inner.scripts.lock().push((path.to_owned(), Arc::new(answer)));
    }

    /// Forgets all scripts.
    pub fn tell_the_truth(&self) {
        self.inner.scripts.lock().clear();
    }

    /// What it was asked, in order, but for its keys.
    pub fn heard(&self) -> Vec<Heard> {
        self.inner.heard.lock().clone()
    }

    /// Asks a server with the tap's signature.
    pub async fn ask(&self, server: &TestServer, method: Method, path: &str, body: Option<&Value>) -> Answered {
        self.ask_as(&self.inner.signer, server, method, path, body).await
    }

    /// Asks a server with another's signature, or a wrong one.
    pub async fn ask_as(
        &self,
        signer: &ServerSigner,
        server: &TestServer,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Answered {
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let mut request = http::Request::builder().method(method).uri(path).body(body).expect("a request");
        let input = XMatrixSigningInput::new(signer.server_name().to_owned(), server.name(), signer.key_pair());
        let header = XMatrix::sign_http_request(&request, input).expect("a signature");
        request.headers_mut().insert(header::AUTHORIZATION, (&header).into());
        request.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
        server.anonymous().request(request.map(Body::from)).await
    }

    /// Sends a transaction of events and EDUs.
    pub async fn send(&self, server: &TestServer, transaction: &str, pdus: &[Value], edus: &[Value]) -> Answered {
        let body = json!({ "origin": self.inner.name, "origin_server_ts": 1, "pdus": pdus, "edus": edus });
        let path = format!("/_matrix/federation/v1/send/{transaction}");
        self.ask(server, Method::PUT, &path, Some(&body)).await
    }
}

impl Inner {
    fn user(&self, localpart: &str) -> OwnedUserId {
        OwnedUserId::try_from(format!("@{localpart}:{}", self.name)).expect("a user id")
    }

    async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let heard = Heard {
            method: parts.method,
            path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            signed: parts.headers.contains_key(header::AUTHORIZATION),
        };
        if !heard.path.starts_with("/_matrix/key/") {
            self.heard.lock().push(heard.clone());
        }
        let scripts = self.scripts.lock().clone();
        let script = scripts.iter().rev().find(|(path, _)| heard.path.starts_with(path.as_str()));
        let answer = match script {
            Some((_, script)) => script(&heard),
            None => self.truth(&heard),
        };
        answer.into_response()
    }

    /// The list of its keys, signed.
    fn keys(&self) -> Value {
        let list = json!({
            "server_name": self.name, "valid_until_ts": VALID_UNTIL_TS, "old_verify_keys": {},
            "verify_keys": { self.signer.key_id(): { "key": self.signer.public_key() } },
        });
        let mut list: CanonicalJsonObject = serde_json::from_value(list).expect("canonical JSON");
        sign_json(self.name.as_str(), self.signer.key_pair(), &mut list).expect("a signature");
        serde_json::to_value(list).expect("JSON")
    }
}

#[cfg(test)]
impl TapRoom {
    fn truth(&self, heard: &Heard) -> Answer {
        self.tap().truth(heard)
    }
}

#[cfg(test)]
mod tests;
