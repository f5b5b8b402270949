//! Whose home is where, in memory, with how many homes are here: that is asked by whoever wants an account.

use std::{collections::HashMap, sync::Arc};

use domicile_core::locality::CellName;
use domicile_residency::directory::History;
use ruma::{OwnedUserId, UserId};

/// People's homes.
#[derive(Default)]
pub(super) struct Known {
    by_user: HashMap<OwnedUserId, Arc<History>>,
    at_home: usize,
}

impl Known {
    pub(super) fn get(&self, user_id: &UserId) -> Option<&Arc<History>> {
        self.by_user.get(user_id)
    }

    /// Gives what was known before. `own` is this cell.
    pub(super) fn insert(
        &mut self,
        own: &CellName,
        user_id: OwnedUserId,
        history: Arc<History>,
    ) -> Option<Arc<History>> {
        self.at_home += usize::from(is_home(own, &history));
        let before = self.by_user.insert(user_id, history);
        self.at_home -= before.as_ref().map_or(0, |before| usize::from(is_home(own, before)));
        before
    }

    pub(super) fn remove(&mut self, own: &CellName, user_id: &UserId) {
        if let Some(before) = self.by_user.remove(user_id) {
            self.at_home -= usize::from(is_home(own, &before));
        }
    }

    pub(super) fn all(&self) -> &HashMap<OwnedUserId, Arc<History>> {
        &self.by_user
    }

    /// How many people's homes are known, and how many of them are here.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.by_user.len(), self.at_home)
    }
}

fn is_home(own: &CellName, history: &History) -> bool {
    history.tickets().last().is_some_and(|last| last.home == own.as_str())
}

#[cfg(test)]
mod tests {
    use domicile_residency::directory::Ticket;
    use ruma::user_id;

    use super::*;

    fn history(home: &str, epoch: u32) -> Arc<History> {
        let ticket = Ticket {
            user_id: user_id!("@alice:example.org").to_owned(),
            home: home.to_owned(),
            epoch,
            previous: None,
            authority: None,
            term: 1,
            signature: String::new(),
        };
        Arc::new(History::checked_before(vec![ticket]).unwrap())
    }

    #[test]
    fn homes_here_are_counted() {
        let own = CellName::parse("eu1").unwrap();
        let (alice, bob) = (user_id!("@alice:example.org"), user_id!("@bob:example.org"));
        let mut known = Known::default();
        known.insert(&own, alice.to_owned(), history("eu1", 1));
        known.insert(&own, alice.to_owned(), history("eu1", 1));
        known.insert(&own, bob.to_owned(), history("ru1", 1));
        assert_eq!(known.counts(), (2, 1));
        known.insert(&own, bob.to_owned(), history("eu1", 2));
        assert_eq!(known.counts(), (2, 2));
        known.insert(&own, alice.to_owned(), history("ru1", 2));
        known.remove(&own, bob);
        known.remove(&own, bob);
        assert_eq!(known.counts(), (1, 0));
    }
}
