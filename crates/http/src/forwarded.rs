//! Where a request came from: the peer, or what a proxy that the operator trusts says of it.

use std::{net::IpAddr, sync::Arc};

use axum::http::HeaderMap;

use crate::extract::Client;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address; none on a unix socket.
    pub address: Option<IpAddr>,
    /// The account of the process at the other end of a unix socket, as the system tells it.
    pub uid: Option<u32>,
    /// Whether the connection has TLS.
    pub tls: bool,
    /// The proxies of the listener.
    pub proxies: Arc<Proxies>,
}

/// Proxies whose `X-Forwarded-For` is believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    networks: Vec<(IpAddr, u8)>,
    /// Whether `unix` was named: who can open the socket is trusted.
    unix: bool,
}

/// A text that names no proxy.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no address or network: write 10.0.0.1, 10.0.0.0/8 or unix")]
pub struct InvalidProxy(String);

impl Proxies {
    /// The proxies of addresses and networks.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, InvalidProxy> {
        let mut proxies = Self::default();
        for text in texts {
            let text = text.as_ref();
            if text == "unix" {
                proxies.unix = true;
                continue;
            }
            let invalid = || InvalidProxy(text.to_owned());
            let (address, bits) = match text.split_once('/') {
                Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| invalid())?)),
                None => (text, None),
            };
            let address: IpAddr = address.parse().map_err(|_| invalid())?;
            let longest = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.unwrap_or(longest);
            if bits > longest {
                return Err(invalid());
            }
            proxies.networks.push((address, bits));
        }
        Ok(proxies)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|(network, bits)| within(address, *network, *bits))
    }
}

fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let shift = 32 - u32::from(bits);
            u64::from(address.to_bits()) >> shift == u64::from(network.to_bits()) >> shift
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let shift = 128 - u32::from(bits);
            shift == 128 || address.to_bits() >> shift == network.to_bits() >> shift
        }
        _ => false,
    }
}

impl Peer {
    /// Where a request came from. Going from the nearest proxy outwards, the first address that is no trusted proxy is the client.
    pub fn client(&self, headers: &HeaderMap) -> Client {
        let believed = match self.address {
            Some(address) => self.proxies.trusts(address),
            None => self.proxies.unix,
        };
        if !believed {
            return Client { address: self.address };
        }
        let mut nearest = self.address;
        let hops = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).map(str::trim).collect();
        for hop in hops.into_iter().rev() {
            // What cannot be read was not written by a proxy that we trust.
            let Ok(address) = hop.parse::<IpAddr>() else { break };
            nearest = Some(address);
            if !self.proxies.trusts(address) {
                break;
            }
        }
        Client { address: nearest }
    }

    /// Whether nobody could read the request on its way: it came with TLS, here or to a proxy that is believed.
    pub fn is_private(&self, headers: &HeaderMap) -> bool {
        let told = || headers.get("x-forwarded-proto").is_some_and(|scheme| scheme.as_bytes() == b"https");
        self.tls || (self.is_trusted() && told())
    }

    /// Whether the other end is a proxy that is believed.
    pub fn is_trusted(&self) -> bool {
        self.address.map_or(self.proxies.unix, |address| self.proxies.trusts(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, proxies: &[&str], forwarded: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", forwarded.parse().unwrap());
        let peer = Peer {
            address: peer.parse().ok(),
            uid: None,
            tls: false,
            proxies: Arc::new(Proxies::parse(proxies).unwrap()),
        };
        peer.client(&headers).address.map(|address| address.to_string()).unwrap_or_default()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        assert_eq!(client("192.0.2.1", &[], "198.51.100.7"), "192.0.2.1");
        assert_eq!(client("10.1.2.3", &["10.0.0.0/8"], "198.51.100.7"), "198.51.100.7");
        assert_eq!(client("10.1.2.3", &["10.0.0.0/8"], "203.0.113.9, 198.51.100.7, 10.9.9.9"), "198.51.100.7");
        assert_eq!(client("10.1.2.3", &["10.0.0.0/8"], "nonsense"), "10.1.2.3");
        assert_eq!(client("none", &["unix"], "2001:db8::1"), "2001:db8::1");
        assert_eq!(client("none", &[], "2001:db8::1"), "");
        assert!(Proxies::parse(&["10.0.0.0/33"]).is_err());
        assert!(Proxies::parse(&["example.org"]).is_err());
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_about_tls() {
        let peer = |tls: bool, trusted: &[&str]| {
            let proxies = Arc::new(Proxies::parse(trusted).unwrap());
            Peer { address: "10.1.2.3".parse().ok(), uid: None, tls, proxies }
        };
        let mut headers = HeaderMap::new();
        assert!(peer(true, &[]).is_private(&headers));
        assert!(!peer(false, &["10.0.0.0/8"]).is_private(&headers));
        headers.insert("x-forwarded-proto", "https".parse().unwrap());
        assert!(peer(false, &["10.0.0.0/8"]).is_private(&headers));
        assert!(!peer(false, &[]).is_private(&headers));
    }
}
