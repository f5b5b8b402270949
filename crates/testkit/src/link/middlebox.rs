//! Somebody in the middle, who sees every packet: a censor, a box that means well, a probe.

use std::time::Duration;

/// Looks at the packets between hosts. Calls come one at a time, in the order of the packets, and hold up all others, so
/// they should be short.
pub trait Middlebox: Send {
    /// What becomes of `packet`, a whole IPv4 or IPv6 packet, on its way between the hosts of these names. `to` is `None`
    /// where no host has the destination's address: such a packet is lost, and a box may answer in its place.
    ///
    /// What the box itself sends is not shown to it again.
    fn pass(&mut self, from: &str, to: Option<&str>, packet: &[u8]) -> Verdict;
}

impl<F: FnMut(&str, Option<&str>, &[u8]) -> Verdict + Send> Middlebox for F {
    fn pass(&mut self, from: &str, to: Option<&str>, packet: &[u8]) -> Verdict {
        self(from, to, packet)
    }
}

/// What becomes of a packet.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    pub(super) swallowed: bool,
    pub(super) held: Duration,
    pub(super) sent: Vec<Vec<u8>>,
}

impl Verdict {
    /// It goes on.
    pub fn pass() -> Self {
        Self::default()
    }

    /// It is swallowed, and nobody hears of it.
    pub fn swallow() -> Self {
        Self { swallowed: true, ..Self::default() }
    }

    /// It goes on this much later than the link alone would have it. Packets after it are not held up, and may overtake it.
    pub fn hold(held: Duration) -> Self {
        Self { held, ..Self::default() }
    }

    /// Besides, the box sends this packet: a whole IP packet with right checksums, which goes to the host that has its
    /// destination's address, at once, whatever the links are like. To change a packet is to swallow it and to send another.
    #[must_use]
    pub fn and_send(mut self, packet: Vec<u8>) -> Self {
        self.sent.push(packet);
        self
    }
}
