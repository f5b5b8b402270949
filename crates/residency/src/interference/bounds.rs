//! The size of a run that a probe makes. What a stranger sends is measured by it before anything else is done with it.

use super::measurement::{
    CHAIN, DnsQuery, Download, HEADERS, HttpRequest, Measurement, PAGE, READS, Run, TARGETS, TlsHandshake,
};

/// Steps of one kind in one measurement.
const STEPS: usize = 256;
/// Bytes of a name, an address, a title.
const TEXT: usize = 2_048;
/// Bytes of a certificate, as base64.
const CERTIFICATE: usize = 12_288;

/// A run that is larger than any that a probe makes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unbounded(&'static str);

fn few<T>(list: &[T]) -> bool {
    list.len() <= STEPS
}

fn short(text: &str) -> bool {
    text.len() <= TEXT
}

impl Run {
    /// Whether it is of a size that a probe makes. For what a stranger sends.
    pub fn bounded(&self) -> Result<(), Unbounded> {
        let vantage = [&self.vantage.country, &self.vantage.network];
        if vantage
            .into_iter()
            .flatten()
            .any(|text| text.len() > 16 || !text.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            return Err(Unbounded("country and network are given as in `VN` and `AS64496`"));
        }
        if self.measurements.len() > TARGETS {
            return Err(Unbounded("there are more than 32 targets in it"));
        }
        let control = &self.control;
        if !(few(&control.dns) && few(&control.tcp) && few(&control.downloads)) {
            return Err(Unbounded("there are more than 256 steps of one kind in it"));
        }
        if !control.dns.iter().all(DnsQuery::bounded) || !control.downloads.iter().all(Download::bounded) {
            return Err(Unbounded("a control is larger than what a probe notes"));
        }
        if self.measurements.iter().all(Measurement::bounded) {
            Ok(())
        } else {
            Err(Unbounded("a measurement is larger than what a probe notes"))
        }
    }
}

impl DnsQuery {
    fn bounded(&self) -> bool {
        short(&self.host) && short(&self.resolver) && few(&self.addresses) && few(&self.bogons)
    }
}

impl Download {
    fn bounded(&self) -> bool {
        short(&self.url) && self.reads.len() <= READS
    }
}

impl Measurement {
    fn bounded(&self) -> bool {
        let target = &self.target;
        let target = short(&target.host)
            && short(&target.path)
            && few(&target.addresses)
            && [&target.expects, &target.download].into_iter().flatten().all(|text| short(text));
        let steps = few(&self.dns) && few(&self.tcp) && few(&self.tls) && few(&self.http) && few(&self.downloads);
        target
            && steps
            && self.dns.iter().all(DnsQuery::bounded)
            && self.tls.iter().all(TlsHandshake::bounded)
            && self.http.iter().all(HttpRequest::bounded)
            && self.downloads.iter().all(Download::bounded)
    }
}

impl TlsHandshake {
    fn bounded(&self) -> bool {
        let said = [&self.server_name, &self.alert, &self.version, &self.cipher];
        said.into_iter().flatten().all(|text| short(text))
            && self.chain.len() <= CHAIN
            && self.chain.iter().all(|certificate| {
                [&certificate.sha256, &certificate.subject, &certificate.issuer].into_iter().all(|text| short(text))
                    && few(&certificate.names)
                    && certificate.names.iter().all(|name| short(name))
                    && certificate.der.len() <= CERTIFICATE
            })
    }
}

impl HttpRequest {
    fn bounded(&self) -> bool {
        short(&self.url)
            && self.headers.len() <= HEADERS
            && self.headers.iter().all(|(name, value)| short(name) && short(value))
            && self.title.as_deref().is_none_or(short)
            && short(&self.sha256)
            && self.body.len() <= PAGE * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interference::measurement::{Span, TcpConnect, Vantage};

    #[test]
    fn what_is_larger_than_any_run_is_refused() {
        assert_eq!(Run::default().bounded(), Ok(()));
        let with = |measurement: Measurement| Run { measurements: vec![measurement], ..Run::default() };
        let many = Run { measurements: vec![Measurement::default(); TARGETS + 1], ..Run::default() };
        let connect = TcpConnect { address: "192.0.2.1:443".parse().unwrap(), failure: None, when: Span::default() };
        let steps = with(Measurement { tcp: vec![connect; STEPS + 1], ..Measurement::default() });
        let page = HttpRequest { body: "x".repeat(PAGE * 4 + 1), ..HttpRequest::default() };
        let page = with(Measurement { http: vec![page], ..Measurement::default() });
        let headers = vec![(String::new(), "x".repeat(TEXT + 1))];
        let headers = with(Measurement {
            http: vec![HttpRequest { headers, ..HttpRequest::default() }],
            ..Measurement::default()
        });
        let country = Vantage { country: Some("<b>".to_owned()), network: None };
        let place = Run { vantage: country, ..Run::default() };
        for run in [many, steps, page, headers, place] {
            assert!(run.bounded().is_err(), "{run:?}");
        }
    }
}
