//! Whether the target is held back. One run cannot decide that: servers and networks have slow hours. It takes this run, a download from elsewhere beside
//! it, and what both were before.

use super::{Past, scene::Scene};
use crate::interference::measurement::Download;

/// Downloads of each kind that this run must have.
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
    let here = rates(&scene.measurement.downloads);
    let control = rates(&scene.control.downloads);
    // Its fastest against the other's slowest: loss makes single downloads slow, not all of one host and none of the other.
    let (Some(fastest), Some(slowest)) = (here.last(), control.first()) else { return Speed::Fine };
    if here.len() < DOWNLOADS
        || control.len() < DOWNLOADS
        || *fastest >= FAST
        || fastest.saturating_mul(SLOWER) > *slowest
    {
        return Speed::Fine;
    }
    let mut evidence = vec![format!(
        "the fastest of {} downloads came with {} bytes a second, the slowest of {} from elsewhere with {slowest}",
        here.len(),
        fastest,
        control.len()
    )];
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
