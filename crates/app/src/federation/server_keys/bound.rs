//! A bound on the number of servers whose keys are kept. Whoever has names without end can have us learn keys without end; those of servers with
//! which no room is shared are forgotten then, those that came longest ago first. They can be asked for again.

use std::sync::atomic::{AtomicI64, Ordering};

use domicile_store::{Batch, table::remote_keys};

use super::Inner;
use crate::Result;

/// Servers whose keys are kept at most, but for those with which rooms are shared.
const MOST: i64 = 100_000;
/// Servers that are forgotten at once.
const AT_ONCE: i64 = 1_000;

/// Counts servers.
#[derive(Debug)]
pub(super) struct Bound {
    /// Negative until it was counted.
    servers: AtomicI64,
    most: i64,
}

impl Default for Bound {
    fn default() -> Self {
        Self { servers: AtomicI64::new(-1), most: MOST }
    }
}

impl Inner {
    /// Notes that keys of a server are kept of which there were none. Where there are too many servers, some are forgotten.
    pub(super) async fn count_one_more(&self) -> Result<()> {
        if self.bound.servers.fetch_add(1, Ordering::Relaxed) < 0 {
            let read = self.store.read(|snapshot| async move { remote_keys::servers(&snapshot).await });
            self.bound.servers.store(read.await?, Ordering::Relaxed);
        }
        if self.bound.servers.load(Ordering::Relaxed) <= self.bound.most {
            return Ok(());
        }
        let read = self.store.read(|snapshot| async move { remote_keys::oldest(&snapshot, AT_ONCE).await });
        let oldest = read.await?;
        let mut batch = Batch::new();
        batch.low_priority();
        for server_name in &oldest {
            remote_keys::forget(&mut batch, server_name);
        }
        self.store.write(batch).await?;
        let gone = i64::try_from(oldest.len()).unwrap_or(i64::MAX);
        self.bound.servers.fetch_sub(gone, Ordering::Relaxed);
        tracing::info!(
            servers = gone,
            "the keys of servers are forgotten with which no room is shared: there were too many"
        );
        Ok(())
    }
}
