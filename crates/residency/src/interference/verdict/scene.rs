//! What the parts of a verdict ask of a measurement.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
};

use super::company::Company;
use crate::interference::{
    Failure,
    measurement::{Control, DnsQuery, Measurement, Sni, TlsHandshake, Transport},
    outside::Outside,
};

/// Failed attempts before the network counts as down.
const ATTEMPTS: usize = 3;

pub(super) struct Scene<'a> {
    pub(super) measurement: &'a Measurement,
    pub(super) control: &'a Control,
    pub(super) outside: Option<&'a Outside>,
    /// What the run's targets have shown together.
    pub(super) company: &'a Company,
}

/// Whether this place's network works, by what nobody has a reason to block.
pub(super) enum Network {
    Works(String),
    Fails(String),
    Unclear,
}

/// What a name server said at one attempt: both kinds of address together.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) addresses: BTreeSet<IpAddr>,
    pub(super) bogons: BTreeSet<IpAddr>,
    pub(super) failure: Option<Failure>,
}

/// Where the addresses that are taken for the true ones come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From whoever cannot be forged.
    Sure,
    /// From a trusted name server, in the clear.
    Plain,
    /// From the machine's own name server alone.
    System,
}

impl<'a> Scene<'a> {
    pub(super) fn network(&self) -> Network {
        let mut by_address: BTreeMap<SocketAddr, (usize, usize)> = BTreeMap::new();
        for attempt in &self.control.tcp {
            let (good, all) = by_address.entry(attempt.address).or_default();
            *all += 1;
            *good += usize::from(attempt.failure.is_none());
        }
        if let Some((address, (good, all))) = by_address.iter().find(|(_, (good, all))| *good > 0 && good * 2 >= *all) {
            return Network::Works(format!(
                "meanwhile {address}, which nobody has a reason to block, was reached in {good} of {all} tries"
            ));
        }
        let attempts = self.control.tcp.len();
        let good: usize = by_address.values().map(|(good, _)| good).sum();
        if good == 0 && attempts >= ATTEMPTS {
            let hosts = by_address.len();
            return Network::Fails(format!(
                "none of {attempts} connections to {hosts} {} that nobody has a reason to block came about",
                if hosts == 1 { "address" } else { "addresses" }
            ));
        }
        Network::Unclear
    }

    /// Whether anything at all came from outside this machine.
    pub(super) fn anything_came(&self) -> bool {
        let trusted = |query: &DnsQuery| query.transport != Transport::System && query.failure.is_none();
        self.measurement.dns.iter().any(trusted)
            || self.measurement.tcp.iter().any(|attempt| attempt.failure.is_none())
            || self.measurement.tls.iter().any(|handshake| handshake.answered)
            || self.measurement.http.iter().any(|request| request.status.is_some())
    }

    /// What a kind of name server said, attempt by attempt.
    pub(super) fn answers(&self, transport: Transport) -> Vec<Answer> {
        answers(&self.measurement.dns, transport)
    }

    /// Whether the machine's own name server answers for other names.
    pub(super) fn other_names_are_answered(&self) -> bool {
        let answers = answers(&self.control.dns, Transport::System);
        let good = answers.iter().filter(|answer| !answer.addresses.is_empty()).count();
        good > 0 && good * 2 >= answers.len()
    }

    /// The addresses that are taken for the target's true ones.
    pub(super) fn truth(&self) -> (BTreeSet<IpAddr>, Source) {
        let said = |wanted: fn(Transport) -> bool| {
            let queries = self.measurement.dns.iter().filter(move |query| wanted(query.transport));
            queries.flat_map(|query| query.addresses.iter().copied()).collect::<BTreeSet<_>>()
        };
        let mut sure = said(Transport::is_authentic);
        sure.extend(&self.measurement.target.addresses);
        if let Some(outside) = self.outside {
            sure.extend(&outside.addresses);
        }
        if let Ok(literal) = self.measurement.target.host.parse() {
            sure.insert(literal);
        }
        if !sure.is_empty() {
            return (sure, Source::Sure);
        }
        let plain = said(|transport| matches!(transport, Transport::Udp | Transport::Tcp));
        if plain.is_empty() {
            (said(|transport| transport == Transport::System), Source::System)
        } else {
            (plain, Source::Plain)
        }
    }

    /// The addresses at which the target itself answered: with a certificate that is good for its name.
    pub(super) fn good_at(&self) -> BTreeSet<IpAddr> {
        self.measurement
            .tls
            .iter()
            .filter(|handshake| handshake.is_good())
            .map(|handshake| handshake.address.ip())
            .collect()
    }

    pub(super) fn handshakes(&self, address: SocketAddr, sni: Sni) -> impl Iterator<Item = &'a TlsHandshake> {
        self.measurement.tls.iter().filter(move |handshake| handshake.address == address && handshake.sni == sni)
    }

    /// Whether anything was reached by IPv6. Many networks have none, which is nobody's censorship.
    pub(super) fn has_ipv6(&self) -> bool {
        let attempts = self.control.tcp.iter().chain(&self.measurement.tcp);
        attempts.into_iter().any(|attempt| attempt.address.is_ipv6() && attempt.failure.is_none())
    }

    /// What is worth knowing, whatever the verdict.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let mut trusted: BTreeMap<(Transport, &str), (usize, usize, Option<&Failure>)> = BTreeMap::new();
        for query in self.measurement.dns.iter().filter(|query| query.transport != Transport::System && !query.ipv6) {
            let (good, all, failure) = trusted.entry((query.transport, &query.resolver)).or_default();
            *all += 1;
            *good += usize::from(!query.addresses.is_empty());
            *failure = query.failure.as_ref().or(*failure);
        }
        for ((transport, resolver), (good, _, failure)) in trusted {
            if let (0, Some(failure), true) = (good, failure, transport.is_authentic()) {
                notes.push(format!("the trusted name server {resolver} could not be asked: {failure}"));
            }
        }
        if self.measurement.unfinished {
            notes.push("the time was over before all was measured".to_owned());
        }
        notes
    }
}

/// Both kinds of address of one attempt at one name server, together.
fn answers(queries: &[DnsQuery], transport: Transport) -> Vec<Answer> {
    let mut answers: BTreeMap<(&str, &str, u8), Answer> = BTreeMap::new();
    for query in queries.iter().filter(|query| query.transport == transport) {
        let empty = || Answer { addresses: BTreeSet::new(), bogons: BTreeSet::new(), failure: None };
        let answer = answers.entry((&query.host, &query.resolver, query.attempt)).or_insert_with(empty);
        answer.addresses.extend(&query.addresses);
        answer.bogons.extend(&query.bogons);
        // That there is no address of one kind says nothing where there is one of the other.
        if let (None | Some(Failure::DnsNoAnswer), Some(failure)) = (&answer.failure, &query.failure) {
            answer.failure = Some(failure.clone());
        }
    }
    answers
        .into_values()
        .map(|answer| Answer { failure: answer.failure.filter(|_| answer.addresses.is_empty()), ..answer })
        .collect()
}

/// Addresses in a sentence.
pub(super) fn told(addresses: &BTreeSet<IpAddr>) -> String {
    const SHOWN: usize = 4;
    let shown: Vec<String> = addresses.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = addresses.len().saturating_sub(SHOWN);
    if more == 0 { shown.join(", ") } else { format!("{} and {more} more", shown.join(", ")) }
}

/// A number of times in a sentence.
pub(super) fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{more} times"),
    }
}
