//! How many transactions are under way at once.
//!
//! Whoever answers does so soon, and whoever is dead answers never: a transaction holds one of the few quick places for a moment only, so the
//! dead do not stand in the way of the living. Those that failed before have a few places of their own.

use std::{future::Future, time::Duration};

use tokio::sync::Semaphore;

/// Transactions that begin at once.
const QUICK: usize = 512;
/// How long one holds such a place.
const MOMENT: Duration = Duration::from_millis(200);
/// All that are under way, to destinations that answered last time.
const ALL: usize = 4_096;
/// Those to destinations that did not.
const DOUBTFUL: usize = 64;

/// The places.
pub(super) struct Lanes {
    quick: Semaphore,
    all: Semaphore,
    doubtful: Semaphore,
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self { quick: Semaphore::new(QUICK), all: Semaphore::new(ALL), doubtful: Semaphore::new(DOUBTFUL) }
    }

    /// Runs a transaction in its turn.
    pub(super) async fn turn<T>(&self, doubtful: bool, transaction: impl Future<Output = T>) -> T {
        if doubtful {
            let _place = self.doubtful.acquire().await;
            return transaction.await;
        }
        let _all = self.all.acquire().await;
        let quick = self.quick.acquire().await;
        tokio::pin!(transaction);
        if let Ok(done) = tokio::time::timeout(MOMENT, &mut transaction).await {
            return done;
        }
        drop(quick);
        transaction.await
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, ready},
        sync::Arc,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_dead_do_not_stand_in_the_way() {
        let lanes = Arc::new(Lanes::new());
        for _ in 0..QUICK * 2 {
            let lanes = Arc::clone(&lanes);
            tokio::spawn(async move { lanes.turn(false, pending::<()>()).await });
        }
        tokio::task::yield_now().await;
        let waited = tokio::time::timeout(Duration::from_secs(1), lanes.turn(false, ready(7))).await;
        assert_eq!(waited, Ok(7));
        for _ in 0..DOUBTFUL {
            let lanes = Arc::clone(&lanes);
            tokio::spawn(async move { lanes.turn(true, pending::<()>()).await });
        }
        tokio::task::yield_now().await;
        assert!(tokio::time::timeout(Duration::from_secs(9), lanes.turn(true, ready(()))).await.is_err());
        assert_eq!(lanes.turn(false, ready(8)).await, 8);
    }
}
