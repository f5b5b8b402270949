//! The way to a server: connections of others pass through it, take their time, and end where it is cut.

#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// A proxy before the port on which a server listens for others. It runs as long as the process.
#[derive(Debug)]
pub(in crate::plays) struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: SocketAddr,
    delay: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    cut: bool,
    /// Both ends of each connection.
    open: Vec<TcpStream>,
}

impl Link {
    /// Passes on to `server` what comes, `delay` later.
    pub(in crate::plays) fn to(server: SocketAddr, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("listening before a server")?;
        let address = listener.local_addr().context("listening before a server")?;
        let shared = Arc::new(Shared { server, delay, state: Mutex::default() });
        let link = Self { address, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for client in listener.incoming().map_while(std::io::Result::ok) {
                // A server that is down refuses; the other one sees its connection end, as it would without a proxy.
                shared.pass(client).ok();
            }
        });
        Ok(link)
    }

    /// Where others connect.
    pub(in crate::plays) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends what passes, and lets nothing pass any more.
    pub(in crate::plays) fn cut(&self) {
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.cut = true;
        for stream in state.open.drain(..) {
            // It may have ended already, which is as good.
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Lets new connections pass.
    pub(in crate::plays) fn mend(&self) {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner).cut = false;
    }
}

impl Shared {
    fn pass(&self, client: TcpStream) -> std::io::Result<()> {
        let upstream = TcpStream::connect(self.server)?;
        for stream in [&client, &upstream] {
            stream.set_nodelay(true)?;
        }
        let ends = [client.try_clone()?, upstream.try_clone()?];
        {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.cut {
                return Ok(());
            }
            state.open.extend(ends);
        }
        let ways = [(client.try_clone()?, upstream.try_clone()?), (upstream, client)];
        for (from, to) in ways {
            let (sender, receiver) = channel();
            let delay = self.delay;
            thread::spawn(move || deliver(&receiver, to));
            thread::spawn(move || {
                let mut from = from;
                let mut buffer = [0; 16 * 1024];
                while let Ok(length) = from.read(&mut buffer) {
                    // An empty piece is the end.
                    if sender.send((Instant::now() + delay, buffer[..length].to_vec())).is_err() || length == 0 {
                        break;
                    }
                }
            });
        }
        Ok(())
    }
}

/// Hands on each piece when it is due.
fn deliver(pieces: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream) {
    for (due, piece) in pieces {
        sleep(due.saturating_duration_since(Instant::now()));
        if piece.is_empty() || to.write_all(&piece).is_err() {
            break;
        }
    }
    // The other end may have gone before.
    to.shutdown(Shutdown::Write).ok();
}
