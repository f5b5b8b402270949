//! The services of a test server, wired by the binary's own wiring.

use std::{path::Path, sync::Arc};

use domicile_app::{
    accounts::{
        rate_limits::RateLimitSettings,
        registration::{RegistrationMode, RegistrationSettings},
    },
    federation::outbound::Carrier,
};
use domicile_core::{
    clock::{Clock, HOUR_MS, ManualClock},
    config::{self, ByteSize, Config, NewRegions},
    rng::OsRng,
};
use domicile_egress::{
    ClientSettings,
    federation::{Dns, SystemDns},
};
use domicile_server::wire::{self, Surroundings, Wired};
use domicile_store::{Keystore, KeystoreOptions, KeystorePlace, MasterSource, Store, StoreOptions};
use ruma::OwnedServerName;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::log;
use crate::{courier::Courier, postgres::Database};

/// The environment variable that says on which engine servers store: `sqlite` (also without it) or `postgres`.
const ENGINE_VARIABLE: &str = "DOMICILE_TEST_ENGINE";

/// What a test can set.
#[derive(Clone)]
pub struct Settings {
    /// The deployment's name.
    pub server_name: OwnedServerName,
    /// Registration.
    pub registration: RegistrationSettings,
    /// Rate limits.
    pub rate_limits: RateLimitSettings,
    /// Life of an access token that can be refreshed, in milliseconds.
    pub access_token_life_ms: i64,
    /// Everything else.
    pub config: Config,
    /// Whether users see who is online.
    pub presence: bool,
    /// Connections to others.
    pub egress: ClientSettings,
    /// Carries what other servers are told instead of the network.
    pub carrier: Option<Courier>,
    /// Whether other servers are told anything over the network. Without it, a test relays what it wants them to hear.
    pub tells: bool,
    /// The name system, if it is not the machine's.
    pub dns: Option<Arc<dyn Dns>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server_name: "localhost".try_into().expect("a server name"),
            registration: RegistrationSettings { mode: RegistrationMode::Open, ..RegistrationSettings::default() },
            rate_limits: RateLimitSettings::default(),
            access_token_life_ms: HOUR_MS,
            config: quiet(),
            presence: true,
            egress: ClientSettings::default(),
            carrier: None,
            tells: false,
            dns: None,
        }
    }
}

/// What is usual, but for what people are told of new regions: nobody tells them here unless a test does, and for that copies of rooms would wait.
fn quiet() -> Config {
    let mut config = Config::default();
    config.deployment.new_regions = NewRegions::Quiet;
    config
}

/// A database of PostgreSQL, if that is the engine.
pub(super) fn database() -> Option<Database> {
    let on_postgres = is_on_postgres();
    on_postgres.then(|| Database::create().expect("a database of PostgreSQL"))
}

/// Where database and keystore are, in `folder` or in PostgreSQL.
pub(super) fn places(folder: &Path, database: Option<&Database>) -> (StoreOptions, KeystoreOptions) {
    let (options, place) = match database {
        None => (
            StoreOptions::Sqlite { path: folder.join("domicile.db"), readers: 2 },
            KeystorePlace::Sqlite { path: folder.join("keystore.db") },
        ),
        Some(database) => (
            StoreOptions::Postgres { url: database.address(), readers: 2 },
            KeystorePlace::Postgres { url: database.address() },
        ),
    };
    (options, KeystoreOptions { place, master: MasterSource::File(folder.join("master.key")), cached: 100 })
}

/// The open database and keystore.
pub(super) async fn open(folder: &Path, database: Option<&Database>, clock: &ManualClock) -> (Store, Arc<Keystore>) {
    let (options, keys) = places(folder, database);
    let store = Store::open(options).await.expect("a database");
    let keystore = Keystore::open(keys, Arc::new(OsRng), clock.now_ms()).await.expect("a keystore");
    (store, Arc::new(keystore))
}

/// A running server over them. It runs until the guard is dropped.
pub(super) async fn wire(
    folder: &Path,
    store: Store,
    keystore: Arc<Keystore>,
    clock: Arc<ManualClock>,
    settings: Settings,
) -> (Wired, DropGuard, Option<JoinHandle<()>>) {
    log::start();
    let stopping = CancellationToken::new();
    let tells = settings.tells || settings.carrier.is_some();
    let surroundings = Surroundings {
        clock,
        rng: Arc::new(OsRng),
        stopping: stopping.clone(),
        keystore,
        media: folder.join("media"),
        carrier: settings.carrier.clone().map(|courier| Arc::new(courier) as Arc<dyn Carrier>),
        dns: settings.dns.unwrap_or_else(|| Arc::new(SystemDns::new())),
    };
    let mut defaults = wire::Settings::new(&settings.config).expect("a configuration");
    folder.clone_into(&mut defaults.federation.folder);
    let settings = wire::Settings {
        server_name: settings.server_name,
        registration: settings.registration,
        rate_limits: settings.rate_limits,
        access_token_life_ms: settings.access_token_life_ms,
        presence: settings.presence,
        egress: settings.egress,
        passwords: config::Passwords { memory: ByteSize(64 << 10), iterations: 1, at_once: 2 },
        ..defaults
    };
    let wired = Box::pin(wire::wire(settings, store, &surroundings)).await.expect("the wiring");
    tokio::spawn(Arc::clone(&wired.delivery).run(stopping.clone()));
    // As in the binary, a restored server tells nobody anything before it is open.
    let (fence, outbound, stops) = (Arc::clone(wired.restorer.fence()), Arc::clone(&wired.outbound), stopping.clone());
    let telling = tells.then(|| {
        tokio::spawn(async move {
            if fence.opened(&stops).await {
                outbound.run(stops).await;
            }
        })
    });
    if let Some(gateway) = wired.gateway.parts() {
        tokio::spawn(Arc::clone(&gateway.spool).run(stopping.clone()));
    }
    tokio::spawn(Arc::clone(&wired.copies).run(stopping.clone()));
    tokio::spawn(Arc::clone(&wired.ingest).run(stopping.clone()));
    tokio::spawn(Arc::clone(&wired.completion).run(stopping.clone()));
    (wired, stopping.drop_guard(), telling)
}

/// Whether the servers of tests store in `PostgreSQL`.
pub(crate) fn is_on_postgres() -> bool {
    std::env::var(ENGINE_VARIABLE).is_ok_and(|engine| engine == "postgres")
}
