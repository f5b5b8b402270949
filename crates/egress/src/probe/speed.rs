//! Downloads from the targets that were reached, with the same from elsewhere in between. What is as fast as elsewhere is fetched once. From a host whose
//! line is narrow, one after another of its names fetches: all at once would only measure each other.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use domicile_residency::interference::measurement::{Control, Download, Sni, Target};
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{
    Probe,
    lap::Lap,
    line::{Line, Lines},
    target::Growing,
    throughput::{From, download},
};

/// Downloads at once while nothing is known yet: more would share the line and look slow.
const AT_ONCE: usize = 4;
/// Rounds.
const ROUNDS: usize = 3;
/// Slower than the control by this, it is looked at again.
const SLOWER: u64 = 4;

/// Where the control is fetched from.
pub(super) struct Elsewhere {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
    pub(super) address: SocketAddr,
}

/// A target whose speed is not known yet.
struct Left<'g> {
    growing: &'g Growing,
    target: Target,
    address: SocketAddr,
    line: Arc<Line>,
}

pub(super) async fn measure(
    probe: &Probe,
    (lap, lines): (Lap, &Lines),
    elsewhere: Option<&Elsewhere>,
    targets: &[Growing],
    control: &Mutex<Control>,
) {
    let Some(elsewhere) = elsewhere else { return };
    let mut left: Vec<Left<'_>> = targets.iter().filter_map(|growing| reached(growing, lines)).collect();
    for round in 0..ROUNDS {
        if left.is_empty() {
            return;
        }
        let from =
            From { host: &elsewhere.host, port: elsewhere.port, path: &elsewhere.path, address: elsewhere.address };
        let compared = download(probe, lap, from).await;
        let rate = compared.rate();
        control.lock().downloads.push(compared);
        let turns = turns(&left, round);
        let places = Semaphore::new(if round == 0 { AT_ONCE } else { left.len() });
        let fetched = join_all(left.iter().zip(turns).map(|(left, has_turn)| {
            let places = &places;
            async move {
                if !has_turn {
                    return None;
                }
                let _place = places.acquire().await;
                let (target, address) = (&left.target, left.address);
                let path = target.download.as_deref().unwrap_or("/");
                Some(download(probe, lap, From { host: &target.host, port: target.port, path, address }).await)
            }
        }))
        .await;
        let mut next = Vec::new();
        for (left, fetched) in left.into_iter().zip(fetched) {
            let Some(fetched) = fetched else {
                next.push(left);
                continue;
            };
            if is_slow(&fetched, rate) {
                next.push(left.noting(fetched));
            } else {
                // One that is fast is enough to know that the line is not narrow.
                if fetched.rate().is_some() {
                    left.line.open();
                }
                left.noting(fetched);
            }
        }
        left = next;
    }
}

impl Left<'_> {
    fn noting(self, fetched: Download) -> Self {
        self.growing.lock().downloads.push(fetched);
        self
    }
}

/// Whose turn it is: everybody's whose line is not narrow, and one's on each that is.
fn turns(left: &[Left<'_>], round: usize) -> Vec<bool> {
    let mut of_line: BTreeMap<SocketAddr, Vec<usize>> = BTreeMap::new();
    for (number, left) in left.iter().enumerate().filter(|(_, left)| !left.line.is_open()) {
        of_line.entry(left.address).or_default().push(number);
    }
    let chosen: Vec<usize> =
        of_line.values().filter_map(|numbers| numbers.get(round % numbers.len()).copied()).collect();
    let is_open = left.iter().map(|left| left.line.is_open());
    is_open.enumerate().map(|(number, is_open)| is_open || chosen.contains(&number)).collect()
}

/// A target that was reached and has something to fetch, and where.
fn reached<'g>(growing: &'g Growing, lines: &Lines) -> Option<Left<'g>> {
    let measurement = growing.lock();
    measurement.target.download.as_ref()?;
    let good = measurement.tls.iter().find(|handshake| handshake.sni == Sni::Real && handshake.is_good())?;
    let (target, address) = (measurement.target.clone(), good.address);
    Some(Left { growing, target, address, line: lines.of(address.ip()) })
}

fn is_slow(fetched: &Download, control: Option<u64>) -> bool {
    match (fetched.rate(), control) {
        (Some(rate), Some(control)) => rate.saturating_mul(SLOWER) < control,
        // One of them failed: once more.
        (Some(_), None) => true,
        (None, _) => fetched.bytes > 0,
    }
}
