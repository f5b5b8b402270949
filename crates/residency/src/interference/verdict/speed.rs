//! Whether the target is held back. One run cannot decide that: servers and networks have slow hours. It takes this run, a download from elsewhere beside
//! it, and what both were before.

use std::net::SocketAddr;

use super::{Past, scene::Scene};
use crate::interference::measurement::{Download, Sni};

/// Downloads of each kind that this run must have: from the target or from its address, and from elsewhere.
const DOWNLOADS: usize = 3;
/// Earlier runs that there must be.
const RUNS: usize = 3;
/// How many times slower than the control, and than before.
const SLOWER: u64 = 8;
/// The control may be this many times slower than before: else it is the network.
const CONTROL_SLOWER: u64 = 4;
/// What is faster than this many bytes a second is as fast as can be told: a download is short, and then takes as long as the machines at both ends do.
const TELLABLE: u64 = 1024 * 1024;
/// Whatever is faster than this many bytes a second is not held back: pages and messages go through.
const FAST: u64 = 48 * 1024;

pub(super) enum Speed {
    Fine,
    /// It is slow, and that may have other reasons.
    Slow(Vec<String>),
    Throttled(Vec<String>),
}

pub(super) fn throttled(scene: &Scene<'_>, past: &[Past]) -> Speed {
    let control = rates(&scene.control.downloads);
    let (Some(here), Some(slowest)) = (here(scene), control.first()) else { return Speed::Fine };
    let fastest = here.fastest;
    // Its fastest against the other's slowest: loss makes single downloads slow, not all of one host and none of the other.
    if control.len() < DOWNLOADS || fastest >= FAST || fastest.saturating_mul(SLOWER) > *slowest {
        return Speed::Fine;
    }
    let mut evidence = vec![format!("{}, the slowest of {} from elsewhere with {slowest}", here.told, control.len())];
    if past.len() < RUNS {
        evidence.push(format!(
            "{} earlier runs from here are known, and {RUNS} are needed to say that it was faster before",
            past.len()
        ));
        return Speed::Slow(evidence);
    }
    let before = median(past.iter().map(|run| run.rate).collect());
    let control_before = median(past.iter().map(|run| run.control_rate).collect());
    let told =
        format!("before, in {} runs, it was {before} bytes a second, and {control_before} from elsewhere", past.len());
    evidence.push(told);
    let slower = fastest.saturating_mul(SLOWER) <= before;
    let network = slowest.saturating_mul(CONTROL_SLOWER) < control_before.min(TELLABLE);
    match (slower, network) {
        (true, false) => Speed::Throttled(evidence),
        (true, true) => {
            evidence.push("what comes from elsewhere is slower than before, too".to_owned());
            Speed::Slow(evidence)
        }
        (false, _) => Speed::Slow(evidence),
    }
}

/// Whether this run can tell how fast the target is.
pub(super) fn is_known(scene: &Scene<'_>) -> bool {
    here(scene).is_some() && rates(&scene.control.downloads).len() >= DOWNLOADS
}

/// What this run shows of how fast the target is.
struct Here {
    /// Its fastest, in bytes a second.
    fastest: u64,
    told: String,
}

/// Three downloads of its own; or those from its address under whatever name, where what came of its own is as slow. Ten names of one host that is held
/// back to a kilobyte a second cannot fetch anything three times each. None: too little was seen.
fn here(scene: &Scene<'_>) -> Option<Here> {
    let own = rates(&scene.measurement.downloads);
    if let Some(fastest) = own.last().copied().filter(|_| own.len() >= DOWNLOADS) {
        let told = format!("the fastest of {} downloads came with {fastest} bytes a second", own.len());
        return Some(Here { fastest, told });
    }
    let good = scene.measurement.tls.iter().filter(|handshake| handshake.sni == Sni::Real && handshake.is_good());
    let address = good.map(|handshake| handshake.address).find(|address| scene.company.rates.contains_key(address))?;
    let all = scene.company.rates.get(&address).filter(|all| all.len() >= DOWNLOADS)?;
    let (its, what) = match own.last() {
        Some(rate) => (*rate, "its own download came"),
        None => (pace(scene, address)?, "what came in its handshake came"),
    };
    let of_all = *all.last()?;
    let told = format!(
        "{what} with {its} bytes a second, the fastest of {} downloads from {address} under all its names with {of_all}",
        all.len()
    );
    Some(Here { fastest: its.max(of_all), told })
}

/// How fast its handshakes with an address were, in bytes a second; none if one of them was quick.
fn pace(scene: &Scene<'_>, address: SocketAddr) -> Option<u64> {
    let connects =
        scene.measurement.tcp.iter().filter(|attempt| attempt.address == address && attempt.failure.is_none());
    let trip_ms = connects.map(|attempt| attempt.when.took_ms).min()?;
    let good = scene.handshakes(address, Sni::Real).filter(|handshake| handshake.is_good());
    let paces = good.map(|handshake| handshake.pace(trip_ms)).collect::<Option<Vec<u64>>>()?;
    paces.into_iter().max()
}

/// The rates of those downloads that tell one, slowest first.
fn rates(downloads: &[Download]) -> Vec<u64> {
    let mut rates: Vec<u64> = downloads.iter().filter_map(Download::rate).collect();
    rates.sort_unstable();
    rates
}

fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
