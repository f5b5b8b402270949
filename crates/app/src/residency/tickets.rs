//! The tickets that this cell has: of its own people and of those whom they have met. All of them are in memory, since every event asks.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use domicile_core::locality::CellName;
use domicile_residency::directory::{History, Ticket};
use domicile_store::{Batch, Store, table::tickets};
use parking_lot::RwLock;
use ruma::{OwnedUserId, UserId};

use super::OwnCell;
use crate::{Error, Result};

/// Rows that are read at once.
const PAGE: i64 = 2_000;

/// The tickets.
pub struct Tickets {
    store: Store,
    own: Arc<OwnCell>,
    known: RwLock<HashMap<OwnedUserId, Arc<History>>>,
}

impl Tickets {
    /// Reads the tickets and checks each by the document. Those that it does not bear out, as after a decider was revoked, are left aside: the
    /// directory is asked for new ones.
    pub async fn open(store: Store, own: Arc<OwnCell>) -> Result<Self> {
        let mut by_user: BTreeMap<OwnedUserId, Vec<Ticket>> = BTreeMap::new();
        let mut after = (String::new(), 0);
        loop {
            let (user_id, epoch) = after.clone();
            let page = store
                .read(move |snapshot| async move { tickets::page(&snapshot, (user_id.as_str(), epoch), PAGE).await });
            let page = page.await?;
            let Some((user_id, epoch, _)) = page.last() else { break };
            after = (user_id.clone(), *epoch);
            for (_, _, ticket) in page {
                let ticket: Ticket = serde_json::from_str(&ticket).map_err(Error::internal)?;
                by_user.entry(ticket.user_id.clone()).or_default().push(ticket);
            }
        }
        let mut known = HashMap::with_capacity(by_user.len());
        for (user_id, tickets) in by_user {
            match History::check(tickets, own.document(), own.root()) {
                Ok(Some(history)) => {
                    known.insert(user_id, Arc::new(history));
                }
                Ok(None) => {}
                Err(why) => tracing::warn!(why = why.word(), "a ticket does not count any more"),
            }
        }
        Ok(Self { store, own, known: RwLock::new(known) })
    }

    /// What is known of a user's homes.
    pub fn get(&self, user_id: &UserId) -> Option<Arc<History>> {
        self.known.read().get(user_id).cloned()
    }

    /// The cell that answers for a user now.
    pub fn home(&self, user_id: &UserId) -> Option<CellName> {
        let home = self.known.read().get(user_id)?.home()?;
        Some(self.own.heir(&home))
    }

    /// How many people's homes are known, and how many of them are here.
    pub fn counts(&self) -> (usize, usize) {
        let known = self.known.read();
        (known.len(), known.values().filter(|history| history.home().as_ref() == Some(self.own.name())).count())
    }

    /// Takes tickets that somebody hands over, whoever it is: each is checked. Users of whom nothing right is told are passed over.
    pub async fn learn(&self, told: Vec<Ticket>) -> Result<()> {
        let mut by_user: BTreeMap<OwnedUserId, Vec<Ticket>> = BTreeMap::new();
        for ticket in told {
            by_user.entry(ticket.user_id.clone()).or_default().push(ticket);
        }
        let mut batch = Batch::new();
        let mut learnt = Vec::new();
        for (user_id, mut tickets) in by_user {
            tickets.sort_by_key(|ticket| ticket.epoch);
            let checked = match History::check(tickets, self.own.document(), self.own.root()) {
                Ok(Some(history)) => match self.get(&user_id) {
                    Some(known) => Arc::unwrap_or_clone(known).merge(history),
                    None => Ok(history),
                },
                Ok(None) => continue,
                Err(why) => Err(why),
            };
            match checked {
                Ok(history) => {
                    for ticket in history.tickets() {
                        let json = serde_json::to_string(ticket).map_err(Error::internal)?;
                        tickets::put(&mut batch, user_id.as_str(), ticket.epoch, &json);
                    }
                    learnt.push((user_id, Arc::new(history)));
                }
                Err(why) => tracing::warn!(why = why.word(), "a ticket was handed over that does not count"),
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        self.store.write(batch).await?;
        let mut known = self.known.write();
        for (user_id, history) in learnt {
            // Somebody else may have learnt more meanwhile.
            let longer = known.get(&user_id).is_none_or(|held| held.tickets().len() <= history.tickets().len());
            if longer {
                known.insert(user_id, history);
            }
        }
        Ok(())
    }
}
