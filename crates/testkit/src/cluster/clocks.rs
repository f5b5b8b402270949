//! The clocks of cells, which go by themselves unless a test holds them.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use domicile_core::clock::ManualClock;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How often they are moved.
const TICK: Duration = Duration::from_millis(20);

/// Whether clocks go only when they are moved. It is looked at and the clock is moved under one lock: none goes any more when it has been set.
pub(super) type Held = Arc<Mutex<bool>>;

/// Has a clock go from now on, as long as there is somebody who looks at it.
pub(super) fn start(clock: &Arc<ManualClock>, held: &Held) {
    tokio::spawn(go(Arc::downgrade(clock), Arc::clone(held)));
}

async fn go(clock: Weak<ManualClock>, held: Held) {
    let mut seen = Instant::now();
    while let Some(clock) = clock.upgrade() {
        let passed = Duration::from_millis(u64::try_from(seen.elapsed().as_millis()).expect("not that long"));
        seen += passed;
        {
            let held = held.lock();
            if !*held {
                clock.advance(i64::try_from(passed.as_millis()).expect("not that long"));
            }
        }
        drop(clock);
        tokio::time::sleep(TICK).await;
    }
}
