//! What another place saw of the same target. From one place alone, a blocked address and a dead server look the same.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    measurement::{HttpRequest, Measurement, Run, Sni},
    verdict::{Kind, Verdict},
};

/// For how long another place's sight is good, in milliseconds: an hour.
pub const LIFE_MS: i64 = 3_600_000;

/// How a target looks from elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// The target's host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// When it was seen, in milliseconds since the epoch.
    pub seen_ms: i64,
    /// Whether it works there.
    pub works: bool,
    /// The addresses at which it was reached, with a good certificate.
    pub reached: Vec<IpAddr>,
    /// The addresses that the name has there.
    pub addresses: Vec<IpAddr>,
    /// The fingerprints of its certificate.
    pub certificates: Vec<String>,
    /// What answers there in the clear, if anything does.
    pub plain: Option<Seen>,
}

/// A page, as far as two of them are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The status.
    pub status: u16,
    /// The title.
    pub title: Option<String>,
    /// The length in bytes.
    pub length: u64,
    /// Where it points to.
    pub location: Option<String>,
}

impl Seen {
    /// What was answered; none if nothing was.
    pub fn of(request: &HttpRequest) -> Option<Self> {
        Some(Self {
            status: request.status?,
            title: request.title.clone(),
            length: request.length,
            location: request.location().map(str::to_owned),
        })
    }
}

impl Outside {
    /// What a run here tells about a target to those elsewhere. None if it tells nothing: where the network is down, or somebody interferes here too.
    pub fn of(run: &Run, measurement: &Measurement, verdict: &Verdict) -> Option<Self> {
        let network = run.control.tcp.iter().any(|attempt| attempt.failure.is_none());
        let works = match verdict.kind {
            Kind::Ok => true,
            Kind::Down => false,
            // One place cannot say why it reaches nobody; together with another that does not either, it is down.
            Kind::Inconclusive if network && unreached(measurement) => false,
            _ => return None,
        };
        let good = || measurement.tls.iter().filter(|handshake| handshake.sni == Sni::Real && handshake.is_good());
        let mut seen = Self {
            host: measurement.target.host.clone(),
            port: measurement.target.port,
            seen_ms: run.started_ms,
            works,
            reached: good().map(|handshake| handshake.address.ip()).collect(),
            addresses: measurement.dns.iter().flat_map(|query| query.addresses.iter().copied()).collect(),
            certificates: good().filter_map(|handshake| Some(handshake.chain.first()?.sha256.clone())).collect(),
            plain: measurement.http.iter().filter(|request| request.is_plain()).find_map(Seen::of),
        };
        for list in [&mut seen.reached, &mut seen.addresses] {
            list.sort_unstable();
            list.dedup();
        }
        seen.certificates.sort_unstable();
        seen.certificates.dedup();
        Some(seen)
    }

    /// The sights of a target that are good at a time, folded to the one to believe: a place where it works is believed over one where it does not,
    /// since working cannot be feigned.
    pub fn best<'a>(all: impl IntoIterator<Item = &'a Self>, host: &str, port: u16, now_ms: i64) -> Option<&'a Self> {
        all.into_iter()
            .filter(|seen| seen.host.eq_ignore_ascii_case(host) && seen.port == port)
            .filter(|seen| (now_ms - seen.seen_ms).abs() <= LIFE_MS)
            .max_by_key(|seen| (seen.works, seen.seen_ms))
    }
}

/// Whether nobody could be connected to, however often it was tried.
fn unreached(measurement: &Measurement) -> bool {
    const ATTEMPTS: usize = 3;
    measurement.tcp.len() >= ATTEMPTS && measurement.tcp.iter().all(|attempt| attempt.failure.is_some())
}
