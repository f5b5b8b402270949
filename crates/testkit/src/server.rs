//! A whole server in the test's own process: its router over a database of its own.
//!
//! ```text
//! let server = TestServer::start().await.with_user("alice").await;
//! let alice = server.user("alice");
//! let answer = alice.get("/_matrix/client/v3/account/whoami").await;
//! assert_eq!(answer.ok()["user_id"], "@alice:localhost");
//! ```
//!
//! Nothing here returns an error: a fixture that cannot do its work ends the test.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a fixture that fails ends its test"
)]

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use domicile_app::{
    accounts::{NewSession, lifecycle::NewAccount},
    events::Ingest,
    federation::{Completion, Outbound},
    jobs::Jobs,
    moves::Moves,
    push::Gateways,
    residency::InnerLink,
};
use domicile_core::clock::ManualClock;
use domicile_http::{admin::AdminServices, extract::Client, router::Apis, state::Services};
use domicile_store::{Keystore, Store};
use http_body_util::BodyExt as _;
use ruma::OwnedUserId;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::DropGuard;
use tower::ServiceExt as _;

mod contents;
mod federating;
mod graph;
mod heard;
mod leaving;
mod log;
mod outgoing;
mod pinned;
mod probed;
mod relay;
mod restored;
mod strangers;
mod wire;

pub use contents::Contents;
pub(crate) use federating::Front;
pub use federating::{CertificateFiles, certificate, serve};
pub use graph::Graphs;
pub use probed::Probed;
pub use restored::{Backup, drawer};
pub use wire::Settings;
pub(crate) use wire::is_on_postgres;

/// What the clock of a test server shows first: a day in 2026.
pub const START_MS: i64 = 1_780_000_000_000;
/// The password of everybody whom [`TestServer::with_user`] makes.
pub const PASSWORD: &str = "correct horse battery staple";

/// A server in this process.
pub struct TestServer {
    router: Router,
    /// Its services.
    pub services: Services,
    /// What the operator's API asks.
    pub admin: AdminServices,
    /// Its jobs, which are done when the test says so.
    pub jobs: Arc<Jobs>,
    /// Moves its people to other cells, when the test says so.
    pub moves: Arc<Moves>,
    /// Its link to other cells, if it belongs to a deployment.
    pub link: Option<Arc<InnerLink>>,
    /// Its database.
    pub store: Store,
    keystore: Arc<Keystore>,
    /// Its clock, which stands still until the test moves it. That of a cell of a [`crate::Cluster`] goes by itself.
    pub clock: Arc<ManualClock>,
    /// Push gateways as it found them.
    pub gateways: Arc<Gateways>,
    /// What it tells other servers.
    pub outbound: Arc<Outbound>,
    /// Takes events of other servers.
    pub ingest: Arc<Ingest>,
    /// Makes rooms whole that were joined without their members.
    pub completion: Arc<Completion>,
    /// Ends when the last of it is written.
    telling: Option<JoinHandle<()>>,
    users: BTreeMap<String, TestUser>,
    /// Ends what runs beside requests.
    stopping: DropGuard,
    // In a box, so that what waits for a server is small.
    settings: Box<Settings>,
    /// Where other servers reach it, if they do.
    front: Option<Front>,
    /// Removed when the server is dropped.
    folder: tempfile::TempDir,
    /// Dropped with the server.
    database: Option<crate::postgres::Database>,
}

/// What a server has on disk.
struct Disks {
    store: Store,
    keystore: Arc<Keystore>,
    folder: tempfile::TempDir,
    database: Option<crate::postgres::Database>,
}

/// What stays of a server when it is started again, whatever its disks are.
struct Lasting {
    clock: Arc<ManualClock>,
    users: BTreeMap<String, TestUser>,
    settings: Box<Settings>,
    front: Option<Front>,
}

/// Somebody who talks to the server: with a session, or, as [`TestServer::anonymous`], without one.
#[derive(Clone)]
pub struct TestUser {
    router: Router,
    /// The Matrix id; that of nobody is empty.
    pub user_id: Option<OwnedUserId>,
    /// The device's id.
    pub device_id: String,
    /// The access token.
    pub token: Option<String>,
}

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answered {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub bytes: Bytes,
}

impl TestServer {
    /// A server called `localhost`, with open registration, cheap password hashes and no rate limits.
    pub async fn start() -> Self {
        Box::pin(Self::with_settings(Settings::default())).await
    }

    /// A server with settings of the test's own.
    pub async fn with_settings(settings: Settings) -> Self {
        Box::pin(Self::begin(settings, tempfile::tempdir().expect("a temporary folder"), None)).await
    }

    /// A server with settings of the test's own, which others reach at `front`.
    pub(crate) async fn behind(settings: Settings, front: Front) -> Self {
        Box::pin(Self::begin(settings, tempfile::tempdir().expect("a temporary folder"), Some(front))).await
    }

    async fn begin(settings: Settings, folder: tempfile::TempDir, front: Option<Front>) -> Self {
        let clock = Arc::new(ManualClock::at(START_MS));
        let database = wire::database();
        let (store, keystore) = wire::open(folder.path(), database.as_ref(), &clock).await;
        let users = BTreeMap::new();
        Self::on(
            Disks { store, keystore, folder, database },
            Lasting { clock, users, settings: Box::new(settings), front },
        )
        .await
    }

    /// The same server after it was stopped and started again: what is on disk is as it was, what was in memory is gone. Users are to be asked
    /// for anew.
    pub async fn restart(self) -> Self {
        let (disks, lasting) = self.stop().await;
        Self::on(disks, lasting).await
    }

    /// Starts a server.
    async fn on(disks: Disks, lasting: Lasting) -> Self {
        let Disks { store, keystore, folder, database } = disks;
        let Lasting { clock, mut users, settings, front } = lasting;
        let own_clock = Arc::<ManualClock>::clone(&clock);
        let (wired, stopping, telling) =
            wire::wire(folder.path(), store, Arc::clone(&keystore), own_clock, Settings::clone(&settings)).await;
        let router = domicile_http::router::api(wired.services.clone(), Apis::ALL);
        for user in users.values_mut() {
            user.router = router.clone();
        }
        if let Some(front) = &front {
            front.show(router.clone());
        }
        Self {
            router,
            services: wired.services,
            admin: wired.admin,
            jobs: wired.jobs,
            moves: wired.moves,
            link: wired.link,
            store: wired.store,
            keystore,
            clock,
            gateways: wired.gateways,
            outbound: wired.outbound,
            ingest: wired.ingest,
            completion: wired.completion,
            telling,
            users,
            stopping,
            settings,
            front,
            folder,
            database,
        }
    }

    /// Stops it: what is left is on disk, or the test's own.
    async fn stop(self) -> (Disks, Lasting) {
        let Self { store, keystore, clock, users, stopping, telling, settings, front, folder, database, .. } = self;
        drop(stopping);
        if let Some(telling) = telling {
            telling.await.expect("the telling of others ends");
        }
        (Disks { store, keystore, folder, database }, Lasting { clock, users, settings, front })
    }

    /// The same after a restart with other settings.
    pub async fn restart_with(mut self, settings: Settings) -> Self {
        *self.settings = settings;
        self.restart().await
    }

    /// The same server with one more account, which has a session.
    #[must_use]
    pub async fn with_user(mut self, localpart: &str) -> Self {
        let session = NewSession { display_name: Some(format!("{localpart}'s first device")), ..NewSession::default() };
        let new = NewAccount {
            localpart: localpart.to_owned(),
            password: Some(PASSWORD.to_owned()),
            registration_token: None,
            session: Some(session),
        };
        let (user_id, session) = self.services.accounts.create_user(new).await.expect("a new account");
        let session = session.expect("a first session");
        let user = TestUser {
            router: self.router.clone(),
            user_id: Some(user_id),
            device_id: session.device_id.to_string(),
            token: Some(session.tokens.access_token),
        };
        self.users.insert(localpart.to_owned(), user);
        self
    }

    /// Somebody whom [`Self::with_user`] made.
    pub fn user(&self, localpart: &str) -> TestUser {
        self.users.get(localpart).unwrap_or_else(|| panic!("`{localpart}` was not made with `with_user`")).clone()
    }

    /// Another session of somebody.
    pub async fn login(&self, localpart: &str) -> TestUser {
        let answer = self
            .anonymous()
            .post(
                "/_matrix/client/v3/login",
                &serde_json::json!({
                    "type": "m.login.password", "password": PASSWORD,
                    "identifier": { "type": "m.id.user", "user": localpart },
                }),
            )
            .await
            .ok();
        self.with_token(&answer)
    }

    /// Where uploaded files lie.
    pub fn media_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("media")
    }

    /// The session that an answer to `/login` or `/register` opened.
    pub fn with_token(&self, answer: &Value) -> TestUser {
        let text = |key: &str| answer[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {answer}")).to_owned();
        TestUser {
            router: self.router.clone(),
            user_id: Some(text("user_id").try_into().expect("a user id")),
            device_id: text("device_id"),
            token: Some(text("access_token")),
        }
    }

    /// Somebody without a session.
    pub fn anonymous(&self) -> TestUser {
        TestUser { router: self.router.clone(), user_id: None, device_id: String::new(), token: None }
    }
}

impl TestUser {
    /// The Matrix id.
    pub fn id(&self) -> &str {
        self.user_id.as_ref().map_or("", |user_id| user_id.as_str())
    }

    /// `GET path`
    pub async fn get(&self, path: &str) -> Answered {
        self.send(Method::GET, path, Body::empty()).await
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answered {
        self.send(Method::POST, path, Body::from(body.to_string())).await
    }

    /// `PUT path` with a JSON body.
    pub async fn put(&self, path: &str, body: &Value) -> Answered {
        self.send(Method::PUT, path, Body::from(body.to_string())).await
    }

    /// `DELETE path` with a JSON body.
    pub async fn delete(&self, path: &str, body: &Value) -> Answered {
        self.send(Method::DELETE, path, Body::from(body.to_string())).await
    }

    /// A request with any body, as JSON.
    pub async fn send(&self, method: Method, path: &str, body: impl Into<Body>) -> Answered {
        let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        self.request(request.body(body.into()).expect("a request")).await
    }

    /// A request as it is, with no token added. It comes from 192.0.2.1, unless it says otherwise.
    pub async fn request(&self, mut request: Request<Body>) -> Answered {
        if request.extensions().get::<Client>().is_none() {
            request.extensions_mut().insert(Client { address: Some([192, 0, 2, 1].into()) });
        }
        let response = self.router.clone().oneshot(request).await.expect("a router never fails");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        Answered { status: parts.status, headers: parts.headers, bytes }
    }
}

impl Answered {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("{}: not JSON ({error}): {:?}", self.status, self.bytes))
    }

    /// The body of a success as JSON.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{}: {}", self.status, String::from_utf8_lossy(&self.bytes));
        self.json()
    }

    /// Asserts a Matrix error, and gives the body.
    #[track_caller]
    pub fn fails(&self, status: u16, errcode: &str) -> Value {
        let body = self.json();
        assert_eq!((self.status.as_u16(), body["errcode"].as_str()), (status, Some(errcode)), "{body}");
        body
    }
}
