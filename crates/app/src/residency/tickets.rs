//! The tickets that this cell has: of its own people and of those whom they have met. All of them are in memory, since every event asks.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use domicile_core::locality::CellName;
use domicile_residency::directory::{History, Ticket};
use domicile_store::{Batch, Store, table::tickets};
use parking_lot::{Mutex, RwLock};
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
    /// Tickets of people whose home here is another one than what they say.
    turned: Mutex<BTreeMap<OwnedUserId, Vec<Ticket>>>,
    /// Cells that believe somebody's home to be another one than it is.
    stale: Mutex<BTreeSet<(CellName, OwnedUserId)>>,
    /// How many people have left each cell since the start.
    left: Mutex<BTreeMap<CellName, u64>>,
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
        let (known, turned, stale, left) = (RwLock::new(known), Mutex::default(), Mutex::default(), Mutex::default());
        Ok(Self { store, own, known, turned, stale, left })
    }

    /// Checks all tickets by the document that holds now, and leaves those aside that it does not bear out: those that a decider gave which was
    /// revoked. Gives of how many people that is.
    pub fn check_again(&self) -> usize {
        let mut known = self.known.write();
        let before = known.len();
        known.retain(|_, history| {
            let checked = History::check(history.tickets().to_vec(), self.own.document(), self.own.root());
            matches!(checked, Ok(Some(_)))
        });
        before - known.len()
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

    /// Those whose home this cell is or was.
    pub fn of_own_people(&self) -> Vec<OwnedUserId> {
        let known = self.known.read();
        let own = known.iter().filter(|(_, history)| history.was_home(self.own.name()));
        own.map(|(user_id, _)| user_id.clone()).collect()
    }

    /// How many people are known here whose home is a cell.
    pub fn at_home_in(&self, cell: &CellName) -> usize {
        self.known.read().values().filter(|history| history.home().as_ref() == Some(cell)).count()
    }

    /// What a user's tickets say together with what is known of them, without taking them.
    pub fn check(&self, mut tickets: Vec<Ticket>) -> Result<Option<History>> {
        tickets.sort_by_key(|ticket| ticket.epoch);
        let Some(first) = tickets.first() else { return Ok(None) };
        let known = self.get(&first.user_id);
        if let Some(known) = known.as_ref().filter(|known| known.covers(&tickets)) {
            return Ok(Some(History::clone(known)));
        }
        let checked = History::check(tickets, self.own.document(), self.own.root()).map_err(Error::internal)?;
        let Some(told) = checked else { return Ok(None) };
        let merged = match known {
            Some(known) => Arc::unwrap_or_clone(known).merge(told),
            None => Ok(told),
        };
        merged.map(Some).map_err(Error::internal)
    }

    /// Adds a user's tickets to a batch.
    pub fn write(batch: &mut Batch, user_id: &UserId, history: &History) -> Result<()> {
        for ticket in history.tickets() {
            let json = serde_json::to_string(ticket).map_err(Error::internal)?;
            tickets::put(batch, user_id.as_str(), ticket.epoch, &json);
        }
        Ok(())
    }

    /// Knows a user's tickets from now on. They are on disk, with all that follows from them.
    pub fn know(&self, user_id: &UserId, history: History) {
        let home = history.home();
        let before = self.known.write().insert(user_id.to_owned(), Arc::new(history));
        let before = before.and_then(|history| history.home());
        if let Some(left) = before.filter(|before| home.as_ref() != Some(before)) {
            *self.left.lock().entry(left).or_default() += 1;
        }
    }

    /// A number that grows with each of the people known here who leave a cell.
    pub fn left(&self, cell: &CellName) -> u64 {
        self.left.lock().get(cell).copied().unwrap_or_default()
    }

    /// Those who have changed their home by what somebody told, and of whom it still has to be done what follows from that.
    pub fn take_turned(&self) -> Vec<Vec<Ticket>> {
        std::mem::take(&mut *self.turned.lock()).into_values().collect()
    }

    /// Notes that a cell has to be told where somebody is.
    pub fn note_stale(&self, cell: CellName, user_id: OwnedUserId) {
        self.stale.lock().insert((cell, user_id));
    }

    /// Those who have to be told, and of whom.
    pub fn take_stale(&self) -> BTreeSet<(CellName, OwnedUserId)> {
        std::mem::take(&mut *self.stale.lock())
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
            let known = self.get(&user_id);
            // What is told along with a room has nearly always been told before.
            if known.as_ref().is_some_and(|known| known.covers(&tickets)) {
                continue;
            }
            let checked = match History::check(tickets, self.own.document(), self.own.root()) {
                Ok(Some(history)) => match known {
                    Some(known) => Arc::unwrap_or_clone(known).merge(history),
                    None => Ok(history),
                },
                Ok(None) => continue,
                Err(why) => Err(why),
            };
            match checked {
                // Rooms and more have to follow somebody who moves: that is done in one step, and not here.
                Ok(history) if self.get(&user_id).is_some_and(|known| known.home() != history.home()) => {
                    self.turned.lock().insert(user_id, history.tickets().to_vec());
                }
                Ok(history) => {
                    Self::write(&mut batch, &user_id, &history)?;
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
