//! `domicile serve`: opens the database, listens, and stops when it is told to.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use axum::Router;
use domicile_app::{
    accounts::Devices,
    evidence::Ledger,
    federation::{Gate, OwnKeys},
    jobs::Jobs,
    residency::Documents,
    search::Search,
};
use domicile_core::{
    clock::SystemClock,
    config::{Api, Config, Listener},
    rng::OsRng,
};
use domicile_egress::federation::SystemDns;
use domicile_http::{
    admin, console,
    forwarded::Proxies,
    health,
    listener::{Bound, Certificate},
    metrics::{self, Metrics},
    observe::observed,
    router,
    state::Services,
};
use domicile_store::Store;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin_socket, first_start, own_names,
    wire::{self, Surroundings, Wired},
};

/// How long requests and tasks may take to end. Closing the database comes after it, and all of it is to take less than five seconds.
const END_TIME: Duration = Duration::from_millis(3_500);

/// How often it is written when devices were last used.
const USES_PAUSE: Duration = Duration::from_mins(1);

/// How often the export ledger is written, if anything was counted: what a crash may lose.
const LEDGER_PAUSE: Duration = Duration::from_secs(1);

/// How often new words go into the index of searches: many at once cost less than each alone. A search does not wait for it.
const INDEX_TIME: Duration = Duration::from_secs(20);

/// A server that runs.
pub struct Running {
    /// Where it listens, as a person would type it.
    pub listens: Vec<String>,
    /// Its TCP addresses, in the order of the listeners.
    pub addresses: Vec<Option<SocketAddr>>,
    stopping: CancellationToken,
    tasks: JoinSet<()>,
    store: Store,
    documents: Option<Arc<Documents>>,
}

/// Runs a server until it is told to stop.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    // Before anybody can see that it runs: whoever sees it may tell it to stop.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    // In a box: it is everything that a server is made of.
    let running = Box::pin(start(config)).await?;
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => running.reload().await,
        }
    }
    tracing::info!("stopping");
    running.stop().await;
    Ok(())
}

/// Starts a server. It listens when this returns.
pub async fn start(config: &Config) -> anyhow::Result<Running> {
    let data_dir = Path::new(&config.server.data_dir);
    data_folder(data_dir)?;
    for problem in config.unlisted_processors() {
        tracing::warn!(key = problem.place, what = problem.what, "somebody gets data who is not listed");
    }
    let store = Store::open(wire::store_options(config)).await.context("cannot open the database")?;
    let stopping = CancellationToken::new();
    let keystore = wire::keystore(config, &SystemClock).await?;
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock),
        rng: Arc::new(OsRng),
        stopping: stopping.clone(),
        keystore,
        media: wire::media_folder(config),
        carrier: None,
        dns: Arc::new(SystemDns::new()),
    };
    let wired = wire::wire(wire::Settings::new(config)?, store.clone(), &surroundings).await?;
    let metrics = Arc::new(Metrics::default());
    read_first(&wired).await;

    let mut bound = Vec::new();
    for listener in &config.listeners {
        let inner = listener.serve.contains(&Api::Inner);
        let certificate = match (listener.certificate.as_str(), listener.key.as_str()) {
            ("", _) | (_, "") => None,
            (certificate, key) => Some(Certificate::load(Path::new(certificate), Path::new(key))?),
        };
        let certificate = match (inner, &wired.link) {
            (true, Some(link)) => Some(Certificate::of_cell(link.admission())),
            (true, None) => bail!("listener {}: `inner` needs [deployment]", listener.bind),
            (false, _) => certificate,
        };
        let proxies = Proxies::parse(&listener.trusted_proxies)
            .with_context(|| format!("listener {}: trusted_proxies", listener.bind))?;
        let socket = match Bound::bind(&listener.bind, listener.mode.0, certificate.clone(), proxies).await {
            Ok(socket) => socket,
            // Metrics are nobody's message: where the operator did not ask for them, a taken port is told and the server goes on.
            Err(error) if *listener == Listener::metrics() => {
                tracing::warn!(%error, "metrics are not served");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        bound.push((socket, apis(&wired, &metrics, &listener.serve), &listener.serve, certificate));
    }
    let socket = admin_socket::path(config);
    let admin = Bound::bind(&format!("unix:{}", socket.display()), 0o600, None, Proxies::default()).await?;
    let listens: Vec<String> =
        bound.iter().filter(|(.., serve, _)| serve.contains(&Api::Client)).map(|(socket, ..)| socket.shown()).collect();
    let addresses: Vec<_> = bound.iter().map(|(socket, ..)| socket.address()).collect();

    let mut tasks = JoinSet::new();
    tasks.spawn(admin.serve(observed(admin::routes(wired.admin.clone()), Arc::clone(&metrics)), stopping.clone()));
    for (socket, router, _, certificate) in bound {
        tasks.spawn(socket.serve(router, stopping.clone()));
        if let Some(certificate) = certificate {
            tasks.spawn(certificate.watch(stopping.clone()));
        }
    }
    tasks.spawn(Arc::clone(&wired.restorer).run(stopping.clone()));
    tasks.spawn(Arc::clone(&wired.keeper).run(stopping.clone()));
    own_names::claim(&wired).await?;
    wired.jobs.begin().await?;
    tasks.spawn(behind(&wired, &stopping, Arc::clone(&wired.delivery).run(stopping.clone())));
    tasks.spawn(behind(&wired, &stopping, Arc::clone(&wired.outbound).run(stopping.clone())));
    among_cells(&mut tasks, &wired, &stopping);
    tasks.spawn(Arc::clone(&wired.blocklists).run(stopping.clone()));
    tasks.spawn(Arc::clone(&wired.copies).run(stopping.clone()));
    tasks.spawn(Arc::clone(&wired.ingest).run(stopping.clone()));
    tasks.spawn(behind(&wired, &stopping, Arc::clone(&wired.moves).run(stopping.clone())));
    tasks.spawn(Arc::clone(&wired.probes).run(stopping.clone()));
    tasks.spawn(Arc::clone(&wired.services.status).run(stopping.clone()));
    tasks.spawn(Arc::clone(&wired.admin.standing.alerts).run(stopping.clone()));
    tasks.spawn(Arc::clone(&wired.completion).run(stopping.clone()));
    tasks.spawn(Arc::clone(&wired.admin.standing.signs).run(stopping.clone()));
    tasks.spawn(behind(&wired, &stopping, Arc::clone(&wired.admin.standing.move_notices).run(stopping.clone())));
    tasks.spawn(behind(&wired, &stopping, Arc::clone(&wired.admin.standing.key_notices).run(stopping.clone())));
    tasks.spawn(behind(&wired, &stopping, Arc::clone(&wired.admin.standing.region_notices).run(stopping.clone())));
    tasks.spawn(behind(&wired, &stopping, Arc::clone(&wired.admin.standing.cuts).run(stopping.clone())));
    tasks.spawn(behind(&wired, &stopping, Arc::clone(&wired.admin.standing.cut_notices).run(stopping.clone())));
    tasks.spawn(Arc::clone(&wired.admin.standing.addresses).run(stopping.clone()));
    tasks.spawn(behind(&wired, &stopping, tick(wired.services.clone(), Arc::clone(&wired.jobs), stopping.clone())));
    tasks.spawn(index_words(Arc::clone(&wired.services.search), stopping.clone()));
    tasks.spawn(note_uses(Arc::clone(&wired.services.devices), stopping.clone()));
    tasks.spawn(write_ledger(Arc::clone(&wired.ledger), stopping.clone()));
    first_start::tell(config, &wired, &listens).await?;
    let documents = wired.services.users.localities().cells().map(|cells| Arc::clone(&cells.documents));
    Ok(Running { listens, addresses, stopping, tasks, store, documents })
}

/// What a cell of a deployment does beside what every server does.
fn among_cells(tasks: &mut JoinSet<()>, wired: &Wired, stopping: &CancellationToken) {
    if let Some(gateway) = wired.gateway.parts() {
        tasks.spawn(Arc::clone(&gateway.spool).run(stopping.clone()));
    }
    if let Some(cells) = wired.services.users.localities().cells() {
        tasks.spawn(Arc::clone(cells.names.followers()).run(stopping.clone()));
        tasks.spawn(behind(wired, stopping, Arc::clone(&cells.names).run_reserve(stopping.clone())));
        tasks.spawn(behind(wired, stopping, Arc::clone(&cells.names).run_free_aliases(stopping.clone())));
        tasks.spawn(behind(wired, stopping, Arc::clone(&cells.tickets).run_forgetting(stopping.clone())));
        tasks.spawn(own_names::claim_later(Arc::clone(&cells.names), stopping.clone()));
        tasks.spawn(Arc::clone(&cells.documents).run(stopping.clone()));
        let keys = Arc::clone(&wired.admin.own_keys);
        tasks.spawn(follow(cells.documents.serial(), wired.gate.clone(), keys, stopping.clone()));
    }
    if let Some(seen) = wired.services.front_door.seen() {
        tasks.spawn(behind(wired, stopping, Arc::clone(seen).run(stopping.clone())));
    }
}

/// Reads what is told to everybody before anybody can ask: a status page that was not read yet would say that all is well, and a file that was not, that
/// there are no addresses.
async fn read_first(wired: &Wired) {
    if let Err(error) = wired.services.status.refresh().await {
        tracing::warn!(%error, "the status page could not be written");
    }
    wired.admin.standing.addresses.refresh().await;
}

/// What follows from a new document beside what is asked of it each time: a gateway's key that waited for it signs, and the operator is told if the
/// key that signs is not named.
async fn follow(mut serial: watch::Receiver<u32>, gate: Option<Gate>, keys: Arc<OwnKeys>, stopping: CancellationToken) {
    while let Some(Ok(())) = stopping.run_until_cancelled(serial.changed()).await {
        if let Err(error) = keys.turn().await {
            tracing::error!(%error, "the key that the document names cannot be used yet");
        }
        wire::tell_unknown(gate.as_ref());
    }
}

/// What acts on others begins only when the cell is open: a restored one does not know yet what it has missed.
fn behind(
    wired: &Wired,
    stopping: &CancellationToken,
    task: impl Future<Output = ()> + Send + 'static,
) -> impl Future<Output = ()> + Send + 'static {
    let (fence, stopping) = (Arc::clone(wired.restorer.fence()), stopping.clone());
    async move {
        if fence.opened(&stopping).await {
            task.await;
        }
    }
}

/// The data folder: made for the operator's account only. One that was there is left as the operator made it, because others may have
/// something in it; what is in it that is ours has permissions of its own, and the operator is told that the folder is open.
fn data_folder(data_dir: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    if !data_dir.exists() {
        if let Some(parent) = data_dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot make the folder {}", parent.display()))?;
        }
        return std::fs::DirBuilder::new()
            .mode(0o700)
            .create(data_dir)
            .with_context(|| format!("cannot make the data folder {}", data_dir.display()));
    }
    let found = std::fs::metadata(data_dir).with_context(|| format!("cannot read {}", data_dir.display()))?;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            folder = %data_dir.display(), mode = %format!("{mode:04o}"),
            "other accounts of this machine may look into the data folder; close it with: chmod 700"
        );
    }
    Ok(())
}

/// The APIs of one listener.
fn apis(wired: &Wired, metrics: &Arc<Metrics>, serve: &[Api]) -> Router {
    let mut router = Router::new();
    let apis = router::Apis {
        client: serve.contains(&Api::Client),
        media: serve.contains(&Api::Media),
        federation: serve.contains(&Api::Federation),
    };
    if apis != router::Apis::default() {
        router = router.merge(router::api(wired.services.clone(), apis));
    }
    if serve.contains(&Api::Inner) {
        router = router.merge(router::inner_api(wired.services.clone()));
    }
    if serve.contains(&Api::Health) {
        router = router.merge(health::routes(Arc::clone(&wired.health)));
    }
    if serve.contains(&Api::Metrics) {
        router = router.merge(metrics::routes(metrics::Sources {
            metrics: Arc::clone(metrics),
            gateways: Arc::clone(&wired.gateways),
            peers: Arc::clone(&wired.peers),
            outbound: Arc::clone(&wired.outbound),
            blocklists: Arc::clone(&wired.blocklists),
            alerts: Arc::clone(&wired.admin.standing.alerts),
            key_notices: Arc::clone(&wired.admin.standing.key_notices),
            cuts: Arc::clone(&wired.admin.standing.cuts),
        }));
    }
    if serve.contains(&Api::Console) {
        router = router.merge(console::routes(wired.admin.clone()));
    }
    if serve.contains(&Api::Admin) {
        router = router.merge(admin::routes(wired.admin.clone()));
    }
    observed(router, Arc::clone(metrics))
}

/// What is to be done about once a second.
async fn tick(services: Services, jobs: Arc<Jobs>, stopping: CancellationToken) {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        services.typing.expire();
        if let Err(error) = services.presence.tick().await {
            tracing::warn!(%error, "those who wait for presence could not be woken");
        }
        if let Err(error) = jobs.run_due().await {
            tracing::warn!(%error, "the jobs could not be read");
        }
    }
}

/// Puts new words into the index of searches now and then; whatever else is to be written goes first.
async fn index_words(search: Arc<Search>, stopping: CancellationToken) {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(INDEX_TIME) => {}
        }
        if let Err(error) = search.index_new_words().await {
            tracing::warn!(%error, "new words could not be put into the index of searches");
        }
    }
}

/// Writes when devices were last used: once a minute, and a last time at the end.
async fn note_uses(devices: Arc<Devices>, stopping: CancellationToken) {
    loop {
        let ends = tokio::select! {
            () = stopping.cancelled() => true,
            () = tokio::time::sleep(USES_PAUSE) => false,
        };
        if let Err(error) = devices.write_uses(None).await {
            tracing::warn!(%error, "the last uses of devices could not be written");
        }
        if ends {
            return;
        }
    }
}

/// Writes what crossed a border: once a second, and a last time at the end.
async fn write_ledger(ledger: Arc<Ledger>, stopping: CancellationToken) {
    loop {
        let ends = tokio::select! {
            () = stopping.cancelled() => true,
            () = tokio::time::sleep(LEDGER_PAUSE) => false,
        };
        if let Err(error) = ledger.write().await {
            tracing::warn!(%error, "the export ledger could not be written");
        }
        if ends {
            return;
        }
    }
}

impl Running {
    /// Reads anew what can be read anew at once: the deployment document. One that is not taken is told in the log.
    async fn reload(&self) {
        let Some(documents) = &self.documents else {
            return tracing::info!("a hang-up has nothing to read anew: certificates are when they change");
        };
        if let Ok(taken) = documents.reload().await {
            tracing::info!(serial = taken.serial, "the deployment document was read");
        }
    }

    /// Ends long polls, lets requests in flight finish, closes the database.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        let ended = tokio::time::timeout(END_TIME, async { while self.tasks.join_next().await.is_some() {} }).await;
        if ended.is_err() {
            tracing::warn!("some tasks did not end in time");
        }
        self.store.close().await;
    }
}
