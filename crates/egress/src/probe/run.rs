//! One run: all targets at once (but those of one host, where its line is narrow), the controls beside them for as long as it takes, then the downloads.

use std::{net::SocketAddr, time::Duration};

use domicile_residency::interference::measurement::{Control, Measurement, Run, TARGETS, Target, Transport, Vantage};
use futures::future::{join_all, select};
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::{
    Probe,
    dns::NameServers,
    lap::Lap,
    line::Lines,
    literal,
    speed::{self, Elsewhere},
    target::{self, Growing},
    tcp,
};

/// How long a run may take.
const TIME: Duration = Duration::from_secs(38);
/// How often the controls are looked at, and how long to wait between.
const CONTROLS: u8 = 6;
const BETWEEN: Duration = Duration::from_secs(2);

pub(super) async fn run(probe: &Probe, targets: &[Target], started_ms: i64, vantage: Vantage) -> Run {
    let lap = Lap::begin();
    let names = NameServers::new(probe);
    let control = Mutex::new(Control::default());
    let growing: Vec<Growing> = targets
        .iter()
        .take(TARGETS)
        .map(|target| Mutex::new(Measurement { target: target.clone(), ..Measurement::default() }))
        .collect();
    let measured = timeout_at(lap.at(TIME), all(probe, lap, &names, &growing, &control)).await;
    let unfinished = measured.is_err();
    let mut measurements: Vec<Measurement> = growing.into_iter().map(Mutex::into_inner).collect();
    for measurement in &mut measurements {
        measurement.unfinished = unfinished;
    }
    Run { started_ms, took_ms: lap.elapsed_ms(), vantage, control: control.into_inner(), measurements }
}

async fn all(probe: &Probe, lap: Lap, names: &NameServers, growing: &[Growing], control: &Mutex<Control>) {
    let lines = &Lines::default();
    let targets = async {
        let each = growing.iter().map(|growing| async move {
            let target = growing.lock().target.clone();
            target::measure(probe, lap, (names, lines), &target, growing).await;
        });
        join_all(each).await;
    };
    let controls = controls(probe, lap, names, control);
    // The controls are looked at for as long as the targets take, and once in any case.
    select(std::pin::pin!(targets), std::pin::pin!(controls)).await;
    if control.lock().tcp.is_empty() {
        control_once(probe, lap, names, control, 0).await;
    }
    let elsewhere = match &probe.settings.download {
        Some(url) => elsewhere(probe, lap, names, url).await,
        None => None,
    };
    speed::measure(probe, (lap, lines), elsewhere.as_ref(), growing, control).await;
}

async fn controls(probe: &Probe, lap: Lap, names: &NameServers, control: &Mutex<Control>) {
    for attempt in 0..CONTROLS {
        let began = Instant::now();
        control_once(probe, lap, names, control, attempt).await;
        sleep(BETWEEN.saturating_sub(began.elapsed())).await;
    }
    // Of the two, the targets are to be the ones that end.
    std::future::pending::<()>().await;
}

/// The controls' names and addresses, and the trusted name servers': they are known even where the name system fails.
async fn control_once(probe: &Probe, lap: Lap, names: &NameServers, control: &Mutex<Control>, attempt: u8) {
    let hosts = probe.settings.controls.iter().map(|url| async move {
        let address = place(lap, names, url, control, attempt).await;
        if let Some(address) = address {
            let (connected, _) = tcp::connect(&probe.guard, lap, address).await;
            control.lock().tcp.push(connected);
        }
    });
    let mut servers: Vec<SocketAddr> = probe
        .settings
        .resolvers
        .iter()
        .filter(|resolver| resolver.transport != Transport::Udp)
        .map(|resolver| resolver.address)
        .collect();
    servers.sort_unstable();
    servers.dedup();
    let servers = servers.into_iter().map(|address| async move {
        let (connected, _) = tcp::connect(&probe.guard, lap, address).await;
        control.lock().tcp.push(connected);
    });
    futures::future::join(join_all(hosts), join_all(servers)).await;
}

/// Where an address is, by this machine's name server; what that says is noted.
async fn place(lap: Lap, names: &NameServers, url: &Url, control: &Mutex<Control>, attempt: u8) -> Option<SocketAddr> {
    let (host, port) = (url.host_str()?, url.port_or_known_default()?);
    if let Some(address) = literal(host) {
        return Some(SocketAddr::new(address, port));
    }
    let queries = names.ask_system(lap, host, attempt).await;
    let address = queries.iter().flat_map(|query| query.addresses.iter().copied()).next();
    control.lock().dns.extend(queries);
    Some(SocketAddr::new(address?, port))
}

async fn elsewhere(probe: &Probe, lap: Lap, names: &NameServers, url: &Url) -> Option<Elsewhere> {
    let nowhere = Mutex::new(Control::default());
    let address = place(lap, names, url, &nowhere, 0).await?;
    if !probe.guard.allows(address) {
        return None;
    }
    let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
    Some(Elsewhere { host, port: address.port(), path, address })
}
