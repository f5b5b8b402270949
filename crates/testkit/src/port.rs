//! Ports for programs that are told where to listen.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// None of those that a system gives to whoever asks for any port, or connects to somewhere: one of those that is let go for a program may be
/// somebody else's before the program has it.
const RANGE: Range<u16> = 20_000..32_000;
/// How far apart two processes begin to look, so that they seldom meet.
const STEP: u32 = 97;

/// A port of the loopback, which no other test is given while this lives, in whichever process. A program can listen there, and again after it was
/// stopped.
#[derive(Debug)]
pub struct Port {
    address: SocketAddr,
    /// The same number for datagrams, in which nobody is interested, says that it is taken.
    _held: UdpSocket,
}

impl Port {
    /// Takes one.
    ///
    /// # Errors
    ///
    /// That none is free.
    pub fn take() -> Result<Self> {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        let free = RANGE.map(|_| TAKEN.fetch_add(1, Ordering::Relaxed)).find_map(|taken| {
            let number = process::id().wrapping_mul(STEP).wrapping_add(taken);
            let number = RANGE.start + u16::try_from(number % u32::from(RANGE.end - RANGE.start)).ok()?;
            Self::of(SocketAddr::from((Ipv4Addr::LOCALHOST, number))).ok()
        });
        free.ok_or_else(|| Error::new(ErrorKind::AddrInUse, format!("none of the ports {RANGE:?} is free")))
    }

    /// This one, if nobody has it and nobody listens there.
    fn of(address: SocketAddr) -> Result<Self> {
        let held = UdpSocket::bind(address)?;
        TcpListener::bind(address)?;
        Ok(Self { address, _held: held })
    }

    /// Where to listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_not_given_again_until_it_is_let_go() {
        let port = Port::take().unwrap();
        assert!(RANGE.contains(&port.address().port()));
        assert!(Port::of(port.address()).is_err(), "somebody has it");
        let listener = TcpListener::bind(port.address()).unwrap();
        let address = port.address();
        drop(port);
        assert!(Port::of(address).is_err(), "somebody listens there");
        drop(listener);
        Port::of(address).unwrap();
    }
}
