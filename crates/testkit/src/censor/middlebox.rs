//! The box between the probe and everybody else.

use std::net::Ipv4Addr;

use super::{
    deed::Deed,
    hello::server_name,
    names::{self, Said},
    packet::{Packet, TCP, UDP},
};
use crate::link::{Middlebox, Verdict};

/// Who is who.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) target: Ipv4Addr,
    pub(super) ministry: Ipv4Addr,
}

/// The box. Only the host `probe` is its business.
#[derive(Debug)]
pub(super) struct Censor {
    deed: Deed,
    places: Places,
    victim: &'static str,
    name: &'static str,
}

impl Censor {
    pub(super) fn new(deed: Deed, places: Places, victim: &'static str, name: &'static str) -> Self {
        Self { deed, places, victim, name }
    }

    /// What the victim sends.
    fn outward(&self, packet: &Packet<'_>) -> Verdict {
        let (protocol, target) = (packet.protocol, packet.to.0 == self.places.target);
        match self.deed {
            Deed::ForgedAnswer | Deed::NoSuchName if (protocol, packet.to.1) == (UDP, 53) => self.answered(packet),
            Deed::AddressDropped if target => Verdict::swallow(),
            Deed::SniReset if target && self.is_named(packet) => Verdict::swallow().and_send(packet.reset()),
            Deed::SniDropped if target && self.is_named(packet) => Verdict::swallow(),
            Deed::Intercepted if target && (protocol, packet.to.1) == (TCP, 443) => self.diverted(packet),
            Deed::BlockPage if target && (protocol, packet.to.1) == (TCP, 80) => self.diverted(packet),
            _ => Verdict::pass(),
        }
    }

    fn is_named(&self, packet: &Packet<'_>) -> bool {
        packet.protocol == TCP && server_name(packet.payload).is_some_and(|name| name.ends_with(self.name))
    }

    fn answered(&self, packet: &Packet<'_>) -> Verdict {
        let said = if self.deed == Deed::NoSuchName { Said::Nothing } else { Said::At(self.places.ministry) };
        let forged = names::answer(packet.payload, |name| name.ends_with(self.name).then_some(said));
        forged.map_or_else(Verdict::pass, |forged| Verdict::swallow().and_send(packet.answer(&forged)))
    }

    fn diverted(&self, packet: &Packet<'_>) -> Verdict {
        Verdict::swallow().and_send(packet.moved(packet.from, (self.places.ministry, packet.to.1)))
    }

    /// What the ministry sends to the victim: it looks as if the target had sent it.
    fn disguised(&self, packet: &Packet<'_>) -> Verdict {
        let from = (self.places.target, packet.from.1);
        Verdict::swallow().and_send(packet.moved(from, packet.to))
    }
}

impl Middlebox for Censor {
    fn pass(&mut self, from: &str, to: Option<&str>, packet: &[u8]) -> Verdict {
        let Some(packet) = Packet::read(packet) else { return Verdict::pass() };
        if from == self.victim {
            return self.outward(&packet);
        }
        let diverts = matches!((self.deed, packet.from.1), (Deed::Intercepted, 443) | (Deed::BlockPage, 80));
        if diverts && from == "ministry" && to == Some(self.victim) {
            return self.disguised(&packet);
        }
        Verdict::pass()
    }
}
