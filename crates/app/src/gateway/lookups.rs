//! How much other servers have a gateway ask the directory. The directory answers a cell only so many questions, and newcomers need some of them: without
//! a bound, whoever invents names could keep people from making accounts.

use domicile_core::error::MatrixError;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::{OwnedServerName, ServerName};

use crate::Result;

/// Names for one server: at once, and for each second.
const OF_ONE: Rate = Rate { burst: 1_000.0, per_ms: 0.005 };
/// The same for all: less than the directory gives a cell.
const OF_ALL: Rate = Rate { burst: 4_000.0, per_ms: 0.008 };
/// Servers that are remembered.
const SERVERS: usize = 10_000;
/// How long a server is told to wait, in milliseconds.
const WAIT_MS: u64 = 10_000;

struct Rate {
    burst: f64,
    per_ms: f64,
}

/// What is left, and since when, in milliseconds since the epoch.
#[derive(Clone, Copy)]
struct Left {
    names: f64,
    since_ms: i64,
}

impl Left {
    #[expect(clippy::cast_precision_loss, reason = "less than all time that passes between two requests matters")]
    fn at(self, now_ms: i64, rate: &Rate) -> Self {
        let passed = now_ms.saturating_sub(self.since_ms).max(0) as f64;
        Self { names: (self.names + passed * rate.per_ms).min(rate.burst), since_ms: now_ms }
    }
}

/// What is left for whom.
pub(super) struct Lookups {
    all: Mutex<Left>,
    servers: Cache<OwnedServerName, Left>,
}

impl Default for Lookups {
    fn default() -> Self {
        let all = Mutex::new(Left { names: OF_ALL.burst, since_ms: 0 });
        Self { all, servers: Cache::new(SERVERS) }
    }
}

impl Lookups {
    /// Lets a server have so many names looked up, or tells it to come later.
    #[expect(clippy::cast_precision_loss, reason = "at most a thousand names")]
    pub(super) fn take(&self, server: &ServerName, names: usize, now_ms: i64) -> Result<()> {
        if names == 0 {
            return Ok(());
        }
        let names = names as f64;
        // Held until both are counted.
        let mut all = self.all.lock();
        let of_all = all.at(now_ms, &OF_ALL);
        let new = Left { names: OF_ONE.burst, since_ms: now_ms };
        let of_one = self.servers.get(server).unwrap_or(new).at(now_ms, &OF_ONE);
        if of_all.names < names || of_one.names < names {
            return Err(MatrixError::limit_exceeded(WAIT_MS).into());
        }
        *all = Left { names: of_all.names - names, ..of_all };
        self.servers.insert(server.to_owned(), Left { names: of_one.names - names, ..of_one });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ruma::server_name;

    use super::*;

    #[test]
    fn each_server_has_its_share_and_all_have_theirs() {
        let lookups = Lookups::default();
        let one = server_name!("one.example");
        lookups.take(one, 1_000, 5).unwrap();
        lookups.take(one, 1, 5).unwrap_err();
        lookups.take(one, 0, 5).unwrap();
        lookups.take(one, 5, 2_005).unwrap();
        for name in ["two.example", "three.example", "four.example"] {
            lookups.take(<&ServerName>::try_from(name).unwrap(), 1_000, 2_005).unwrap();
        }
        let five = server_name!("five.example");
        lookups.take(five, 1_000, 2_005).unwrap_err();
        lookups.take(five, 1_000, 130_000).unwrap();
    }
}
