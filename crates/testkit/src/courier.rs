//! Carries what other servers are told to nowhere but here: each of them takes it, refuses it, never answers, or does what chance says.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use domicile_app::federation::outbound::{Carrier, Outcome, Transaction};
use domicile_core::{
    locality::Destination,
    rng::{self, Rng, SeededRng},
};
use futures::future::{BoxFuture, FutureExt};
use parking_lot::Mutex;
use serde_json::Value;

/// What a server does with what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Takes it.
    Takes,
    /// Is not there.
    Refuses,
    /// Never answers.
    Silent,
    /// Has too much to do, and tells for how many milliseconds.
    Busy(i64),
    /// Takes it only if it has no more events than that.
    AtMost(usize),
    /// Takes it, or not, or takes it and the answer is lost: each about one time in three.
    Moody,
}

/// A transaction that came.
#[derive(Clone, Debug, PartialEq)]
pub struct Received {
    /// Its id.
    pub id: String,
    /// Its events.
    pub pdus: Vec<Value>,
    /// What else was in it.
    pub edus: Vec<Value>,
    /// Whether the sender heard that it was taken.
    pub acknowledged: bool,
}

#[derive(Default)]
struct Others {
    manners: BTreeMap<String, Manner>,
    received: BTreeMap<String, Vec<Received>>,
    attempts: BTreeMap<String, usize>,
}

/// The courier. Clones are the same one.
#[derive(Clone)]
pub struct Courier {
    others: Arc<Mutex<Others>>,
    rng: Arc<SeededRng>,
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Courier")
    }
}

impl Courier {
    /// A courier whose chances repeat themselves with the seed. Everybody takes what comes.
    pub fn new(seed: u64) -> Self {
        Self { others: Arc::default(), rng: Arc::new(SeededRng::new(seed)) }
    }

    /// Sets what a server does from now on.
    pub fn set(&self, server: &str, manner: Manner) {
        self.others.lock().manners.insert(server.to_owned(), manner);
    }

    /// What a server received so far, the earliest first.
    pub fn received(&self, server: &str) -> Vec<Received> {
        self.others.lock().received.get(server).cloned().unwrap_or_default()
    }

    /// How often it was tried to reach a server.
    pub fn attempts(&self, server: &str) -> usize {
        self.others.lock().attempts.get(server).copied().unwrap_or_default()
    }

    /// Waits until something holds, and tells whether it came to that within a time.
    pub async fn until(&self, within: Duration, holds: impl Fn(&Self) -> bool) -> bool {
        let waiting = async {
            while !holds(self) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(within, waiting).await.is_ok()
    }

    fn receive(&self, server: &str, transaction: &Transaction, acknowledged: bool) {
        let values = |raw: &[Box<serde_json::value::RawValue>]| {
            raw.iter().filter_map(|raw| serde_json::from_str(raw.get()).ok()).collect()
        };
        let received = Received {
            id: transaction.id.clone(),
            pdus: values(&transaction.pdus),
            edus: values(&transaction.edus),
            acknowledged,
        };
        self.others.lock().received.entry(server.to_owned()).or_default().push(received);
    }

    async fn bring(&self, server: String, transaction: Arc<Transaction>) -> Outcome {
        let manner = {
            let mut others = self.others.lock();
            *others.attempts.entry(server.clone()).or_default() += 1;
            others.manners.get(&server).copied().unwrap_or(Manner::Takes)
        };
        let failed = || Outcome::Failed { word: "unreachable", error: format!("{server} is not there") };
        let [chance] = match manner {
            Manner::Moody => rng::bytes::<1>(&*self.rng as &dyn Rng),
            _ => [0],
        };
        match manner {
            Manner::Silent => std::future::pending().await,
            Manner::Refuses => failed(),
            Manner::Busy(retry_after_ms) => Outcome::Busy { retry_after_ms: Some(retry_after_ms) },
            Manner::AtMost(most) if transaction.pdus.len() > most => Outcome::TooLarge,
            Manner::Moody if chance < 85 => failed(),
            Manner::Moody if chance < 170 => {
                self.receive(&server, &transaction, false);
                failed()
            }
            Manner::Takes | Manner::AtMost(_) | Manner::Moody => {
                self.receive(&server, &transaction, true);
                Outcome::Taken { refused: Vec::new() }
            }
        }
    }
}

impl Carrier for Courier {
    fn carry(&self, destination: Destination, transaction: Arc<Transaction>) -> BoxFuture<'_, Outcome> {
        self.bring(destination.to_string(), transaction).boxed()
    }
}
