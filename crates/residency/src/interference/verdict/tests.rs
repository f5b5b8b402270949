//! Each kind with the least that shows it, and what must not show it.

mod properties;
mod unfinished;

use std::net::{IpAddr, SocketAddr};

use super::{Kind, Past, Verdict, judge};
use crate::interference::{
    Failure,
    measurement::{
        Certificate, Control, DnsQuery, Download, HttpRequest, Measurement, Run, Sni, Span, Target, TcpConnect,
        TlsHandshake, Transport,
    },
    outside::{Outside, Seen},
    report::Report,
};

const TRUE: &str = "192.0.2.10:443";
const FORGED: &str = "198.51.100.66:443";
const CONTROL: &str = "192.0.2.99:443";

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn ip(address: &str) -> IpAddr {
    at(address).ip()
}

fn dns(transport: Transport, attempt: u8, said: Result<&str, Failure>) -> DnsQuery {
    DnsQuery {
        host: "m.example".to_owned(),
        attempt,
        transport,
        resolver: if transport == Transport::System { String::new() } else { "dns.example".to_owned() },
        ipv6: false,
        failure: said.as_ref().err().cloned(),
        addresses: said.ok().map(ip).into_iter().collect(),
        bogons: Vec::new(),
        when: Span::default(),
    }
}

fn tcp(address: &str, failure: Option<Failure>) -> TcpConnect {
    TcpConnect { address: at(address), failure, when: Span::default() }
}

fn tls(address: &str, sni: Sni, failure: Option<Failure>) -> TlsHandshake {
    TlsHandshake {
        address: at(address),
        sni,
        server_name: None,
        answered: failure.is_none(),
        received: 1_200,
        failure,
        alert: None,
        invalid: None,
        chain: vec![Certificate { sha256: "true".to_owned(), ..Certificate::default() }],
        version: None,
        cipher: None,
        when: Span::default(),
    }
}

fn foreign(address: &str, sni: Sni) -> TlsHandshake {
    let mut handshake = tls(address, sni, None);
    handshake.invalid = Some(Failure::SslUnknownAuthority);
    handshake.chain[0] =
        Certificate { sha256: "false".to_owned(), issuer: "CN=\"Ministry\"\n".to_owned(), ..Certificate::default() };
    handshake
}

fn asked(secure: bool, status: u16, expected: bool) -> HttpRequest {
    let scheme = if secure { "https" } else { "http" };
    HttpRequest {
        url: format!("{scheme}://m.example/"),
        secure,
        status: Some(status),
        expected,
        title: Some("Blocked".to_owned()),
        ..HttpRequest::default()
    }
}

fn fetched(rate: u64) -> Download {
    Download { bytes: rate, when: Span { at_ms: 0, took_ms: 1_000 }, ..Download::default() }
}

fn control() -> Control {
    Control {
        dns: vec![dns(Transport::System, 0, Ok(CONTROL))],
        tcp: vec![tcp(CONTROL, None), tcp(CONTROL, None)],
        downloads: Vec::new(),
    }
}

fn down_network() -> Control {
    Control { dns: Vec::new(), tcp: vec![tcp(CONTROL, Some(Failure::Timeout)); 4], downloads: Vec::new() }
}

fn outside(works: bool) -> Outside {
    Outside {
        host: "m.example".to_owned(),
        port: 443,
        works,
        reached: if works { vec![ip(TRUE)] } else { Vec::new() },
        addresses: vec![ip(TRUE)],
        certificates: if works { vec!["true".to_owned()] } else { Vec::new() },
        ..Outside::default()
    }
}

/// All is well.
fn well() -> Measurement {
    Measurement {
        target: Target { host: "m.example".to_owned(), port: 443, path: "/".to_owned(), ..Target::default() },
        dns: vec![dns(Transport::System, 0, Ok(TRUE)), dns(Transport::Https, 0, Ok(TRUE))],
        tcp: vec![tcp(TRUE, None); 3],
        tls: vec![tls(TRUE, Sni::Real, None), tls(TRUE, Sni::Neutral, None), tls(TRUE, Sni::None, None)],
        http: vec![asked(true, 200, true)],
        ..Measurement::default()
    }
}

/// With three handshakes of the true name that failed.
fn named(failure: &Failure) -> Measurement {
    let mut seen = well();
    seen.tls.retain(|handshake| handshake.sni != Sni::Real);
    seen.tls.extend(vec![tls(TRUE, Sni::Real, Some(failure.clone())); 3]);
    seen.http.clear();
    seen
}

fn named_servers(system: [Result<&str, Failure>; 3]) -> Measurement {
    let mut seen = well();
    seen.dns.retain(|query| query.transport != Transport::System);
    seen.dns.extend((0..).zip(system).map(|(attempt, said)| dns(Transport::System, attempt, said)));
    seen
}

fn unreached(failure: &Failure) -> Measurement {
    let mut seen = well();
    (seen.tcp, seen.tls, seen.http) = (vec![tcp(TRUE, Some(failure.clone())); 3], Vec::new(), Vec::new());
    seen
}

fn kind(seen: &Measurement) -> Kind {
    judge(seen, &control(), None, &[]).kind
}

fn seen_from_elsewhere(seen: &Measurement, works: bool) -> Verdict {
    judge(seen, &control(), Some(&outside(works)), &[])
}

#[test]
fn what_works_is_ok() {
    assert_eq!(kind(&well()), Kind::Ok);
    assert_eq!(seen_from_elsewhere(&well(), false).kind, Kind::Ok, "what is seen here needs no other's word");
    assert_eq!(judge(&well(), &Control::default(), None, &[]).kind, Kind::Ok, "nor a control");
}

#[test]
fn forged_answers() {
    let mut seen = named_servers([Ok(FORGED), Ok(FORGED), Ok(FORGED)]);
    assert_eq!(kind(&seen), Kind::Ok, "it was not looked at who is there");
    seen.tls.extend([foreign(FORGED, Sni::Real), foreign(FORGED, Sni::Real)]);
    assert_eq!(kind(&seen), Kind::DnsTampering);
    let mut dead = named_servers([Ok(FORGED), Ok(FORGED), Ok(FORGED)]);
    dead.tcp.extend(vec![tcp(FORGED, Some(Failure::Timeout)); 3]);
    assert_eq!(kind(&dead), Kind::DnsTampering);
    // Somebody with a good certificate is there: a host has many addresses.
    seen.tls.push(tls(FORGED, Sni::Real, None));
    assert_eq!(kind(&seen), Kind::Ok);
    let mut bogon = named_servers([Ok("10.10.34.35:443"), Ok("10.10.34.35:443"), Ok("10.10.34.35:443")]);
    for query in bogon.dns.iter_mut().filter(|query| query.transport == Transport::System) {
        query.bogons.clone_from(&query.addresses);
    }
    let verdict = judge(&bogon, &control(), None, &[]);
    assert_eq!(verdict.kind, Kind::DnsTampering);
    assert!(verdict.evidence[0].contains("10.10.34.35"), "{:?}", verdict.evidence);
}

#[test]
fn denied_names() {
    let none = || Err(Failure::DnsNxdomain);
    assert_eq!(kind(&named_servers([none(), none(), none()])), Kind::DnsTampering);
    assert_eq!(kind(&named_servers([none(), Ok(TRUE), Ok(TRUE)])), Kind::Ok);
    let slow = || Err(Failure::Timeout);
    assert_eq!(kind(&named_servers([slow(), slow(), slow()])), Kind::DnsTampering, "other names are answered");
    let mut others_too = control();
    others_too.dns = vec![dns(Transport::System, 0, Err(Failure::Timeout))];
    assert_eq!(judge(&named_servers([slow(), slow(), slow()]), &others_too, None, &[]).kind, Kind::Ok);
    // If nobody knows a true address, a name that is denied may just not be there.
    let mut unknown = named_servers([none(), none(), none()]);
    unknown.dns.retain(|query| query.transport == Transport::System);
    (unknown.tcp, unknown.tls, unknown.http) = (Vec::new(), Vec::new(), Vec::new());
    assert_eq!(kind(&unknown), Kind::Inconclusive);
    assert_eq!(seen_from_elsewhere(&unknown, true).kind, Kind::DnsTampering);
}

#[test]
fn only_another_place_can_tell_a_blocked_address_from_a_dead_server() {
    for failure in [Failure::Timeout, Failure::HostUnreachable, Failure::ConnectionRefused] {
        let seen = unreached(&failure);
        assert_eq!(kind(&seen), Kind::Inconclusive, "{failure}");
        assert_eq!(seen_from_elsewhere(&seen, true).kind, Kind::AddressBlocked, "{failure}");
        assert_eq!(seen_from_elsewhere(&seen, false).kind, Kind::Down, "{failure}");
    }
    let mut twice = unreached(&Failure::Timeout);
    twice.tcp.pop();
    assert_eq!(seen_from_elsewhere(&twice, true).kind, Kind::Inconclusive, "two losses are no block");
    assert_eq!(kind(&unreached(&Failure::NetworkUnreachable)), Kind::Inconclusive);
}

#[test]
fn two_places_that_reach_nobody_agree_that_it_is_down() {
    let run = |measurement: Measurement| Run { control: control(), measurements: vec![measurement], ..Run::default() };
    let there = Report::of(run(unreached(&Failure::Timeout)), &[], |_| Vec::new());
    assert_eq!(there.verdicts[0].kind, Kind::Inconclusive);
    let here = Report::of(run(unreached(&Failure::Timeout)), &there.outside(), |_| Vec::new());
    assert_eq!(here.verdicts[0].kind, Kind::Down);
    let well = Report::of(run(well()), &[], |_| Vec::new());
    let both: Vec<Outside> = there.outside().into_iter().chain(well.outside()).collect();
    let here = Report::of(run(unreached(&Failure::Timeout)), &both, |_| Vec::new());
    assert_eq!(here.verdicts[0].kind, Kind::AddressBlocked, "it works in a third place");
    assert!(Report::of(run(named(&Failure::ConnectionReset)), &[], |_| Vec::new()).outside().is_empty());
}

#[test]
fn an_address_that_answers_another_target_is_not_blocked() {
    let run = |measurements: Vec<Measurement>| Run { control: control(), measurements, ..Run::default() };
    let elsewhere = Report::of(run(vec![well()]), &[], |_| Vec::new()).outside();
    let kinds = |measurements| {
        let report = Report::of(run(measurements), &elsewhere, |_| Vec::new());
        report.verdicts.iter().map(|verdict| verdict.kind).collect::<Vec<_>>()
    };
    let unreached = || unreached(&Failure::Timeout);
    assert_eq!(kinds(vec![unreached(), unreached()]), [Kind::AddressBlocked; 2]);
    assert_eq!(kinds(vec![unreached(), well()]), [Kind::Inconclusive, Kind::Ok]);
}

#[test]
fn the_name_in_the_handshake() {
    assert_eq!(kind(&named(&Failure::ConnectionReset)), Kind::SniReset);
    assert_eq!(kind(&named(&Failure::Timeout)), Kind::SniDropped);
    for failure in [Failure::ConnectionReset, Failure::Timeout] {
        let mut every = named(&failure);
        every.tls = vec![tls(TRUE, Sni::Real, Some(failure.clone())); 3];
        every.tls.extend(vec![tls(TRUE, Sni::Neutral, Some(failure.clone())); 3]);
        assert_eq!(kind(&every), Kind::Inconclusive, "{failure}");
        assert_eq!(seen_from_elsewhere(&every, true).kind, Kind::AddressBlocked, "{failure}");
        let mut once = named(&failure);
        once.tls.push(tls(TRUE, Sni::Real, None));
        once.http.push(asked(true, 200, true));
        assert_eq!(kind(&once), Kind::Ok, "{failure}");
    }
    let mut slow = named(&Failure::Timeout);
    for handshake in &mut slow.tls {
        handshake.answered = true;
    }
    assert_eq!(kind(&slow), Kind::Inconclusive, "what is answered slowly is not dropped");
}

#[test]
fn somebody_elses_certificate() {
    let mut seen = well();
    seen.tls = vec![foreign(TRUE, Sni::Real), foreign(TRUE, Sni::Real)];
    seen.http.clear();
    assert_eq!(kind(&seen), Kind::Inconclusive, "it may be the operator's own");
    let verdict = seen_from_elsewhere(&seen, true);
    assert_eq!(verdict.kind, Kind::TlsMitm);
    assert!(verdict.evidence.iter().all(|said| !said.contains('\n')), "{verdict:?}");
    let mut own = outside(true);
    own.certificates = vec!["false".to_owned()];
    assert_eq!(judge(&seen, &control(), Some(&own), &[]).kind, Kind::Down);
    seen.tls.push(tls(TRUE, Sni::None, None));
    assert_eq!(kind(&seen), Kind::TlsMitm, "the true certificate comes when no name is said");
}

#[test]
fn somebody_elses_page() {
    let mut seen = well();
    seen.http.push(asked(false, 200, false));
    assert_eq!(seen_from_elsewhere(&seen, true).kind, Kind::Ok, "once");
    seen.http.push(asked(false, 200, false));
    assert_eq!(kind(&seen), Kind::Ok, "only elsewhere it is known that nothing should answer");
    assert_eq!(seen_from_elsewhere(&seen, true).kind, Kind::BlockPage);
    let mut same = outside(true);
    same.plain = Some(Seen { status: 200, title: Some("Blocked".to_owned()), ..Seen::default() });
    assert_eq!(judge(&seen, &control(), Some(&same), &[]).kind, Kind::Ok);
    seen.http = vec![asked(true, 200, true), asked(false, 451, false), asked(false, 451, false)];
    assert_eq!(kind(&seen), Kind::BlockPage, "it says so itself");
}

#[test]
fn speeds() {
    let mut seen = well();
    let mut beside = control();
    seen.downloads = vec![fetched(1_000); 3];
    beside.downloads = vec![fetched(100_000); 3];
    let fast = vec![Past { at_ms: 0, rate: 90_000, control_rate: 110_000 }; 3];
    let judged = |seen: &Measurement, beside: &Control, past: &[Past]| judge(seen, beside, None, past).kind;
    assert_eq!(judged(&seen, &beside, &fast), Kind::Throttled);
    assert_eq!(judged(&seen, &beside, &fast[..2]), Kind::Inconclusive, "one run cannot decide it");
    let slow = vec![Past { at_ms: 0, rate: 1_200, control_rate: 110_000 }; 3];
    assert_eq!(judged(&seen, &beside, &slow), Kind::Inconclusive, "it was always so");
    let faster = vec![Past { at_ms: 0, rate: 90_000, control_rate: 9_000_000 }; 3];
    assert_eq!(judged(&seen, &beside, &faster), Kind::Inconclusive, "all is slower");
    // Of two that are as fast as can be told, none is slower.
    let instant = vec![Past { at_ms: 0, rate: 65_536_000, control_rate: 65_536_000 }; 3];
    beside.downloads = vec![fetched(2_340_571); 3];
    assert_eq!(judged(&seen, &beside, &instant), Kind::Throttled);
    beside.downloads = vec![fetched(100_000); 3];
    assert_eq!(judged(&seen, &beside, &instant), Kind::Inconclusive, "a slow hour of all");
    beside.downloads[1] = fetched(4_000);
    assert_eq!(judged(&seen, &beside, &fast), Kind::Ok, "the control is slow, too");
    beside.downloads[1] = fetched(100_000);
    seen.downloads[2] = fetched(40_000);
    assert_eq!(judged(&seen, &beside, &fast), Kind::Ok);
}

/// Runs of several names at one address, of which some have downloads, and each has a handshake that took so long, in milliseconds.
fn names_at_one_address(names: &[(&[u64], u32)], control_rates: &[u64], earlier: &[Past]) -> Vec<Kind> {
    let measurements = names.iter().map(|(rates, took_ms)| {
        let mut seen = well();
        let when = Span { at_ms: 0, took_ms: *took_ms };
        seen.tls = vec![TlsHandshake { when, ..tls(TRUE, Sni::Real, None) }];
        seen.downloads = rates.iter().map(|rate| Download { address: Some(at(TRUE)), ..fetched(*rate) }).collect();
        seen
    });
    let beside = Control { downloads: control_rates.iter().map(|rate| fetched(*rate)).collect(), ..control() };
    let run = Run { control: beside, measurements: measurements.collect(), ..Run::default() };
    let report = Report::of(run, &[], |_| earlier.to_vec());
    report.verdicts.iter().map(|verdict| verdict.kind).collect()
}

#[test]
fn many_names_of_one_host_share_what_tells_a_speed() {
    let earlier = vec![Past { at_ms: 0, rate: 90_000, control_rate: 110_000 }; 3];
    let fast = [100_000; 3];
    let one: &[u64] = &[1_000];
    let held = [(one, 900), (one, 950), (one, 920), (&[][..], 980), (&[][..], 1_400)];
    assert_eq!(names_at_one_address(&held, &fast, &earlier), [Kind::Throttled; 5]);
    // A name that is not held back itself, though its neighbours are.
    let mut some = held;
    some[3] = (&[][..], 40);
    some[4] = (&[60_000][..], 40);
    let kinds = names_at_one_address(&some, &fast, &earlier);
    assert_eq!(kinds, [Kind::Ok; 5], "its address is not held back: one download was fast");
    some[4] = (&[][..], 399);
    let kinds = names_at_one_address(&some, &fast, &earlier);
    assert_eq!(kinds, [Kind::Throttled, Kind::Throttled, Kind::Throttled, Kind::Ok, Kind::Ok]);
    // Too few, or what is compared with is as slow, or was.
    assert_eq!(names_at_one_address(&held[1..], &fast, &earlier)[..2], [Kind::Ok; 2], "two downloads are too few");
    assert_eq!(names_at_one_address(&held, &[100_000, 5_000, 100_000], &earlier), [Kind::Ok; 5]);
    assert_eq!(names_at_one_address(&held, &fast, &earlier[..2]), [Kind::Inconclusive; 5]);
    let slower = vec![Past { at_ms: 0, rate: 90_000, control_rate: 9_000_000 }; 3];
    assert_eq!(names_at_one_address(&held, &fast, &slower), [Kind::Inconclusive; 5], "all is slower");
    let always = vec![Past { at_ms: 0, rate: 1_100, control_rate: 110_000 }; 3];
    assert_eq!(names_at_one_address(&held, &fast, &always), [Kind::Inconclusive; 5], "it was always so");
}

#[test]
fn what_the_server_itself_says() {
    let mut seen = well();
    seen.http = vec![asked(true, 502, false)];
    assert_eq!(kind(&seen), Kind::Inconclusive);
    seen.http.push(asked(true, 502, false));
    assert_eq!(kind(&seen), Kind::Down);
}

#[test]
fn a_network_that_is_down() {
    let mut seen = unreached(&Failure::Timeout);
    seen.dns = (0..3).map(|attempt| dns(Transport::System, attempt, Err(Failure::Timeout))).collect();
    let verdict = judge(&seen, &down_network(), Some(&outside(true)), &[]);
    assert_eq!(verdict.kind, Kind::NetworkDown);
    // Something came, so not everything is down; and who interferes cannot be said either.
    seen.dns.push(dns(Transport::Https, 0, Ok(TRUE)));
    assert_eq!(judge(&seen, &down_network(), Some(&outside(true)), &[]).kind, Kind::Inconclusive);
    assert_eq!(judge(&Measurement::default(), &Control::default(), None, &[]).kind, Kind::Inconclusive);
}

#[test]
fn one_of_two_addresses() {
    let mut seen = well();
    seen.dns.push(dns(Transport::Tls, 0, Ok("192.0.2.11:443")));
    seen.tcp.extend(vec![tcp("192.0.2.11:443", Some(Failure::Timeout)); 3]);
    assert_eq!(kind(&seen), Kind::Ok, "a dead one beside a good one is the operator's matter");
    let mut both = outside(true);
    both.reached.push(ip("192.0.2.11:443"));
    let verdict = judge(&seen, &control(), Some(&both), &[]);
    assert_eq!(verdict.kind, Kind::AddressBlocked);
    assert!(verdict.evidence.iter().any(|said| said.contains("1 of 2")), "{verdict:?}");
}
