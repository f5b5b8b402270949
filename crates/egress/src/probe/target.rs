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

use super::{
    Probe,
    dns::NameServers,
    http,
    lap::Lap,
    line::{Line, Lines},
    literal, tcp, tls,
};

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

pub(super) async fn measure(
    probe: &Probe,
    lap: Lap,
    (names, lines): (&NameServers, &Lines),
    target: &Target,
    into: &Growing,
) {
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
    let ways = join_all(addresses.iter().map(|address| async move {
        let line = lines.of(*address);
        let way = Way { probe, lap, target, address: SocketAddr::new(*address, target.port), line: &line };
        way.go(into).await;
    }));
    let plain = async {
        if let (Some(address), None) = (addresses.first(), literal) {
            let line = lines.of(*address);
            let way = Way { probe, lap, target, address: SocketAddr::new(*address, PLAIN), line: &line };
            way.plain(into).await;
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

type Compared = Vec<(TcpConnect, Option<TlsHandshake>)>;
type Real = (TcpConnect, Option<TlsHandshake>, Option<HttpRequest>);

/// The way to one address.
struct Way<'w> {
    probe: &'w Probe,
    lap: Lap,
    target: &'w Target,
    address: SocketAddr,
    line: &'w Line,
}

impl Way<'_> {
    async fn go(&self, into: &Growing) {
        let mut answered = 0;
        for round in 0..ROUNDS {
            if round > 0 {
                sleep(PAUSE).await;
            }
            // The first time one after the other: on a slow line they would be in each other's way.
            let ((connect, shaken, request), compared) = if round == 0 {
                (self.real().await, None)
            } else {
                let (real, others) = Box::pin(join(self.real(), self.others())).await;
                (real, Some(others))
            };
            let local = connect.failure.as_ref().is_some_and(Failure::is_local);
            let connected = connect.failure.is_none();
            let shown = shaken.as_ref().is_some_and(TlsHandshake::is_good);
            let good = request.as_ref().is_some_and(|request| request.expected && request.secure);
            let strange = request.as_ref().is_some_and(|request| request.status.is_some() && request.secure);
            into.lock().tcp.push(connect);
            into.lock().tls.extend(shaken);
            into.lock().http.extend(request);
            answered += usize::from(strange);
            let compared = match compared {
                // Where the target itself has answered, other names are of use for comparison only.
                None if connected && (!shown || self.line.is_to_be_compared()) => Some(self.others().await),
                other => other,
            };
            note(into, compared);
            if good || local || answered >= ANSWERS {
                return;
            }
        }
    }

    /// As a client goes.
    async fn real(&self) -> Real {
        let _place = self.line.enter().await;
        let Self { probe, lap, target, address, line } = self;
        let shaking = async {
            let (connect, stream) = tcp::connect(&probe.guard, *lap, *address).await;
            let Some(stream) = stream else { return (connect, None) };
            let whom = (*address, target.host.as_str(), Sni::Real);
            (connect, Some(tls::handshake(probe, *lap, (stream, line.counter()), whom).await))
        };
        let (connect, shaken) = line.watched(shaking).await;
        line.judge(&connect, shaken.as_ref().map(|(shaken, _)| shaken));
        let Some((shaken, stream)) = shaken else { return (connect, None, None) };
        let Some(stream) = stream else { return (connect, Some(shaken), None) };
        let secure = shaken.is_good();
        let question = http::Question { target, url: target.url(), path: &target.path, address: *address, secure };
        let request = http::ask(*lap, stream, question).await;
        (connect, Some(shaken), Some(request))
    }

    /// With another name, and with none.
    async fn others(&self) -> Compared {
        let _place = self.line.enter().await;
        let Self { probe, lap, target, address, line } = self;
        let one = |sni: Sni| async move {
            let (connect, stream) = tcp::connect(&probe.guard, *lap, *address).await;
            match stream {
                Some(stream) => {
                    let whom = (*address, target.host.as_str(), sni);
                    let (shaken, _) = tls::handshake(probe, *lap, (stream, line.counter()), whom).await;
                    (connect, Some(shaken))
                }
                None => (connect, None),
            }
        };
        let (neutral, none) = join(one(Sni::Neutral), one(Sni::None)).await;
        vec![neutral, none]
    }

    /// In the clear, where whoever stands between may put a page of their own.
    async fn plain(&self, into: &Growing) {
        for round in 0..ANSWERS {
            if round > 0 {
                sleep(PAUSE).await;
            }
            let _place = self.line.enter().await;
            let (_, stream) = tcp::connect(&self.probe.guard, self.lap, self.address).await;
            let Some(stream) = stream else { return };
            let url = format!("http://{}/", self.target.host);
            let named = Target { port: PLAIN, ..self.target.clone() };
            let question = http::Question { target: &named, url, path: "/", address: self.address, secure: false };
            let request = http::ask(self.lap, stream, question).await;
            into.lock().http.push(request);
        }
    }
}

fn note(into: &Growing, compared: Option<Compared>) {
    let mut into = into.lock();
    for (connect, shaken) in compared.into_iter().flatten() {
        into.tcp.push(connect);
        into.tls.extend(shaken);
    }
}
