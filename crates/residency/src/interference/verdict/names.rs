//! Whether the name system gives false answers.

use std::{collections::BTreeSet, net::IpAddr};

use super::scene::{Answer, Scene, Source, times, told};
use crate::interference::{Failure, measurement::Transport};

/// How often a false answer must have been given.
const FALSE_ANSWERS: usize = 2;
/// How often no answer must have been given, which loss alone can do.
const NO_ANSWERS: usize = 3;

/// The sentences that show it, if there are any.
pub(super) fn tampering(scene: &Scene<'_>) -> Option<Vec<String>> {
    let asked = [
        (Transport::System, "this machine's name server"),
        (Transport::Udp, "what comes back from the trusted name server in the clear (UDP)"),
        (Transport::Tcp, "what comes back from the trusted name server in the clear (TCP)"),
    ];
    asked.into_iter().find_map(|(transport, who)| one(scene, transport, who))
}

fn one(scene: &Scene<'_>, transport: Transport, who: &str) -> Option<Vec<String>> {
    let answers = scene.answers(transport);
    if answers.is_empty() {
        return None;
    }
    let (truth, source) = scene.truth();
    let given: BTreeSet<IpAddr> = answers.iter().flat_map(|answer| answer.addresses.iter().copied()).collect();
    let good = scene.good_at();
    let proven = source == Source::Sure || truth.iter().any(|address| good.contains(address));
    if given.is_empty() {
        return denied(scene, transport, who, &answers)
            .filter(|_| proven && !truth.is_empty() && source != Source::System)
            .map(|said| vec![said, format!("its true addresses are {}", told(&truth))]);
    }
    if given.iter().any(|address| {
        good.contains(address) || truth.iter().any(|true_one| near(*address, *true_one) && source == Source::Sure)
    }) {
        return None;
    }
    let count = answers.iter().filter(|answer| !answer.addresses.is_empty()).count();
    if count < FALSE_ANSWERS {
        return None;
    }
    let bogons: BTreeSet<IpAddr> = answers.iter().flat_map(|answer| answer.bogons.iter().copied()).collect();
    let host = &scene.measurement.target.host;
    if bogons == given {
        return Some(vec![format!(
            "{who} says {} that {host} is at {}, which is nowhere on the internet",
            times(count),
            told(&given)
        )]);
    }
    let others = source != Source::System && proven && truth.is_disjoint(&given);
    let refuted = refuted(scene, &given)?;
    others.then(|| {
        vec![
            format!(
                "{who} says {} that {host} is at {}; its true addresses are {}",
                times(count),
                told(&given),
                told(&truth)
            ),
            refuted,
        ]
    })
}

/// That the name is denied, or nobody answers for it alone.
fn denied(scene: &Scene<'_>, transport: Transport, who: &str, answers: &[Answer]) -> Option<String> {
    let host = &scene.measurement.target.host;
    let count = |wanted: &[Failure]| {
        answers.iter().filter_map(|answer| answer.failure.as_ref()).filter(|failure| wanted.contains(failure)).count()
    };
    let none = count(&[Failure::DnsNxdomain]);
    if none >= FALSE_ANSWERS {
        return Some(format!("{who} says {} that there is no {host}", times(none)));
    }
    let denied = count(&[Failure::DnsNxdomain, Failure::DnsNoAnswer, Failure::DnsRefused]);
    if denied >= FALSE_ANSWERS {
        return Some(format!("{who} denies {} that {host} has an address", times(denied)));
    }
    let failed = count(&[Failure::Timeout, Failure::DnsServfail, Failure::DnsMisbehaving]) + denied;
    // In the clear, a trusted name server is often not to be reached at all, whatever it is asked.
    if failed >= NO_ANSWERS && transport == Transport::System && scene.other_names_are_answered() {
        return Some(format!("{who} fails {} to answer for {host}, while it answers for other names", times(failed)));
    }
    None
}

/// What was found at the addresses that were given; none if too little was.
fn refuted(scene: &Scene<'_>, given: &BTreeSet<IpAddr>) -> Option<String> {
    let there = |address: &IpAddr| given.contains(address);
    let foreign: Vec<_> = scene
        .measurement
        .tls
        .iter()
        .filter(|handshake| there(&handshake.address.ip()) && handshake.invalid.is_some())
        .collect();
    if let Some(first) = foreign.first().filter(|_| foreign.len() >= FALSE_ANSWERS) {
        let reason = first.invalid.as_ref().map(ToString::to_string).unwrap_or_default();
        return Some(format!("whoever answers at {} has no certificate for it ({reason})", first.address));
    }
    let failed = scene
        .measurement
        .tcp
        .iter()
        .filter(|attempt| there(&attempt.address.ip()) && attempt.failure.is_some())
        .count()
        + scene
            .measurement
            .tls
            .iter()
            .filter(|handshake| there(&handshake.address.ip()) && handshake.failure.is_some())
            .count();
    (failed >= NO_ANSWERS)
        .then(|| format!("nobody who could be it answers at {}: {failed} attempts failed", told(given)))
}

/// Whether two addresses are in one network, as those of one host often are.
fn near(one: IpAddr, other: IpAddr) -> bool {
    match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => one.octets()[..3] == other.octets()[..3],
        (IpAddr::V6(one), IpAddr::V6(other)) => one.octets()[..6] == other.octets()[..6],
        _ => false,
    }
}
