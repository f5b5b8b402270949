//! Downloads from the targets that were reached, with the same from elsewhere in between. What is as fast as elsewhere is fetched once.

use std::{net::SocketAddr, sync::Arc};

use domicile_residency::interference::measurement::{Control, Download, Sni, Target};
use futures::future::join_all;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{
    Probe,
    lap::Lap,
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

pub(super) async fn measure(
    probe: &Probe,
    lap: Lap,
    elsewhere: Option<&Elsewhere>,
    targets: &[Growing],
    control: &Mutex<Control>,
) {
    let Some(elsewhere) = elsewhere else { return };
    let mut left: Vec<(&Growing, Target, SocketAddr)> = targets.iter().filter_map(reached).collect();
    for round in 0..ROUNDS {
        if left.is_empty() {
            return;
        }
        let from =
            From { host: &elsewhere.host, port: elsewhere.port, path: &elsewhere.path, address: elsewhere.address };
        let compared = download(probe, lap, from).await;
        let rate = compared.rate();
        control.lock().downloads.push(compared);
        let places = Arc::new(Semaphore::new(if round == 0 { AT_ONCE } else { left.len() }));
        let fetched = join_all(left.iter().map(|(_, target, address)| {
            let places = Arc::clone(&places);
            async move {
                let _place = places.acquire().await;
                let path = target.download.as_deref().unwrap_or("/");
                download(probe, lap, From { host: &target.host, port: target.port, path, address: *address }).await
            }
        }))
        .await;
        let mut slow = Vec::new();
        for ((growing, target, address), fetched) in left.into_iter().zip(fetched) {
            if is_slow(&fetched, rate) {
                slow.push((growing, target, address));
            }
            growing.lock().downloads.push(fetched);
        }
        left = slow;
    }
}

/// A target that was reached and has something to fetch, and where.
fn reached(growing: &Growing) -> Option<(&Growing, Target, SocketAddr)> {
    let measurement = growing.lock();
    measurement.target.download.as_ref()?;
    let good = measurement.tls.iter().find(|handshake| handshake.sni == Sni::Real && handshake.is_good())?;
    Some((growing, measurement.target.clone(), good.address))
}

fn is_slow(fetched: &Download, control: Option<u64>) -> bool {
    match (fetched.rate(), control) {
        (Some(rate), Some(control)) => rate.saturating_mul(SLOWER) < control,
        // One of them failed: once more.
        (Some(_), None) => true,
        (None, _) => fetched.bytes > 0,
    }
}
