//! What was seen of all targets of a run together: many names often are one host.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use crate::interference::{Download, measurement::Run};

/// What all targets of a run have shown of the addresses that they share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Company {
    /// Addresses that answered, under whatever name.
    pub reached: BTreeSet<SocketAddr>,
    /// How fast each download from an address came, under whatever name, in bytes a second; the slowest first.
    pub rates: BTreeMap<SocketAddr, Vec<u64>>,
}

impl Company {
    /// Of a run.
    pub fn of(run: &Run) -> Self {
        let handshakes = run.measurements.iter().flat_map(|measurement| &measurement.tls);
        let reached = handshakes.filter(|handshake| handshake.answered).map(|handshake| handshake.address).collect();
        let mut rates: BTreeMap<SocketAddr, Vec<u64>> = BTreeMap::new();
        let downloads = run.measurements.iter().flat_map(|measurement| &measurement.downloads);
        for (address, rate) in downloads.filter_map(|download| download.address.zip(Download::rate(download))) {
            rates.entry(address).or_default().push(rate);
        }
        for rates in rates.values_mut() {
            rates.sort_unstable();
        }
        Self { reached, rates }
    }
}
