//! One target: its name, its addresses, and what it answers. What goes well is done once; what fails is tried again, so that a lost packet is not
//! taken for more.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use domicile_residency::interference::{
    Failure,
    measurement::{DnsQuery, HttpRequest, Measurement, Sni, Target, TcpConnect, TlsHandshake, Transport},
};
use futures::future::{join, join_all};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::{Probe, dns::NameServers, http, lap::Lap, literal, tcp, tls};

/// How often what fails is tried.
const ROUNDS: usize = 3;
/// How long to wait before that.
const PAUSE: Duration = Duration::from_millis(300);
/// How often an answer that is not as it should be is asked for.
const ANSWERS: usize = 2;
/// Addresses that are tried.
const ADDRESSES: usize = 6;
/// Where people's browsers ask in the clear.
const PLAIN: u16 = 80;

/// A measurement that grows, so that it is there when time is over.
pub(super) type Growing = Mutex<Measurement>;

pub(super) async fn measure(probe: &Probe, lap: Lap, names: &NameServers, target: &Target, into: &Growing) {
    let literal = literal(&target.host);
    let first = if literal.is_none() { names.ask(lap, &target.host, 0).await } else { Vec::new() };
    let doubtful = literal.is_none() && is_doubtful(&first, target);
    let addresses = addresses(&first, target, literal);
    into.lock().dns.extend(first);
    let again = async {
        for attempt in 1..=2 {
            if doubtful {
                sleep(PAUSE).await;
                let more = names.ask(lap, &target.host, attempt).await;
                into.lock().dns.extend(more);
            }
        }
    };
    let ways =
        join_all(addresses.iter().map(|address| way(probe, lap, target, SocketAddr::new(*address, target.port), into)));
    let plain = async {
        if let (Some(address), None) = (addresses.first(), literal) {
            plain(probe, lap, target, SocketAddr::new(*address, PLAIN), into).await;
        }
    };
    join(again, join(ways, plain)).await;
}

/// Whether the name servers do not agree.
fn is_doubtful(first: &[DnsQuery], target: &Target) -> bool {
    let said = |wanted: &dyn Fn(Transport) -> bool| {
        let queries = first.iter().filter(|query| wanted(query.transport));
        queries.flat_map(|query| query.addresses.iter().copied()).collect::<BTreeSet<IpAddr>>()
    };
    let mut others = said(&|transport| transport.is_authentic());
    others.extend(&target.addresses);
    if others.is_empty() {
        others = said(&|transport| transport != Transport::System);
    }
    [Transport::System, Transport::Udp, Transport::Tcp].into_iter().any(|transport| {
        let asked = first.iter().any(|query| query.transport == transport);
        let said = said(&|one| one == transport);
        asked && (said.is_empty() || !others.is_empty() && said.is_disjoint(&others))
            || first.iter().any(|query| query.transport == transport && !query.bogons.is_empty())
    })
}

/// The addresses to try: what this machine's name server says first (that is where people here would go), then the others.
fn addresses(first: &[DnsQuery], target: &Target, literal: Option<IpAddr>) -> Vec<IpAddr> {
    let of = |wanted: fn(Transport) -> bool, most: usize| {
        let mut found: Vec<IpAddr> = Vec::new();
        for query in first.iter().filter(|query| wanted(query.transport)) {
            for address in &query.addresses {
                if !found.contains(address) && found.len() < most {
                    found.push(*address);
                }
            }
        }
        found
    };
    let system = of(|transport| transport == Transport::System, ADDRESSES / 2);
    let authentic = of(Transport::is_authentic, ADDRESSES);
    let plain = of(|transport| transport != Transport::System, ADDRESSES);
    let mut all: Vec<IpAddr> = Vec::new();
    for address in
        system.into_iter().chain(literal).chain(target.addresses.iter().copied()).chain(authentic).chain(plain)
    {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    all.truncate(ADDRESSES);
    all
}

/// The way to one address.
async fn way(probe: &Probe, lap: Lap, target: &Target, address: SocketAddr, into: &Growing) {
    let mut answered = 0;
    for round in 0..ROUNDS {
        if round > 0 {
            sleep(PAUSE).await;
        }
        let real = real(probe, lap, target, address);
        // The first time one after the other: on a slow line they would be in each other's way.
        let seen = if round == 0 {
            (real.await, None)
        } else {
            Box::pin(seen_with(real, others(probe, lap, target, address))).await
        };
        let ((connect, shaken, request), compared) = seen;
        let local = connect.failure.as_ref().is_some_and(Failure::is_local);
        let connected = connect.failure.is_none();
        let good = request.as_ref().is_some_and(|request| request.expected && request.secure);
        let strange = request.as_ref().is_some_and(|request| request.status.is_some() && request.secure);
        into.lock().tcp.push(connect);
        into.lock().tls.extend(shaken);
        into.lock().http.extend(request);
        answered += usize::from(strange);
        let compared = match compared {
            None if connected => Some(others(probe, lap, target, address).await),
            other => other,
        };
        note(into, compared);
        if good || local || answered >= ANSWERS {
            return;
        }
    }
}

type Compared = Vec<(TcpConnect, Option<TlsHandshake>)>;
type Real = (TcpConnect, Option<TlsHandshake>, Option<HttpRequest>);

async fn seen_with(
    real: impl Future<Output = Real>,
    others: impl Future<Output = Compared>,
) -> (Real, Option<Compared>) {
    let (real, others) = join(real, others).await;
    (real, Some(others))
}

fn note(into: &Growing, compared: Option<Compared>) {
    let mut into = into.lock();
    for (connect, shaken) in compared.into_iter().flatten() {
        into.tcp.push(connect);
        into.tls.extend(shaken);
    }
}

/// As a client goes.
async fn real(probe: &Probe, lap: Lap, target: &Target, address: SocketAddr) -> Real {
    let (connect, stream) = tcp::connect(&probe.guard, lap, address).await;
    let Some(stream) = stream else { return (connect, None, None) };
    let (shaken, stream) = tls::handshake(probe, lap, stream, (address, &target.host, Sni::Real)).await;
    let Some(stream) = stream else { return (connect, Some(shaken), None) };
    let secure = shaken.is_good();
    let question = http::Question { target, url: target.url(), path: &target.path, address, secure };
    let request = http::ask(lap, stream, question).await;
    (connect, Some(shaken), Some(request))
}

/// With another name, and with none.
async fn others(probe: &Probe, lap: Lap, target: &Target, address: SocketAddr) -> Compared {
    let one = |sni: Sni| async move {
        let (connect, stream) = tcp::connect(&probe.guard, lap, address).await;
        match stream {
            Some(stream) => {
                let (shaken, _) = tls::handshake(probe, lap, stream, (address, &target.host, sni)).await;
                (connect, Some(shaken))
            }
            None => (connect, None),
        }
    };
    let (neutral, none) = join(one(Sni::Neutral), one(Sni::None)).await;
    vec![neutral, none]
}

/// In the clear, where whoever stands between may put a page of their own.
async fn plain(probe: &Probe, lap: Lap, target: &Target, address: SocketAddr, into: &Growing) {
    for round in 0..ANSWERS {
        if round > 0 {
            sleep(PAUSE).await;
        }
        let (_, stream) = tcp::connect(&probe.guard, lap, address).await;
        let Some(stream) = stream else { return };
        let url = format!("http://{}/", target.host);
        let named = Target { port: PLAIN, ..target.clone() };
        let question = http::Question { target: &named, url, path: "/", address, secure: false };
        let request = http::ask(lap, stream, question).await;
        into.lock().http.push(request);
    }
}
