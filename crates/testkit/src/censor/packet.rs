//! IPv4 packets with UDP or TCP in them: read, changed, made.

use std::net::Ipv4Addr;

pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const RST_ACK: u8 = 0x14;

/// A packet as far as a censor looks into it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) protocol: u8,
    pub(super) from: (Ipv4Addr, u16),
    pub(super) to: (Ipv4Addr, u16),
    /// Behind the IP header.
    segment: &'a [u8],
    /// Behind the header of UDP or TCP.
    pub(super) payload: &'a [u8],
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn double(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn address(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    double(bytes, at).map(Ipv4Addr::from_bits)
}

impl<'a> Packet<'a> {
    /// None where it is anything else, or a fragment.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let first = *bytes.first()?;
        if first >> 4 != 4 || word(bytes, 6)? & 0x3fff != 0 {
            return None;
        }
        let length = usize::from(word(bytes, 2)?);
        let segment = bytes.get(usize::from(first & 0xf) * 4..length)?;
        let protocol = *bytes.get(9)?;
        let header = match protocol {
            TCP => usize::from(*segment.get(12)? >> 4) * 4,
            UDP => 8,
            _ => return None,
        };
        Some(Self {
            protocol,
            from: (address(bytes, 12)?, word(segment, 0)?),
            to: (address(bytes, 16)?, word(segment, 2)?),
            segment,
            payload: segment.get(header..)?,
        })
    }

    /// The same packet from and to others.
    pub(super) fn moved(&self, from: (Ipv4Addr, u16), to: (Ipv4Addr, u16)) -> Vec<u8> {
        let mut segment = self.segment.to_vec();
        segment[..2].copy_from_slice(&from.1.to_be_bytes());
        segment[2..4].copy_from_slice(&to.1.to_be_bytes());
        wrapped(self.protocol, from.0, to.0, segment)
    }

    /// An answer to a datagram.
    pub(super) fn answer(&self, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(8 + payload.len()).unwrap_or(u16::MAX);
        let mut segment = [self.to.1.to_be_bytes(), self.from.1.to_be_bytes(), length.to_be_bytes(), [0; 2]].concat();
        segment.extend_from_slice(payload);
        wrapped(UDP, self.to.0, self.from.0, segment)
    }

    /// A reset in the name of whom this packet of TCP goes to.
    pub(super) fn reset(&self) -> Vec<u8> {
        let (seq, ack) = (double(self.segment, 4).unwrap_or_default(), double(self.segment, 8).unwrap_or_default());
        let next = seq.wrapping_add(u32::try_from(self.payload.len()).unwrap_or_default());
        let mut segment = [self.to.1.to_be_bytes(), self.from.1.to_be_bytes()].concat();
        segment.extend_from_slice(&ack.to_be_bytes());
        segment.extend_from_slice(&next.to_be_bytes());
        segment.extend_from_slice(&[0x50, RST_ACK, 0, 0, 0, 0, 0, 0]);
        wrapped(TCP, self.to.0, self.from.0, segment)
    }
}

/// A segment in an IP packet, with all checksums (RFC 791, 768, 9293).
fn wrapped(protocol: u8, from: Ipv4Addr, to: Ipv4Addr, mut segment: Vec<u8>) -> Vec<u8> {
    let at = if protocol == TCP { 16 } else { 6 };
    segment[at..at + 2].fill(0);
    let length = u16::try_from(segment.len()).unwrap_or(u16::MAX);
    let pseudo = [&from.octets()[..], &to.octets(), &[0, protocol], &length.to_be_bytes(), &segment].concat();
    let sum = match checksum(&pseudo) {
        0 if protocol == UDP => 0xffff,
        sum => sum,
    };
    segment[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&length.saturating_add(20).to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend_from_slice(&from.octets());
    packet.extend_from_slice(&to.octets());
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend_from_slice(&segment);
    packet
}

fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()])))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let folded = (folded & 0xffff) + (folded >> 16);
    !u16::try_from(folded).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_changed_and_answered() {
        let (one, two, three) = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3));
        let question = Packet { protocol: UDP, from: (two, 53), to: (one, 4_000), segment: &[], payload: &[] };
        let made = question.answer(b"abc");
        let read = Packet::read(&made).unwrap();
        assert_eq!((read.from, read.to, read.payload), ((one, 4_000), (two, 53), &b"abc"[..]));
        assert_eq!(checksum(&made[..20]), 0, "the header's sum is right");
        let moved = read.moved((one, 4_000), (three, 54));
        assert_eq!(Packet::read(&moved).unwrap().to, (three, 54));
        for misfit in [&made[..19], &[0x45; 12], &[], &[0x60; 40]] {
            assert!(Packet::read(misfit).is_none());
        }
    }
}
