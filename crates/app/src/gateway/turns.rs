//! How many requests of other servers a gateway has in work at once: each has its answer in memory until it is read. Who answers files holds one piece
//! of them, and counts all the same.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domicile_core::error::MatrixError;
use domicile_residency::gateway::Size;
use parking_lot::Mutex;
use ruma::{OwnedServerName, ServerName};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::UNSIGNED;
use crate::Result;

/// Requests of one server that are in work.
const AT_ONCE: usize = 20;
/// Requests without a signature that are: they are anybody's.
const UNSIGNED_AT_ONCE: usize = 100;
/// Requests of one server that wait beside these.
const WAITING: usize = 40;
/// Requests for a room's state or history that are in work, of one server and of all.
const LARGE: usize = 2;
const LARGE_OF_ALL: usize = 8;
/// How long a request waits for its turn.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a server is told to wait whose requests are too many, in milliseconds.
const WAIT_MS: u64 = 1_000;

/// One server's.
struct Server {
    count: usize,
    at_once: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

type Servers = Arc<Mutex<HashMap<OwnedServerName, Server>>>;

/// All servers'.
pub(super) struct Turns {
    servers: Servers,
    large: Arc<Semaphore>,
}

impl Default for Turns {
    fn default() -> Self {
        Self { servers: Servers::default(), large: Arc::new(Semaphore::new(LARGE_OF_ALL)) }
    }
}

/// A request that is in work, for as long as it is held.
pub struct Turn {
    _permits: Vec<OwnedSemaphorePermit>,
    _counted: Counted,
}

/// A request that waits or is in work.
struct Counted {
    server: OwnedServerName,
    servers: Servers,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut servers = self.servers.lock();
        if let Some(server) = servers.get_mut(&self.server) {
            server.count = server.count.saturating_sub(1);
            if server.count == 0 {
                servers.remove(&self.server);
            }
        }
    }
}

impl Turns {
    /// A turn for a request of a server, as soon as there is one.
    pub(super) async fn of(&self, server: &ServerName, size: Size) -> Result<Turn> {
        let (counted, mut wanted) = self.count(server)?;
        if size == Size::Room {
            wanted.insert(1, Arc::clone(&self.large));
        } else {
            // The first is the one for what is large.
            wanted.remove(0);
        }
        let waiting = async {
            let mut permits = Vec::with_capacity(wanted.len());
            for semaphore in wanted {
                permits.extend(semaphore.acquire_owned().await.ok());
            }
            permits
        };
        let permits = tokio::time::timeout(PATIENCE, waiting).await;
        let permits = permits.map_err(|_| MatrixError::limit_exceeded(WAIT_MS))?;
        Ok(Turn { _permits: permits, _counted: counted })
    }

    /// Counts a request. What it waits for: the server's places for what is large, and for anything.
    fn count(&self, server: &ServerName) -> Result<(Counted, Vec<Arc<Semaphore>>)> {
        let at_once = if server.as_str() == UNSIGNED { UNSIGNED_AT_ONCE } else { AT_ONCE };
        let mut servers = self.servers.lock();
        let entry = servers.entry(server.to_owned()).or_insert_with(|| Server {
            count: 0,
            at_once: Arc::new(Semaphore::new(at_once)),
            large: Arc::new(Semaphore::new(LARGE)),
        });
        if entry.count >= at_once + WAITING {
            return Err(MatrixError::limit_exceeded(WAIT_MS).into());
        }
        entry.count += 1;
        let wanted = vec![Arc::clone(&entry.large), Arc::clone(&entry.at_once)];
        Ok((Counted { server: server.to_owned(), servers: Arc::clone(&self.servers) }, wanted))
    }
}

#[cfg(test)]
mod tests {
    use ruma::server_name;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_has_so_many_turns_and_others_have_theirs() {
        let (turns, one) = (Turns::default(), server_name!("one.example"));
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(turns.of(one, Size::Ordinary).await.unwrap());
        }
        assert!(turns.of(one, Size::Ordinary).await.is_err(), "it has waited");
        turns.of(server_name!("two.example"), Size::File).await.unwrap();
        held.pop();
        held.push(turns.of(one, Size::Ordinary).await.unwrap());
        held.clear();
        assert!(turns.servers.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_large_is_few() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for name in ["a.example", "b.example", "c.example", "d.example"] {
            let server = OwnedServerName::try_from(name).unwrap();
            for _ in 0..LARGE {
                held.push(turns.of(&server, Size::Room).await.unwrap());
            }
            assert!(turns.of(&server, Size::Room).await.is_err(), "one server's");
            held.push(turns.of(&server, Size::Ordinary).await.unwrap());
        }
        let other = server_name!("e.example");
        assert!(turns.of(other, Size::Room).await.is_err(), "all servers'");
        held.remove(0);
        turns.of(other, Size::Room).await.unwrap();
    }
}
