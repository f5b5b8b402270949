//! Where all links meet: packets come from the hosts' devices, wait their time, and go to their destination's device.

#![expect(clippy::disallowed_methods, reason = "links between real programs take real time")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tappers::Tun;

use super::middlebox::{Middlebox, Verdict};
use super::quality::{Way, chance_of};
use crate::chance::Chance;

/// The hub. Hosts are numbered in the order in which they came.
pub(super) struct Hub {
    seed: u64,
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    hosts: Vec<Port>,
    addresses: BTreeMap<IpAddr, usize>,
    ways: BTreeMap<(usize, usize), Way>,
    middlebox: Option<Box<dyn Middlebox>>,
    under_way: BinaryHeap<Reverse<Flight>>,
    flights: u64,
    ended: bool,
}

/// Where a host is plugged in.
struct Port {
    name: Arc<str>,
    device: Arc<Tun>,
}

/// A packet under way. The first that is due is the smallest; of those that are due together, the one that came first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    due: Instant,
    number: u64,
    /// From whom to whom; a packet of the middlebox is from nobody and takes no way.
    from: Option<usize>,
    to: usize,
    packet: Vec<u8>,
}

impl Hub {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, state: Mutex::default(), woken: Condvar::new() }
    }

    /// Plugs a host in and returns its number.
    pub(super) fn plug(&self, name: &str, addresses: &[IpAddr], device: Arc<Tun>) -> usize {
        let state = &mut *self.state.lock();
        let number = state.hosts.len();
        for (other, port) in state.hosts.iter().enumerate() {
            state.ways.insert((number, other), Way::new(chance_of(self.seed, name, &port.name)));
            state.ways.insert((other, number), Way::new(chance_of(self.seed, &port.name, name)));
        }
        state.addresses.extend(addresses.iter().map(|address| (*address, number)));
        state.hosts.push(Port { name: name.into(), device });
        number
    }

    /// Does something with the way from one host to another, both of which are plugged in.
    pub(super) fn way<T>(&self, ends: (usize, usize), act: impl FnOnce(&mut Way) -> T) -> T {
        let mut state = self.state.lock();
        act(state.ways.entry(ends).or_insert_with(|| Way::new(Chance::new(self.seed))))
    }

    pub(super) fn place(&self, middlebox: Option<Box<dyn Middlebox>>) {
        self.state.lock().middlebox = middlebox;
    }

    /// Takes what the host's device has to say, until the device is gone.
    pub(super) fn listen(&self, host: usize, device: &Tun) {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(length) = device.recv(&mut buffer) {
            self.state.lock().take(host, &buffer[..length]);
            self.woken.notify_one();
        }
    }

    /// Hands on each packet when it is due, until the end.
    pub(super) fn deliver(&self) {
        let mut state = self.state.lock();
        while !state.ended {
            let now = Instant::now();
            match state.under_way.peek() {
                None => self.woken.wait(&mut state),
                Some(Reverse(flight)) if flight.due > now => {
                    let due = flight.due;
                    self.woken.wait_until(&mut state, due);
                }
                Some(_) => {
                    let Some(Reverse(flight)) = state.under_way.pop() else { continue };
                    if let Some(device) = state.let_out(&flight) {
                        parking_lot::MutexGuard::unlocked(&mut state, || {
                            // A device that is down or full loses packets, as any does.
                            device.send(&flight.packet).ok();
                        });
                    }
                }
            }
        }
    }

    /// Ends [`Self::deliver`].
    pub(super) fn end(&self) {
        self.state.lock().ended = true;
        self.woken.notify_one();
    }
}

impl State {
    /// A packet came from a host.
    fn take(&mut self, from: usize, packet: &[u8]) {
        let to = destination(packet).and_then(|address| self.addresses.get(&address).copied());
        let verdict = match &mut self.middlebox {
            Some(middlebox) => {
                let names = (&self.hosts[from].name, to.map(|to| &*self.hosts[to].name));
                middlebox.pass(names.0, names.1, packet)
            }
            None => Verdict::pass(),
        };
        let now = Instant::now();
        for packet in verdict.sent {
            if let Some(to) = destination(&packet).and_then(|address| self.addresses.get(&address).copied()) {
                self.launch(now, None, to, packet);
            }
        }
        let Some(to) = to.filter(|to| *to != from && !verdict.swallowed) else { return };
        let due = self.ways.get_mut(&(from, to)).and_then(|way| way.take(now, packet.len()));
        if let Some(due) = due {
            self.launch(due + verdict.held, Some(from), to, packet.to_vec());
        }
    }

    fn launch(&mut self, due: Instant, from: Option<usize>, to: usize, packet: Vec<u8>) {
        self.flights += 1;
        self.under_way.push(Reverse(Flight { due, number: self.flights, from, to, packet }));
    }

    /// The device to which a packet that is due goes, unless its way is cut.
    fn let_out(&mut self, flight: &Flight) -> Option<Arc<Tun>> {
        if let Some(from) = flight.from {
            let way = self.ways.get_mut(&(from, flight.to))?;
            if !way.let_out(flight.packet.len()) {
                return None;
            }
        }
        Some(Arc::clone(&self.hosts.get(flight.to)?.device))
    }
}

/// Where an IP packet is to go.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(16..20)?).ok()?)),
        6 => Some(IpAddr::from(<[u8; 16]>::try_from(packet.get(24..40)?).ok()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_destination_stands_in_the_head() {
        let mut four = [0; 20];
        (four[0], four[19]) = (0x45, 9);
        assert_eq!(destination(&four), Some(IpAddr::from([0, 0, 0, 9])));
        let mut six = [0; 40];
        (six[0], six[39]) = (0x60, 1);
        assert_eq!(destination(&six), Some(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])));
        for misfit in [&four[..19], &six[..39], &[], &[0x50; 60]] {
            assert_eq!(destination(misfit), None);
        }
    }
}
