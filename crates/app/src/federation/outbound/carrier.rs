//! Who carries transactions: the network, or a test.

use std::sync::Arc;

use domicile_core::locality::Destination;
use futures::future::BoxFuture;
use serde_json::value::RawValue;

/// What is told to a destination at once.
#[derive(Debug)]
pub struct Transaction {
    /// Its id, which no other transaction has, not even of an earlier process.
    pub id: String,
    /// When it was made, in milliseconds since the epoch.
    pub made_ms: i64,
    /// Events, in their order.
    pub pdus: Vec<Box<RawValue>>,
    /// What passes, and messages to devices; objects with `edu_type` and `content`. Messages to devices come first.
    pub edus: Vec<Box<RawValue>>,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Taken {
        /// The events that the destination did not like, with what it says about each.
        refused: Vec<(String, String)>,
    },
    /// The destination has too much to do.
    Busy {
        /// For how long it wants to be left alone, in milliseconds, if it tells.
        retry_after_ms: Option<i64>,
    },
    /// It was too large for the destination.
    TooLarge,
    /// It was not taken.
    Failed {
        /// A word for counting: `unreachable`, `error` and the like.
        word: &'static str,
        /// What went wrong, for the operator.
        error: String,
    },
}

/// Carries transactions.
pub trait Carrier: Send + Sync + 'static {
    /// Brings a transaction to a destination. The time that it may take is the carrier's to bound; the caller may give up earlier.
    fn carry(&self, destination: Destination, transaction: Arc<Transaction>) -> BoxFuture<'_, Outcome>;
}
