//! Addresses and networks: read from text, and found among ours by where they overlap.

use std::net::{IpAddr, Ipv4Addr};

/// A network, or one address: its first and last address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Net {
    V4(u32, u32),
    V6(u128, u128),
}

impl Net {
    /// Reads `192.0.2.1`, `192.0.2.0/24`, `2001:db8::1`, `2001:db8::/32`, with brackets or without. A network may be written with any of its
    /// addresses.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let (address, bits) = match memchr::memchr(b'/', text) {
            Some(at) => (text.get(..at)?, Some(number(text.get(at + 1..)?)?)),
            None => (text, None),
        };
        if let Some(v4) = v4(address) {
            return Self::v4(v4, bits.unwrap_or(32));
        }
        let address = address.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(address);
        match std::str::from_utf8(address).ok()?.parse().ok()? {
            IpAddr::V4(v4) => Self::v4(v4.to_bits(), bits.unwrap_or(32)),
            // The same address in another dress.
            IpAddr::V6(v6) => match (v6.to_ipv4_mapped(), bits.unwrap_or(128)) {
                (Some(v4), bits @ 96..=128) => Self::v4(v4.to_bits(), bits - 96),
                (_, bits) => {
                    let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits)?).unwrap_or(0);
                    Some(Self::V6(v6.to_bits() & mask, v6.to_bits() | !mask))
                }
            },
        }
    }

    fn v4(address: u32, bits: u32) -> Option<Self> {
        let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
        Some(Self::V4(address & mask, address | !mask))
    }

    /// Whether it is one address.
    pub(crate) fn is_single(self) -> bool {
        match self {
            Self::V4(first, last) => first == last,
            Self::V6(first, last) => first == last,
        }
    }

    /// Whether it is so wide that it says nothing about anybody: more than a /8 of IPv4, or a /16 of IPv6.
    pub(crate) fn is_everything(self) -> bool {
        match self {
            Self::V4(first, last) => last - first >= 1 << 24,
            Self::V6(first, last) => last - first >= 1 << 112,
        }
    }

    /// It as text: `192.0.2.1`, `192.0.2.0/24`.
    pub(crate) fn shown(self) -> String {
        match self {
            Self::V4(first, last) if first == last => Ipv4Addr::from_bits(first).to_string(),
            Self::V4(first, last) => format!("{}/{}", Ipv4Addr::from_bits(first), (first ^ last).leading_zeros()),
            Self::V6(first, last) if first == last => std::net::Ipv6Addr::from_bits(first).to_string(),
            Self::V6(first, last) => {
                format!("{}/{}", std::net::Ipv6Addr::from_bits(first), (first ^ last).leading_zeros())
            }
        }
    }
}

/// An address of IPv4, quickly: registers have millions of them.
fn v4(text: &[u8]) -> Option<u32> {
    let mut fields = text.split(|byte| *byte == b'.');
    let mut bits = 0;
    for _ in 0..4 {
        bits = bits << 8 | number(fields.next()?).filter(|field| *field < 256)?;
    }
    fields.next().is_none().then_some(bits)
}

fn number(text: &[u8]) -> Option<u32> {
    let fits = !text.is_empty() && text.len() <= 3 && text.iter().all(u8::is_ascii_digit);
    fits.then(|| text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

/// Our networks of one kind of address, sorted by their first address. `reach` is the highest last address up to here, so that a search can end.
#[derive(Clone, Debug)]
struct Ranges<T> {
    rows: Vec<(T, T, u32)>,
    reach: Vec<T>,
}

impl<T: Copy + Ord> Ranges<T> {
    fn new(mut rows: Vec<(T, T, u32)>) -> Self {
        rows.sort_unstable();
        let reach = rows
            .iter()
            .scan(None, |highest: &mut Option<T>, row| {
                *highest = Some(highest.map_or(row.1, |highest| highest.max(row.1)));
                *highest
            })
            .collect();
        Self { rows, reach }
    }

    /// The rows that overlap a range.
    fn overlapping(&self, first: T, last: T) -> impl Iterator<Item = u32> {
        let end = self.rows.partition_point(|row| row.0 <= last);
        let rows = self.rows[..end].iter().zip(&self.reach[..end]).rev();
        rows.take_while(move |(_, reach)| **reach >= first).filter(move |(row, _)| row.1 >= first).map(|(row, _)| row.2)
    }
}

/// Our addresses and networks.
#[derive(Clone, Debug)]
pub(crate) struct Networks {
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    /// For each of the 65,536 upper halves of addresses of IPv4: whether anything of ours has it. Nearly every address ends its way here.
    halves: Vec<u64>,
}

impl Networks {
    /// Of networks with the numbers of what is ours.
    pub(crate) fn new(networks: &[(Net, u32)]) -> Self {
        let mut halves = vec![0_u64; 1 << 10];
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, own) in networks {
            match *network {
                Net::V4(first, last) => {
                    v4.push((first, last, *own));
                    for half in first >> 16..=last >> 16 {
                        halves[half as usize >> 6] |= 1 << (half & 63);
                    }
                }
                Net::V6(first, last) => v6.push((first, last, *own)),
            }
        }
        Self { v4: Ranges::new(v4), v6: Ranges::new(v6), halves }
    }

    /// Hands over the numbers of what is ours and overlaps a network.
    pub(crate) fn overlapping(&self, network: Net, mut each: impl FnMut(u32)) {
        match network {
            Net::V4(first, last) => {
                let (low, high) = (first >> 16, last >> 16);
                if low == high && self.halves[low as usize >> 6] & 1 << (low & 63) == 0 {
                    return;
                }
                self.v4.overlapping(first, last).for_each(&mut each);
            }
            Net::V6(first, last) => self.v6.overlapping(first, last).for_each(&mut each),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn net(text: &str) -> Net {
        Net::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn networks_are_read_and_shown() {
        for (text, shown) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:DB8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("2001:db8::1/32", "2001:db8::/32"),
            ("::/0", "::/0"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ] {
            assert_eq!(net(text).shown(), shown, "{text}");
        }
        for wrong in [
            "",
            "1.2.3",
            "1.2.3.4.5",
            "1.2.3.256",
            "1.2.3.4/33",
            "1.2.3.4/",
            "::1/129",
            "a.b.c.d",
            "1.2.3.4/x",
            "/8",
            "1..2.3",
        ] {
            assert_eq!(Net::parse(wrong.as_bytes()), None, "{wrong}");
        }
        assert!(net("0.0.0.0/0").is_everything() && net("10.0.0.0/7").is_everything() && net("::/0").is_everything());
        assert!(!net("10.0.0.0/8").is_everything() && !net("2001::/16").is_everything());
    }

    fn any_net() -> impl Strategy<Value = Net> {
        prop_oneof![
            (any::<u16>(), 0..=32_u32).prop_map(|(low, bits)| Net::v4(0xc000_0000 | u32::from(low), bits).unwrap()),
            (any::<u8>(), 100..=128_u32)
                .prop_map(|(low, bits)| Net::parse(format!("2001:db8::{low:x}/{bits}").as_bytes()).unwrap()),
        ]
    }

    fn overlap(left: Net, right: Net) -> bool {
        match (left, right) {
            (Net::V4(a, b), Net::V4(c, d)) => a <= d && c <= b,
            (Net::V6(a, b), Net::V6(c, d)) => a <= d && c <= b,
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn the_tables_find_what_a_look_at_each_finds(ours in prop::collection::vec(any_net(), 0..40), asked in any_net()) {
            let numbered: Vec<(Net, u32)> = ours.iter().copied().zip(0..).collect();
            let mut found = Vec::new();
            Networks::new(&numbered).overlapping(asked, |own| found.push(own));
            found.sort_unstable();
            let expected: Vec<u32> = numbered.iter().filter(|(net, _)| overlap(*net, asked)).map(|(_, own)| *own).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
