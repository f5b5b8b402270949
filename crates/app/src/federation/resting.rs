//! Destinations that are left alone because they were not reached, so that one of which something is heard can be tried again.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use domicile_core::{ids::DestinationNum, locality::Destination};
use parking_lot::Mutex;

/// Those that rest.
#[derive(Debug, Default)]
pub(super) struct Resting {
    by_name: Mutex<HashMap<Destination, DestinationNum>>,
    /// How many: whoever hears of a server looks at nothing else, nearly always.
    count: AtomicUsize,
}

impl Resting {
    /// A destination is left alone from now on.
    pub(super) fn add(&self, destination: Destination, destination_num: DestinationNum) {
        let mut by_name = self.by_name.lock();
        by_name.insert(destination, destination_num);
        self.count.store(by_name.len(), Ordering::Release);
    }

    /// A destination is left alone no more; its number, if it was.
    pub(super) fn remove(&self, destination: &Destination) -> Option<DestinationNum> {
        let mut by_name = self.by_name.lock();
        let destination_num = by_name.remove(destination);
        self.count.store(by_name.len(), Ordering::Release);
        destination_num
    }

    /// Whether none is left alone.
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }
}
