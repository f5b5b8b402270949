//! Where those are at home in whose name a cell speaks. They may have moved since this gateway heard of them: before anything of theirs is refused,
//! the directory is asked.

use std::sync::Arc;

use domicile_core::{
    clock::{Clock, SECOND_MS},
    locality::{CellName, Destination, Locality},
};
use quick_cache::sync::Cache;
use ruma::{OwnedUserId, UserId};

use crate::{
    Result,
    residency::{Localities, OwnCell},
};

/// How long the directory is not asked again about somebody: a cell that speaks of others would have it asked all the time.
const AGAIN_MS: i64 = 30 * SECOND_MS;
/// People of whom is remembered when it was asked.
const REMEMBERED: usize = 20_000;
/// People that are asked for at once.
const AT_ONCE: usize = 100;

/// Whose home is where, by what this cell knows and by the directory's word.
pub struct Speakers {
    clock: Arc<dyn Clock>,
    own: Arc<OwnCell>,
    localities: Arc<Localities>,
    asked: Cache<OwnedUserId, i64>,
}

impl Speakers {
    /// Nobody was asked for yet.
    pub fn new(clock: Arc<dyn Clock>, own: Arc<OwnCell>, localities: Arc<Localities>) -> Self {
        Self { clock, own, localities, asked: Cache::new(REMEMBERED) }
    }

    /// Finds out where people are at home in whose name a cell speaks.
    pub(super) async fn hear_of(&self, cell: &CellName, users: &[&UserId]) -> Result<()> {
        self.localities.meet(users).await?;
        let Some(cells) = self.localities.cells() else { return Ok(()) };
        let now_ms = self.clock.now_ms();
        let is_strange = |user: &&&UserId| {
            self.localities.is_ours(user.server_name())
                && !self.is_home(cell, user)
                && self.asked.get(**user).is_none_or(|asked_ms| now_ms - asked_ms >= AGAIN_MS)
        };
        let strangers: Vec<OwnedUserId> =
            users.iter().filter(is_strange).take(AT_ONCE).map(|user| (**user).to_owned()).collect();
        if strangers.is_empty() {
            return Ok(());
        }
        let told = cells.names.look_up_all(&strangers).await?;
        for user in strangers {
            self.asked.insert(user, now_ms);
        }
        cells.tickets.learn(told).await
    }

    /// Whether a cell is somebody's home, as far as is known.
    pub(super) fn is_home(&self, cell: &CellName, user: &UserId) -> bool {
        match self.localities.of(user) {
            Locality::Here => cell == self.own.name(),
            Locality::Elsewhere(Destination::Cell(home)) => home == *cell,
            _ => false,
        }
    }
}
