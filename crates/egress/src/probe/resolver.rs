//! A trusted name server as the operator writes it down.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use domicile_residency::interference::measurement::Transport;
use url::Url;

/// A trusted name server: `udp://9.9.9.9`, `tcp://9.9.9.9`, `tls://dns.quad9.net@9.9.9.9`, `https://dns.quad9.net@9.9.9.9/dns-query`. A port may stand
/// behind the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolver {
    /// How it is asked.
    pub transport: Transport,
    /// Where it is.
    pub address: SocketAddr,
    /// The name in its certificate; empty where there is none.
    pub name: String,
    /// Where it answers over HTTPS.
    pub path: String,
}

/// Text that is no name server.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{0}` is no name server: write one such as udp://9.9.9.9, tcp://9.9.9.9, tls://dns.quad9.net@9.9.9.9 or \
     https://dns.quad9.net@9.9.9.9/dns-query"
)]
pub struct NoResolver(String);

impl FromStr for Resolver {
    type Err = NoResolver;

    fn from_str(text: &str) -> Result<Self, NoResolver> {
        let wrong = || NoResolver(text.to_owned());
        let url = Url::parse(text.trim()).map_err(|_| wrong())?;
        let (transport, usual) = match url.scheme() {
            "udp" => (Transport::Udp, 53),
            "tcp" => (Transport::Tcp, 53),
            "tls" => (Transport::Tls, 853),
            "https" => (Transport::Https, 443),
            _ => return Err(wrong()),
        };
        let host = url.host_str().unwrap_or_default();
        let address: IpAddr = host.trim_start_matches('[').trim_end_matches(']').parse().map_err(|_| wrong())?;
        let name = url.username().to_owned();
        if name.is_empty() == transport.is_authentic() || url.password().is_some() {
            return Err(wrong());
        }
        let path = match url.path() {
            "" | "/" => "/dns-query".to_owned(),
            path => path.to_owned(),
        };
        Ok(Self { transport, address: SocketAddr::new(address, url.port().unwrap_or(usual)), name, path })
    }
}

impl Resolver {
    /// How it stands in a measurement, as OONI writes it.
    pub fn shown(&self) -> String {
        match self.transport {
            Transport::Https => format!("https://{}{}", self.name, self.path),
            Transport::Tls => format!("{}:{}", self.name, self.address.port()),
            _ => self.address.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read() {
        for (text, transport, address, name, path) in [
            ("udp://9.9.9.9", Transport::Udp, "9.9.9.9:53", "", "/dns-query"),
            ("tcp://[2620:fe::fe]:5353", Transport::Tcp, "[2620:fe::fe]:5353", "", "/dns-query"),
            ("tls://dns.quad9.net@9.9.9.9", Transport::Tls, "9.9.9.9:853", "dns.quad9.net", "/dns-query"),
            ("https://dns.quad9.net@9.9.9.9/q", Transport::Https, "9.9.9.9:443", "dns.quad9.net", "/q"),
            ("https://dns.quad9.net@9.9.9.9", Transport::Https, "9.9.9.9:443", "dns.quad9.net", "/dns-query"),
        ] {
            let read: Resolver = text.parse().unwrap();
            assert_eq!(
                (read.transport, read.address, &*read.name, &*read.path),
                (transport, address.parse().unwrap(), name, path),
                "{text}"
            );
        }
        for nonsense in [
            "",
            "9.9.9.9",
            "udp://name",
            "tls://9.9.9.9",
            "udp://n@9.9.9.9",
            "quic://9.9.9.9",
            "https://dns.quad9.net/",
        ] {
            assert!(nonsense.parse::<Resolver>().is_err(), "{nonsense}");
        }
    }
}
