//! A report in OONI's layout: one JSON object for each target, whose `test_keys` follow the data formats df-001 (HTTP), df-002 (DNS), df-005 (TCP),
//! df-006 (TLS) and df-008 (network events), with the failures of df-007, in the envelope of df-000 as its probe writes it today.

use serde_json::{Value, json};

use super::{
    measurement::{DnsQuery, HttpRequest, Measurement, Run, Sni, Span, TcpConnect, TlsHandshake, Transport},
    report::Report,
    verdict::{Kind, Verdict},
};

/// The test's name and version in the files.
pub const TEST_NAME: &str = "domicile_probe";
/// The version of what is measured and how.
pub const TEST_VERSION: &str = "0.1.0";

/// One object for each target. `software_version` is the program's.
pub fn measurements(report: &Report, software_version: &str) -> Vec<Value> {
    report.judged().map(|(measurement, verdict)| one(&report.run, measurement, verdict, software_version)).collect()
}

fn one(run: &Run, measurement: &Measurement, verdict: &Verdict, software_version: &str) -> Value {
    let started = timestamp(run.started_ms);
    json!({
        "annotations": { "domicile_verdict": verdict.kind.name() },
        "data_format_version": "0.2.0",
        "input": measurement.target.url(),
        "measurement_start_time": started,
        // Nobody's address is in it; these are the values with which OONI's own probe says so.
        "probe_asn": run.vantage.network.as_deref().unwrap_or("AS0"),
        "probe_cc": run.vantage.country.as_deref().unwrap_or("ZZ"),
        "probe_ip": "127.0.0.1",
        "probe_network_name": "",
        "report_id": "",
        "resolver_asn": "AS0",
        "resolver_ip": "127.0.0.2",
        "resolver_network_name": "",
        "software_name": "domicile",
        "software_version": software_version,
        "test_keys": test_keys(run, measurement, verdict),
        "test_name": TEST_NAME,
        "test_runtime": seconds(run.took_ms),
        "test_start_time": started,
        "test_version": TEST_VERSION,
    })
}

fn test_keys(run: &Run, measurement: &Measurement, verdict: &Verdict) -> Value {
    let mut connections = 0_u64;
    let mut next = || {
        connections += 1;
        connections
    };
    let tcp: Vec<(u64, &TcpConnect)> = measurement.tcp.iter().map(|attempt| (next(), attempt)).collect();
    let controls: Vec<(u64, &TcpConnect)> = run.control.tcp.iter().map(|attempt| (next(), attempt)).collect();
    let mut events: Vec<Value> = tcp.iter().chain(&controls).map(|(id, attempt)| connect_event(*id, attempt)).collect();
    for download in &measurement.downloads {
        let id = next();
        events.extend(download.reads.iter().map(|(at_ms, bytes)| {
            json!({
                "conn_id": id, "failure": null, "num_bytes": bytes, "operation": "read", "proto": "tcp",
                "t": seconds(download.when.at_ms.saturating_add(*at_ms)), "tags": ["download"],
            })
        }));
    }
    json!({
        "agent": "agent",
        "client_resolver": "127.0.0.2",
        "control_failure": null,
        "queries": measurement.dns.iter().chain(&run.control.dns).map(query).collect::<Vec<_>>(),
        "tcp_connect": tcp.iter().chain(&controls).map(|(id, attempt)| connect(*id, attempt)).collect::<Vec<_>>(),
        "tls_handshakes": measurement.tls.iter().map(handshake).collect::<Vec<_>>(),
        "requests": measurement.http.iter().map(request).collect::<Vec<_>>(),
        "network_events": events,
        "blocking": blocking(verdict.kind),
        "accessible": accessible(verdict.kind),
        "domicile": verdict,
    })
}

/// The words that OONI's test of web sites has for it.
fn blocking(kind: Kind) -> Value {
    match kind {
        Kind::Ok | Kind::Down => json!(false),
        Kind::DnsTampering => json!("dns"),
        Kind::AddressBlocked => json!("tcp_ip"),
        Kind::SniReset | Kind::SniDropped | Kind::TlsMitm => json!("http-failure"),
        Kind::BlockPage => json!("http-diff"),
        Kind::Throttled | Kind::NetworkDown | Kind::Inconclusive => Value::Null,
    }
}

fn accessible(kind: Kind) -> Value {
    match kind {
        Kind::Ok | Kind::Throttled => json!(true),
        Kind::NetworkDown | Kind::Inconclusive => Value::Null,
        _ => json!(false),
    }
}

fn seconds(ms: u32) -> f64 {
    f64::from(ms) / 1_000.0
}

fn began(when: Span) -> f64 {
    seconds(when.at_ms)
}

fn ended(when: Span) -> f64 {
    seconds(when.at_ms.saturating_add(when.took_ms))
}

fn query(query: &DnsQuery) -> Value {
    let engine = match query.transport {
        // It is no getaddrinfo, but asks the servers that this machine is set up to ask.
        Transport::System => "system",
        Transport::Udp => "udp",
        Transport::Tcp => "tcp",
        Transport::Tls => "dot",
        Transport::Https => "doh",
    };
    let answers: Vec<Value> = query
        .addresses
        .iter()
        .map(|address| {
            let (kind, key) = if address.is_ipv4() { ("A", "ipv4") } else { ("AAAA", "ipv6") };
            json!({ "answer_type": kind, key: address, "ttl": null })
        })
        .collect();
    json!({
        "answers": answers,
        "engine": engine,
        "failure": query.failure,
        "hostname": query.host,
        "query_type": if query.ipv6 { "AAAA" } else { "A" },
        "resolver_address": query.resolver,
        "resolver_hostname": null,
        "resolver_port": null,
        "t0": began(query.when),
        "t": ended(query.when),
    })
}

fn connect(id: u64, attempt: &TcpConnect) -> Value {
    json!({
        "conn_id": id,
        "ip": attempt.address.ip(),
        "port": attempt.address.port(),
        "status": { "failure": attempt.failure, "success": attempt.failure.is_none() },
        "t0": began(attempt.when),
        "t": ended(attempt.when),
    })
}

fn connect_event(id: u64, attempt: &TcpConnect) -> Value {
    json!({
        "address": attempt.address, "conn_id": id, "failure": attempt.failure, "operation": "connect", "proto": "tcp",
        "t0": began(attempt.when), "t": ended(attempt.when),
    })
}

fn handshake(handshake: &TlsHandshake) -> Value {
    let certificates = handshake.chain.iter().filter(|certificate| !certificate.der.is_empty());
    let tag = match handshake.sni {
        Sni::Real => "sni_real",
        Sni::Neutral => "sni_neutral",
        Sni::None => "sni_none",
    };
    json!({
        "address": handshake.address,
        "cipher_suite": handshake.cipher.as_deref().unwrap_or_default(),
        "failure": handshake.failure.as_ref().or(handshake.invalid.as_ref()),
        "negotiated_protocol": "",
        // A bad certificate does not end the handshake, but is its failure all the same.
        "no_tls_verify": false,
        "peer_certificates": certificates.map(|certificate| json!({ "data": certificate.der, "format": "base64" })).collect::<Vec<_>>(),
        "server_name": handshake.server_name.as_deref().unwrap_or_default(),
        "t0": began(handshake.when),
        "t": ended(handshake.when),
        "tags": [tag],
        "tls_version": handshake.version.as_deref().unwrap_or_default(),
    })
}

fn request(request: &HttpRequest) -> Value {
    let pairs: Vec<Value> = request.headers.iter().map(|(name, value)| json!([name, value])).collect();
    let mut headers = serde_json::Map::new();
    for (name, value) in &request.headers {
        headers.entry(name.clone()).or_insert_with(|| json!(value));
    }
    json!({
        "address": request.address,
        "failure": request.failure,
        "request": {
            "body": "", "body_is_truncated": false, "headers": {}, "headers_list": [], "method": "GET",
            "tor": { "exit_ip": null, "exit_name": null, "is_tor": false }, "url": request.url,
        },
        "response": {
            "body": request.body,
            "body_is_truncated": request.truncated || u64::try_from(request.body.len()).is_ok_and(|kept| kept < request.length),
            "code": request.status.unwrap_or_default(),
            "headers": headers,
            "headers_list": pairs,
        },
        "t0": began(request.when),
        "t": ended(request.when),
    })
}

/// A time in milliseconds since the epoch as OONI writes it: `2026-11-28 09:50:52`, in UTC.
pub fn timestamp(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000) / 1_000);
    // Civil date from days, by the proleptic Gregorian calendar counted from March.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", rest / 3_600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interference::{Failure, measurement::Target};

    #[test]
    fn the_layout_is_ooni_s() {
        let measurement = Measurement {
            target: Target { host: "m.example".to_owned(), port: 8448, path: "/x".to_owned(), ..Target::default() },
            dns: vec![DnsQuery {
                host: "m.example".to_owned(),
                attempt: 0,
                transport: Transport::Https,
                resolver: "https://dns.example/dns-query".to_owned(),
                ipv6: false,
                failure: Some(Failure::DnsNxdomain),
                addresses: vec!["192.0.2.1".parse().unwrap()],
                bogons: Vec::new(),
                when: Span { at_ms: 1_000, took_ms: 500 },
            }],
            tcp: vec![TcpConnect {
                address: "192.0.2.1:8448".parse().unwrap(),
                failure: Some(Failure::Timeout),
                when: Span::default(),
            }],
            http: vec![HttpRequest {
                headers: vec![("Server".to_owned(), "a".to_owned()), ("Server".to_owned(), "b".to_owned())],
                body: "<script>alert(1)</script>".to_owned(),
                ..HttpRequest::default()
            }],
            ..Measurement::default()
        };
        let run =
            Run { started_ms: 1_780_000_000_000, took_ms: 1_234, measurements: vec![measurement], ..Run::default() };
        let report = Report { run, verdicts: vec![Verdict { kind: Kind::DnsTampering, evidence: Vec::new() }] };
        let written = &measurements(&report, "0.1.0")[0];
        assert_eq!(written["input"], "https://m.example:8448/x");
        assert_eq!(written["measurement_start_time"], "2026-05-28 20:26:40");
        assert_eq!(written["test_runtime"], 1.234);
        assert_eq!(written["probe_ip"], "127.0.0.1");
        let keys = &written["test_keys"];
        assert_eq!(keys["blocking"], "dns");
        assert_eq!(keys["queries"][0]["engine"], "doh");
        assert_eq!(keys["queries"][0]["failure"], "dns_nxdomain_error");
        assert_eq!(keys["queries"][0]["answers"][0]["ipv4"], "192.0.2.1");
        assert_eq!((&keys["queries"][0]["t0"], &keys["queries"][0]["t"]), (&json!(1.0), &json!(1.5)));
        assert_eq!(keys["tcp_connect"][0]["status"], json!({ "failure": "generic_timeout_error", "success": false }));
        assert_eq!(keys["network_events"][0]["operation"], "connect");
        assert_eq!(keys["requests"][0]["response"]["headers"]["Server"], "a");
        assert_eq!(keys["requests"][0]["response"]["headers_list"], json!([["Server", "a"], ["Server", "b"]]));
    }
}
