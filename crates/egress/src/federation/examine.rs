//! The way to a server, step by step, for a person who wants to know why it leads nowhere. Nothing that was kept in memory is used, and what
//! was kept of this name is forgotten: whoever repaired something need not wait.

use std::{net::SocketAddr, time::Duration};

use ruma::{OwnedServerName, ServerName};
use rustls::pki_types::CertificateDer;
use tokio_rustls::TlsConnector;

use super::{FederationClient, NoDelegation, Place, dns::DnsError};
use crate::{
    connect::{ConnectError, first_that_answers, may_be_asked_for, tls_name},
    proxy::{Proxy, Target},
};

/// How long connecting to one address may take.
const TIME: Duration = Duration::from_secs(8);
/// Addresses that are tried.
const TRIED: usize = 6;

/// What was found on the way.
pub struct Examination {
    /// What `/.well-known/matrix/server` says, and for how many milliseconds; none if the name is not asked at all.
    pub delegation: Option<Result<(OwnedServerName, i64), NoDelegation>>,
    /// The name that all that follows is about.
    pub name: OwnedServerName,
    /// Where it is served.
    pub place: Result<Place, ConnectError>,
    /// Its addresses; none where there is no place. Nothing where the proxy looks names up.
    pub addresses: Option<Result<Vec<SocketAddr>, DnsError>>,
    /// How it went at each address, or at each host where the proxy looks names up.
    pub connections: Vec<(String, Result<Secured, ConnectError>)>,
    /// Whether a proxy is asked for connections.
    pub by_proxy: bool,
}

/// An encrypted connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secured {
    /// Whether HTTP/2 will be spoken.
    pub http2: bool,
    /// When the certificate ends, in milliseconds since the epoch, if that can be read.
    pub certificate_ends_ms: Option<i64>,
}

impl FederationClient {
    /// Goes the way to a server.
    pub async fn examine(&self, server_name: &ServerName) -> Examination {
        let delegation = if server_name.is_ip_literal() || server_name.port().is_some() {
            None
        } else {
            self.delegations.forget(server_name);
            Some(self.delegations.ask(server_name).await)
        };
        let name = match &delegation {
            Some(Ok((name, _))) => name.clone(),
            _ => server_name.to_owned(),
        };
        self.locator.forget(&name);
        let place = self.locator.place(&name).await;
        let resolves = self.trust.proxy.as_ref().is_some_and(Proxy::resolves);
        let addresses = match &place {
            _ if resolves => None,
            Ok(place) => Some(self.locator.addresses(place).await),
            Err(_) => Some(Ok(Vec::new())),
        };
        let targets: Vec<Target> = match (&place, &addresses) {
            (Ok(place), None) => place.targets.iter().map(|(host, port)| Target::of(host, *port)).collect(),
            (Ok(_), Some(Ok(addresses))) => addresses.iter().map(|address| Target::Address(*address)).collect(),
            _ => Vec::new(),
        };
        let mut connections = Vec::new();
        if let Ok(place) = &place {
            for target in targets.iter().take(TRIED) {
                connections.push((target.to_string(), self.secured(&place.host, target).await));
            }
        }
        Examination { delegation, name, place, addresses, connections, by_proxy: self.trust.proxy.is_some() }
    }

    async fn secured(&self, host: &str, target: &Target) -> Result<Secured, ConnectError> {
        let name = tls_name(host)?;
        if !may_be_asked_for(&self.trust.guard, target) {
            return Err(ConnectError::Refused);
        }
        let connecting = async {
            let stream = match (&self.trust.proxy, target) {
                (Some(proxy), _) => proxy.first_that_opens(std::slice::from_ref(target)).await?,
                (None, Target::Address(address)) => first_that_answers(&[*address]).await?,
                (None, Target::Name(..)) => return Err(ConnectError::NoHost),
            };
            let tls = TlsConnector::from(std::sync::Arc::clone(&self.trust.tls));
            let stream = tls.connect(name, stream).await.map_err(ConnectError::Tls)?;
            let (_, session) = stream.get_ref();
            Ok(Secured {
                http2: session.alpn_protocol() == Some(b"h2"),
                certificate_ends_ms: session.peer_certificates().and_then(|chain| ends_ms(chain.first()?)),
            })
        };
        tokio::time::timeout(TIME, connecting).await.map_err(|_| ConnectError::Slow)?
    }
}

/// When a certificate ends (RFC 5280, section 4.1): its body's fifth field, or the fourth where there is no version, has both its times.
fn ends_ms(certificate: &CertificateDer<'_>) -> Option<i64> {
    let (_, whole, _) = element(certificate)?;
    let (_, mut body, _) = element(whole)?;
    if let (0xa0, _, rest) = element(body)? {
        body = rest;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        body = element(body)?.2;
    }
    let (_, times, _) = element(body)?;
    let (kind, end, _) = element(element(times)?.2)?;
    time_ms(kind, std::str::from_utf8(end).ok()?)
}

/// An element of DER: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, short], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = if short < 0x80 {
        (usize::from(short), rest)
    } else {
        let (length, rest) =
            rest.split_at_checked(usize::from(short & 0x7f)).filter(|(length, _)| length.len() <= 4)?;
        (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// A time of a certificate: `YYMMDDHHMMSSZ` (tag 23), or the same with four digits of the year (tag 24).
fn time_ms(kind: u8, text: &str) -> Option<i64> {
    let (year, rest) = match kind {
        23 => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        24 => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    // Days of the proleptic Gregorian calendar, counted from March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let days = days + (153 * month + 2) / 5 + day - 719_469;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_certificates() {
        assert_eq!(time_ms(23, "700101000000Z"), Some(0));
        assert_eq!(time_ms(23, "260528202640Z"), Some(1_780_000_000_000));
        assert_eq!(time_ms(24, "20260528202640Z"), Some(1_780_000_000_000));
        assert_eq!(time_ms(24, "40960101000000Z"), Some(67_090_118_400_000));
        for nonsense in ["", "7", "7001010000", "é", "70010100000é"] {
            assert_eq!(time_ms(23, nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for nonsense in
            [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x8f\xff\xff", b"\x30\x04\x30\x02\xa0\x00"]
        {
            assert_eq!(ends_ms(&CertificateDer::from(nonsense)), None, "{nonsense:?}");
        }
    }
}
