//! What was told and how it went, counted. Names of destinations are counted only where the operator wants them.

use std::collections::BTreeMap;

use domicile_core::locality::Destination;
use parking_lot::Mutex;

/// Destinations that are counted each for itself, at most.
const NAMED: usize = 10_000;

/// Numbers of one outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Transactions.
    pub transactions: u64,
    /// Events in them.
    pub pdus: u64,
    /// What else was in them.
    pub edus: u64,
}

/// Counts of transactions by outcome.
#[derive(Default)]
pub struct Counts {
    by_destination: bool,
    all: Mutex<BTreeMap<&'static str, Count>>,
    named: Mutex<BTreeMap<String, BTreeMap<&'static str, Count>>>,
    refused: Mutex<u64>,
}

impl Count {
    fn add(&mut self, pdus: u64, edus: u64) {
        self.transactions += 1;
        self.pdus += pdus;
        self.edus += edus;
    }
}

impl Counts {
    /// Nothing is counted yet. With `by_destination`, names are counted, too.
    pub(super) fn new(by_destination: bool) -> Self {
        Self { by_destination, ..Self::default() }
    }

    pub(super) fn add(&self, destination: &Destination, word: &'static str, pdus: usize, edus: usize) {
        let (pdus, edus) = (pdus as u64, edus as u64);
        self.all.lock().entry(word).or_default().add(pdus, edus);
        if self.by_destination {
            let mut named = self.named.lock();
            let name = destination.to_string();
            if named.len() < NAMED || named.contains_key(&name) {
                named.entry(name).or_default().entry(word).or_default().add(pdus, edus);
            }
        }
    }

    pub(super) fn refused(&self, pdus: usize) {
        *self.refused.lock() += pdus as u64;
    }

    /// By outcome.
    pub fn by_outcome(&self) -> BTreeMap<&'static str, Count> {
        self.all.lock().clone()
    }

    /// By destination and outcome; nothing unless the operator wants it.
    pub fn by_destination(&self) -> BTreeMap<String, BTreeMap<&'static str, Count>> {
        self.named.lock().clone()
    }

    /// Events that were brought and that a destination did not like.
    pub fn refused_pdus(&self) -> u64 {
        *self.refused.lock()
    }
}
