//! The lines to hosts. Many names often are one host, and a line can be so narrow that one handshake fills it: then ten at once are in each other's way,
//! and none comes to its end. So the first name at an address goes alone. What it sees says whether the others may go at once or one after another.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use domicile_residency::interference::{
    Failure,
    measurement::{TcpConnect, TlsHandshake},
};
use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::sleep,
};

/// How long somebody who goes alone may hear nothing at all before the others are let go: that is no narrow line.
const SILENCE: Duration = Duration::from_secs(2);
/// Whoever goes at once on a line that is not narrow; more never are.
const MANY: usize = 1_024;

/// All lines of a run.
#[derive(Default)]
pub(super) struct Lines(Mutex<BTreeMap<IpAddr, Arc<Line>>>);

impl Lines {
    /// The line to a host.
    pub(super) fn of(&self, host: IpAddr) -> Arc<Line> {
        Arc::clone(self.0.lock().entry(host).or_default())
    }
}

/// A line to a host.
pub(super) struct Line {
    places: Semaphore,
    is_open: AtomicBool,
    is_compared: AtomicBool,
    /// Bytes that have come of handshakes.
    received: Arc<AtomicU64>,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            places: Semaphore::new(1),
            is_open: AtomicBool::new(false),
            is_compared: AtomicBool::new(false),
            received: Arc::default(),
        }
    }
}

impl Line {
    /// Waits for one's turn, in the order in which it was asked for; it is over when what is given is dropped.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.places.acquire().await.ok()
    }

    /// Lets all go at once, from now on.
    pub(super) fn open(&self) {
        if !self.is_open.swap(true, Ordering::Relaxed) {
            self.places.add_permits(MANY);
        }
    }

    /// Whether all go at once.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// What counts the bytes of handshakes.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    /// Whether nobody has yet looked how this host answers other names. Where all is well, once for all its names is enough.
    pub(super) fn is_to_be_compared(&self) -> bool {
        self.is_open() && !self.is_compared.swap(true, Ordering::Relaxed)
    }

    /// What somebody's attempt says about the line: only one that was answered, and slowly, says that it is narrow.
    pub(super) fn judge(&self, connect: &TcpConnect, shaken: Option<&TlsHandshake>) {
        let is_slow = |shaken: &TlsHandshake| {
            let is_unended = shaken.answered && shaken.failure == Some(Failure::Timeout);
            is_unended || shaken.pace(connect.when.took_ms).is_some()
        };
        if !shaken.is_some_and(is_slow) {
            self.open();
        }
    }

    /// Does something, and lets the others go if nothing at all comes meanwhile.
    pub(super) async fn watched<T>(&self, work: impl Future<Output = T>) -> T {
        let before = self.received.load(Ordering::Relaxed);
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = sleep(SILENCE) => {}
        }
        if self.received.load(Ordering::Relaxed) == before {
            self.open();
        }
        work.await
    }
}

#[cfg(test)]
mod tests {
    use domicile_residency::interference::measurement::{Sni, Span};
    use tokio::time::Instant;

    use super::*;

    fn attempt(connect_ms: u32, shake_ms: u32, failure: Option<Failure>) -> (TcpConnect, TlsHandshake) {
        let address = "192.0.2.1:443".parse().unwrap();
        let span = |took_ms| Span { at_ms: 0, took_ms };
        let connect = TcpConnect { address, failure: None, when: span(connect_ms) };
        let shaken = TlsHandshake {
            address,
            sni: Sni::Real,
            server_name: None,
            answered: true,
            received: 1_000,
            failure,
            alert: None,
            invalid: None,
            chain: Vec::new(),
            version: None,
            cipher: None,
            when: span(shake_ms),
        };
        (connect, shaken)
    }

    #[test]
    fn only_what_is_answered_slowly_is_narrow() {
        for (connect_ms, shake_ms, failure, opens) in [
            (20, 40, None, true),
            (600, 700, None, true),
            (20, 900, None, false),
            (20, 9_000, Some(Failure::Timeout), false),
            (20, 30, Some(Failure::ConnectionReset), true),
        ] {
            let (connect, shaken) = attempt(connect_ms, shake_ms, failure);
            let line = Line::default();
            line.judge(&connect, Some(&shaken));
            assert_eq!(line.is_open(), opens, "{connect_ms} {shake_ms}");
        }
        let (connect, mut silent) = attempt(20, 5_000, Some(Failure::Timeout));
        silent.answered = false;
        for shaken in [None, Some(&silent)] {
            let line = Line::default();
            line.judge(&connect, shaken);
            assert!(line.is_open());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_hears_nothing_keeps_nobody_waiting_for_long() {
        let line = Arc::new(Line::default());
        let one = |seconds: u64, bytes: u64| {
            let line = Arc::clone(&line);
            async move {
                let _place = line.enter().await;
                let began = Instant::now();
                let work = async {
                    sleep(Duration::from_secs(1)).await;
                    line.counter().fetch_add(bytes, Ordering::Relaxed);
                    sleep(Duration::from_secs(seconds)).await;
                };
                line.watched(work).await;
                began
            }
        };
        let began = Instant::now();
        // The first hears something and is waited for; the second hears nothing, and then the third need not wait any more.
        let (_, second, third) = tokio::join!(one(3, 10), one(8, 0), one(8, 0));
        assert_eq!((second - began).as_secs(), 4);
        assert_eq!((third - began).as_secs(), 6);
    }
}
