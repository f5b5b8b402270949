//! Which addresses the server may connect to.
//!
//! Others choose where requests go: a user names a push gateway, a server name leads to a host, a host's name to an address. None of them may
//! lead into the operator's own network. So every address is judged after the name was resolved, and it is the judged address that is connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A range of addresses, written as `10.0.0.0/8`, `fd00::/8`, or one address alone; with a port behind it (`10.0.0.0/8:8448`, `[fd00::/8]:8448`)
/// only that port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    bits: u8,
    port: Option<u16>,
}

/// Text that is no range of addresses.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no range of addresses: write one such as 10.0.0.0/8 or fd00::/8")]
pub struct NoRange(String);

impl std::str::FromStr for Range {
    type Err = NoRange;

    fn from_str(text: &str) -> Result<Self, NoRange> {
        let wrong = || NoRange(text.to_owned());
        let (range, port) = parts(text.trim()).ok_or_else(wrong)?;
        let port = port.map(str::parse).transpose().map_err(|_| wrong())?;
        let (address, bits) = range.split_once('/').map_or((range, None), |(address, bits)| (address, Some(bits)));
        let first: IpAddr = address.trim().parse().map_err(|_| wrong())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.trim().parse().ok().filter(|bits| *bits <= most).ok_or_else(wrong)?,
            None => most,
        };
        Ok(Self { first, bits, port })
    }
}

/// A range, and the port behind it.
fn parts(text: &str) -> Option<(&str, Option<&str>)> {
    if let Some(text) = text.strip_prefix('[') {
        let (range, rest) = text.split_once(']')?;
        return if rest.is_empty() { Some((range, None)) } else { Some((range, Some(rest.strip_prefix(':')?))) };
    }
    // An address of IPv6 has at least two colons.
    match text.split_once(':') {
        Some((range, port)) if !port.contains(':') => Some((range, Some(port))),
        _ => Some((text, None)),
    }
}

impl From<IpAddr> for Range {
    fn from(address: IpAddr) -> Self {
        Self { first: address, bits: if address.is_ipv4() { 32 } else { 128 }, port: None }
    }
}

impl Range {
    /// Whether it has an address and its port.
    fn has(&self, address: IpAddr, port: u16) -> bool {
        self.port.is_none_or(|only| only == port) && self.contains(address)
    }

    /// Whether an address lies in it, at whatever port.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                first.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                first.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

/// Judges addresses.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Vec<Range>,
    /// Whether everything is let through.
    anywhere: bool,
}

impl Guard {
    /// Lets through what is public, and the ranges that the operator names.
    pub fn new(allowed: Vec<Range>) -> Self {
        Self { allowed, anywhere: false }
    }

    /// Lets everything through: for places that the operator alone names.
    pub(crate) fn anywhere() -> Self {
        Self { allowed: Vec::new(), anywhere: true }
    }

    /// The same, and these too.
    #[must_use]
    pub fn and(&self, more: impl IntoIterator<Item = Range>) -> Self {
        Self { allowed: self.allowed.iter().copied().chain(more).collect(), anywhere: self.anywhere }
    }

    /// Whether an address may be connected to.
    pub fn allows(&self, target: SocketAddr) -> bool {
        let (address, port) = (target.ip(), target.port());
        // The same address in another dress is judged as the one that packets go to.
        let real = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            IpAddr::V4(_) => address,
        };
        self.anywhere
            || self.allowed.iter().any(|range| range.has(real, port) || range.has(address, port))
            || match real {
                IpAddr::V4(v4) => is_public_v4(v4),
                IpAddr::V6(v6) => is_public_v6(v6),
            }
    }

    /// Whether a proxy may be asked for a name, which it looks up: the address that it finds is judged by nobody here. So names that lead into a
    /// private network wherever they are asked for are left out.
    pub fn allows_name(&self, name: &str) -> bool {
        self.anywhere || is_public_name(name)
    }
}

/// Names that lead into the own network, or to this machine, wherever they are looked up (RFC 6761, 6762 and 8375; ICANN reserved `internal`), and
/// those that networks use though nobody gave them away.
const LOCAL_NAMES: [&str; 9] =
    ["localhost", "localdomain", "local", "internal", "home.arpa", "lan", "intranet", "corp", "private"];

/// Whether a name could be one of the public internet. What some programs read as an address (`127.1`, `0x7f.0.0.1`) is none.
fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let Some((_, last)) = name.rsplit_once('.') else { return false };
    let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit());
    let is_under = |local: &str| name.strip_suffix(local).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    !is_number && !LOCAL_NAMES.iter().any(|local| is_under(local))
}

/// Blocks of IPv4 that are not the public internet (IANA's registry of special-purpose addresses, and multicast).
const SPECIAL_V4: [([u8; 4], u8); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|(first, bits)| {
        Range { first: IpAddr::from(*first), bits: *bits, port: None }.contains(IpAddr::V4(address))
    })
}

/// Only global unicast is public (`2000::/3`), less what of it is special, and less what carries an IPv4 address that is not public.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    match segments {
        // NAT64: the packet goes to the IPv4 address at the end.
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(embedded(segments[6], segments[7])),
        // 6to4: it goes to the IPv4 address behind the prefix.
        [0x2002, ..] => is_public_v4(embedded(segments[1], segments[2])),
        // Protocol assignments (Teredo among them), documentation.
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [0x3fff, second, ..] => second >= 0x1000,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        SocketAddr::new(address.parse().unwrap(), 443)
    }

    #[test]
    fn names_that_lead_into_private_networks_are_not_asked_for() {
        let guard = Guard::new(vec!["10.0.0.0/8".parse().unwrap()]);
        for refused in [
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "router",
            "printer.local",
            "metadata.google.internal",
            "x.home.arpa",
            "db.lan",
            "127.1",
            "127.0.0.0x1",
            "0x7f.1",
            "2130706433",
            "10.1",
            "",
            ".",
        ] {
            assert!(!guard.allows_name(refused), "{refused}");
            assert!(Guard::anywhere().allows_name(refused), "{refused}");
        }
        for allowed in [
            "example.org",
            "matrix.example.org.",
            "notlocal.example",
            "local.example.org",
            "mylan.example",
            "1.example",
        ] {
            assert!(guard.allows_name(allowed), "{allowed}");
        }
    }

    #[test]
    fn only_the_public_internet_is_let_through() {
        let guard = Guard::default();
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "3fff::1",
        ] {
            assert!(!guard.allows(at(refused)), "{refused}");
        }
        for allowed in [
            "1.1.1.1",
            "9.9.9.9",
            "100.128.0.1",
            "172.32.0.1",
            "193.0.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2001:4860:4860::8888",
            "2002:101:101::1",
            "2a00:1450::1",
            "2606:4700::1111",
        ] {
            assert!(guard.allows(at(allowed)), "{allowed}");
        }
    }

    #[test]
    fn the_operator_can_name_ranges() {
        let ranges = ["10.1.0.0/16", "::1", "fd00::/8", "127.0.0.1"].map(|text| text.parse().unwrap());
        let guard = Guard::new(ranges.to_vec());
        for allowed in ["10.1.2.3", "::ffff:10.1.2.3", "::1", "fdff::1", "127.0.0.1", "1.1.1.1"] {
            assert!(guard.allows(at(allowed)), "{allowed}");
        }
        for refused in ["10.2.0.1", "fc00::1", "127.0.0.2", "::2"] {
            assert!(!guard.allows(at(refused)), "{refused}");
        }
        for nonsense in
            ["", "10.0.0.0/33", "::/129", "10.0.0/8", "host", "1.1.1.1/x", "1.1.1.1/-1", "1.1.1.1:x", "[::1", "[::1]1"]
        {
            assert!(nonsense.parse::<Range>().is_err(), "{nonsense}");
        }
        let guard =
            Guard::new(["10.0.0.0/8:8448", "[::1]:80", "[fd00::/8]"].map(|text| text.parse().unwrap()).to_vec());
        for allowed in ["10.1.2.3:8448", "[::ffff:10.1.2.3]:8448", "[::1]:80", "[fd00::1]:5", "1.1.1.1:5"] {
            assert!(guard.allows(allowed.parse().unwrap()), "{allowed}");
        }
        for refused in ["10.1.2.3:443", "[::1]:443", "127.0.0.1:80"] {
            assert!(!guard.allows(refused.parse().unwrap()), "{refused}");
        }
        assert!("0.0.0.0/0".parse::<Range>().unwrap().contains("8.8.8.8".parse().unwrap()));
        assert!("::/0".parse::<Range>().unwrap().contains("::1".parse().unwrap()));
    }
}
