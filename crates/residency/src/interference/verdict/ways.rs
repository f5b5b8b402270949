//! What happens on the way to each of the target's true addresses: whether it is reached, and whether the name that is said on the way matters.

use std::net::SocketAddr;

use super::{
    Kind,
    scene::{Scene, times},
};
use crate::interference::{
    Failure,
    measurement::{Sni, TlsHandshake},
    page::quoted,
};

/// How often something must have failed, and never gone well.
const FAILED: usize = 3;
/// How often what it is compared with must have gone well.
const COMPARED: usize = 2;
/// How often a foreign certificate must have come.
const FOREIGN: usize = 2;

/// A kind, and what it rests on.
pub(super) struct Ways {
    pub(super) kind: Kind,
    pub(super) evidence: Vec<String>,
}

/// All ways together. One that is interfered with counts, though others are open: part of the people have only that one.
pub(super) fn judge(scene: &Scene<'_>) -> Ways {
    let (truth, _) = scene.truth();
    let port = scene.measurement.target.port;
    let ways: Vec<(SocketAddr, Ways)> = truth
        .into_iter()
        .filter(|address| !address.is_ipv6() || scene.has_ipv6())
        .map(|address| SocketAddr::new(address, port))
        .filter_map(|address| Some((address, way(scene, address)?)))
        .collect();
    let open = ways.iter().filter(|(_, way)| way.kind == Kind::Ok).count();
    let order = [Kind::TlsMitm, Kind::SniReset, Kind::SniDropped, Kind::AddressBlocked, Kind::Ok, Kind::Down];
    for kind in order {
        let mut alike: Vec<String> =
            ways.iter().filter(|(_, way)| way.kind == kind).flat_map(|(_, way)| way.evidence.iter().cloned()).collect();
        if alike.is_empty() {
            continue;
        }
        if kind.is_interference() && open > 0 {
            alike.push(format!("{open} of {} addresses can be reached nevertheless", ways.len()));
        }
        return Ways { kind, evidence: alike };
    }
    let mut evidence: Vec<String> = ways.into_iter().flat_map(|(_, way)| way.evidence).collect();
    if evidence.is_empty() {
        evidence.push("no address of it is known that could be tried".to_owned());
    }
    Ways { kind: Kind::Inconclusive, evidence }
}

/// One address. None: it was not tried.
fn way(scene: &Scene<'_>, address: SocketAddr) -> Option<Ways> {
    let connects: Vec<_> = scene.measurement.tcp.iter().filter(|attempt| attempt.address == address).collect();
    let failures: Vec<_> = connects.iter().filter_map(|attempt| attempt.failure.as_ref()).collect();
    if connects.is_empty() || failures.len() == connects.len() && failures.iter().all(|failure| failure.is_local()) {
        return None;
    }
    let real: Vec<&TlsHandshake> = scene.handshakes(address, Sni::Real).collect();
    if real.iter().any(|handshake| handshake.is_good()) {
        return Some(Ways { kind: Kind::Ok, evidence: vec![format!("{address} answers with a good certificate")] });
    }
    if failures.len() == connects.len() {
        let why = failures.first().map(ToString::to_string).unwrap_or_default();
        let seen = format!("{address} could not be connected to in {} attempts ({why})", failures.len());
        return Some(if failures.len() >= FAILED { elsewhere(scene, address, seen) } else { unclear(seen) });
    }
    if let Some(way) = foreign(scene, address, &real) {
        return Some(way);
    }
    Some(named(scene, address, &real))
}

/// Somebody else's certificate.
fn foreign(scene: &Scene<'_>, address: SocketAddr, real: &[&TlsHandshake]) -> Option<Ways> {
    let foreign: Vec<_> =
        real.iter().filter(|handshake| handshake.failure.is_none() && handshake.invalid.is_some()).collect();
    let first = foreign.first()?;
    let leaf = first.chain.first();
    let reason = first.invalid.as_ref().map(ToString::to_string).unwrap_or_default();
    let issuer = leaf.map(|leaf| quoted(&leaf.issuer)).unwrap_or_default();
    let seen = format!(
        "{address} answers {} with a certificate by {issuer} that is not good for it ({reason})",
        times(foreign.len())
    );
    if foreign.len() < FOREIGN {
        return Some(unclear(seen));
    }
    let sha256 = leaf.map_or("", |leaf| leaf.sha256.as_str());
    if let Some(outside) = scene.outside.filter(|outside| !outside.certificates.is_empty()) {
        let there = outside.certificates.iter().any(|known| known == sha256);
        return Some(if there {
            Ways {
                kind: Kind::Down,
                evidence: vec![
                    seen,
                    "the same certificate is seen from elsewhere, so it is the server's own".to_owned(),
                ],
            }
        } else {
            Ways {
                kind: Kind::TlsMitm,
                evidence: vec![seen, "seen from elsewhere, it has another certificate".to_owned()],
            }
        });
    }
    let true_one = scene.measurement.tls.iter().find(|handshake| handshake.is_good());
    Some(if let Some(handshake) = true_one {
        let how = match handshake.sni {
            Sni::Real => format!("at {}", handshake.address),
            Sni::Neutral => "when another name is said".to_owned(),
            Sni::None => "when no name is said".to_owned(),
        };
        Ways { kind: Kind::TlsMitm, evidence: vec![seen, format!("its true certificate comes {how}")] }
    } else {
        let mut way = unclear(seen);
        way.evidence.push("whether that certificate is the server's own can be seen from elsewhere".to_owned());
        way
    })
}

/// Whether it is the name that is said.
fn named(scene: &Scene<'_>, address: SocketAddr, real: &[&TlsHandshake]) -> Ways {
    let torn = real.iter().filter(|handshake| is_torn(handshake)).count();
    let silent = real
        .iter()
        .filter(|handshake| handshake.failure.is_some() && !handshake.answered && !is_torn(handshake))
        .count();
    let seen = format!(
        "{address} is connected to, but of {} encrypted connections with its name {torn} were torn down and {silent} fell silent",
        real.len()
    );
    if real.len() < FAILED || torn + silent < real.len() {
        let alert = real.iter().find_map(|handshake| handshake.alert.as_deref());
        let mut way = unclear(seen);
        way.evidence.extend(alert.map(|alert| format!("it was answered with the alert {}", quoted(alert))));
        return way;
    }
    let others = || scene.handshakes(address, Sni::Neutral).chain(scene.handshakes(address, Sni::None));
    let answered = others().filter(|handshake| handshake.answered).count();
    if answered >= COMPARED {
        let compared = format!("with another name, or with none, it answers: {}", times(answered));
        // Whoever tears down cannot always be sure to hit, so a few silences do not matter.
        let kind = if torn >= COMPARED { Kind::SniReset } else { Kind::SniDropped };
        return Ways { kind, evidence: vec![seen, compared] };
    }
    let mut way = elsewhere(scene, address, seen);
    if way.kind == Kind::AddressBlocked {
        way.evidence.push("it is no matter which name is said".to_owned());
    }
    way
}

fn is_torn(handshake: &TlsHandshake) -> bool {
    handshake.failure.as_ref().is_some_and(Failure::is_torn)
}

/// What cannot be reached here: another place knows whether it can be reached at all.
fn elsewhere(scene: &Scene<'_>, address: SocketAddr, seen: String) -> Ways {
    if scene.company.reached.contains(&address) {
        let mut way = unclear(seen);
        way.evidence.push(
            "in the same run it answers another target, so it is not blocked: it is slow, or held back".to_owned(),
        );
        return way;
    }
    match scene.outside {
        Some(outside) if outside.works && (outside.reached.is_empty() || outside.reached.contains(&address.ip())) => {
            Ways {
                kind: Kind::AddressBlocked,
                evidence: vec![seen, format!("seen from elsewhere, {} works", outside.host)],
            }
        }
        Some(outside) if !outside.works => Ways {
            kind: Kind::Down,
            evidence: vec![seen, format!("{} does not work seen from elsewhere either", outside.host)],
        },
        _ => {
            let mut way = unclear(seen);
            way.evidence.push(
                "from one place alone, a blocked address and a dead server look the same: ask from elsewhere, too"
                    .to_owned(),
            );
            way
        }
    }
}

fn unclear(seen: String) -> Ways {
    Ways { kind: Kind::Inconclusive, evidence: vec![seen] }
}
