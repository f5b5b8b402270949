//! Push gateways as we know them: which of them answer, how long to leave the others alone, how many requests each may have at once.
//!
//! A gateway that is dead or slow holds up only those who chose it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use domicile_core::clock::{Clock, HOUR_MS, SECOND_MS};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests at once to one gateway, and to all.
const AT_ONCE_EACH: usize = 8;
const AT_ONCE_ALL: usize = 64;
/// Longest rest of a gateway that does not answer.
const LONGEST_REST_MS: i64 = HOUR_MS;

struct Gateway {
    failures: u32,
    closed_until_ms: i64,
    permits: Arc<Semaphore>,
}

/// The gateways.
pub struct Gateways {
    clock: Arc<dyn Clock>,
    known: Mutex<HashMap<String, Gateway>>,
    all: Arc<Semaphore>,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

/// The right to ask a gateway, for as long as it is held.
pub(super) struct Turn {
    _each: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

/// How long to rest after so many failures in a row.
pub(super) fn rest_ms(failures: u32) -> i64 {
    SECOND_MS.saturating_mul(1_i64.checked_shl(failures.min(20)).unwrap_or(i64::MAX)).min(LONGEST_REST_MS)
}

impl Gateways {
    /// None is known yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::default(), all: Arc::new(Semaphore::new(AT_ONCE_ALL)), counts: Mutex::default() }
    }

    /// A turn with a gateway, or until when it is left alone.
    pub(super) async fn turn(&self, host: &str) -> Result<Turn, i64> {
        let permits = self.open(host)?;
        // The gateway's own queue first: whoever waits there holds nothing of what all share.
        let each = permits.acquire_owned().await.map_err(|_| i64::MAX)?;
        // It may have failed while we waited.
        self.open(host)?;
        let all = Arc::clone(&self.all).acquire_owned().await.map_err(|_| i64::MAX)?;
        Ok(Turn { _each: each, _all: all })
    }

    fn open(&self, host: &str) -> Result<Arc<Semaphore>, i64> {
        let now_ms = self.clock.now_ms();
        let mut known = self.known.lock();
        if let Some(gateway) = known.get(host) {
            let open = gateway.closed_until_ms <= now_ms;
            return if open { Ok(Arc::clone(&gateway.permits)) } else { Err(gateway.closed_until_ms) };
        }
        // Those that work are nothing to remember.
        if known.len() >= 1_024 {
            known.retain(|_, gateway| gateway.failures > 0 || Arc::strong_count(&gateway.permits) > 1);
        }
        let permits = Arc::new(Semaphore::new(AT_ONCE_EACH));
        let gateway = Gateway { failures: 0, closed_until_ms: 0, permits: Arc::clone(&permits) };
        known.insert(host.to_owned(), gateway);
        Ok(permits)
    }

    /// A gateway answered.
    pub(super) fn answered(&self, host: &str) {
        if let Some(gateway) = self.known.lock().get_mut(host) {
            (gateway.failures, gateway.closed_until_ms) = (0, 0);
        }
    }

    /// A gateway did not answer as it should; until when it is left alone.
    pub(super) fn failed(&self, host: &str) -> i64 {
        let now_ms = self.clock.now_ms();
        let mut known = self.known.lock();
        let Some(gateway) = known.get_mut(host) else { return now_ms + rest_ms(1) };
        // Requests that failed together are one failure.
        if gateway.closed_until_ms <= now_ms {
            gateway.failures = gateway.failures.saturating_add(1);
            gateway.closed_until_ms = now_ms + rest_ms(gateway.failures);
        }
        gateway.closed_until_ms
    }

    /// Counts an outcome.
    pub(super) fn count(&self, outcome: &'static str) {
        *self.counts.lock().entry(outcome).or_default() += 1;
    }

    /// Requests by outcome, without a name of anybody.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.counts.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use domicile_core::clock::ManualClock;

    use super::*;

    #[tokio::test]
    async fn a_gateway_that_fails_rests_longer_and_longer() {
        let clock = Arc::new(ManualClock::at(0));
        let gateways = Gateways::new(Arc::clone(&clock) as Arc<dyn Clock>);
        assert!(gateways.turn("dead").await.is_ok());
        assert_eq!(gateways.failed("dead"), 2_000);
        assert_eq!(gateways.failed("dead"), 2_000, "what failed together is one failure");
        assert_eq!(gateways.turn("dead").await.err(), Some(2_000));
        assert!(gateways.turn("alive").await.is_ok());
        clock.advance(2_000);
        assert!(gateways.turn("dead").await.is_ok());
        assert_eq!(gateways.failed("dead"), 6_000);
        gateways.answered("dead");
        assert!(gateways.turn("dead").await.is_ok());
        assert_eq!(rest_ms(40), LONGEST_REST_MS);
    }

    #[tokio::test]
    async fn one_slow_gateway_does_not_hold_up_another() {
        let gateways = Gateways::new(Arc::new(ManualClock::at(0)));
        let mut held = Vec::new();
        for _ in 0..AT_ONCE_EACH {
            held.push(gateways.turn("slow").await);
        }
        let waits = tokio::time::timeout(std::time::Duration::from_millis(50), gateways.turn("slow")).await;
        assert!(waits.is_err(), "the ninth waits");
        assert!(gateways.turn("quick").await.is_ok());
    }
}
