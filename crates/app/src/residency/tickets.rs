//! The tickets that this cell has: of its own people and of those whom they have met. All of them are in memory, since every event asks.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use domicile_core::locality::CellName;
use domicile_residency::{
    deployment::Deployment,
    directory::{History, Ticket, TicketError},
};
use domicile_store::{Batch, Store, table::tickets};
use parking_lot::{Mutex, RwLock};
use ruma::{OwnedUserId, UserId};

use super::{OwnCell, known::Known};
use crate::{Error, Result};

/// Rows that are read at once.
const PAGE: i64 = 2_000;

/// The tickets.
pub struct Tickets {
    pub(super) store: Store,
    pub(super) own: Arc<OwnCell>,
    known: RwLock<Known>,
    /// This cell's own people whose tickets in `known` a decider gave that was revoked since. They stand until the directory gives others: an account
    /// here is an account here.
    standing: RwLock<HashSet<OwnedUserId>>,
    /// Tickets of people whose home here is another one than what they say.
    turned: Mutex<BTreeMap<OwnedUserId, Vec<Ticket>>>,
    /// Those who were nobody here when it was last looked for people to forget.
    pub(super) strangers: Mutex<HashSet<OwnedUserId>>,
    /// Cells that believe somebody's home to be another one than it is.
    stale: Mutex<BTreeSet<(CellName, OwnedUserId)>>,
    /// How many people have left each cell since the start.
    left: Mutex<BTreeMap<CellName, u64>>,
}

impl Tickets {
    /// Reads the tickets and checks each by the document. Those that it does not bear out, as after a decider was revoked, are left aside, except
    /// those of people here, which stand until there are others: the directory is asked for new ones.
    pub async fn open(store: Store, own: Arc<OwnCell>) -> Result<Self> {
        let (mut known, mut standing) = (Known::default(), HashSet::new());
        for (user_id, tickets) in Self::stored(&store).await? {
            match History::check(tickets.clone(), own.document(), own.root()) {
                Ok(Some(history)) => {
                    known.insert(own.name(), user_id, Arc::new(history));
                }
                Ok(None) => {}
                Err(why) => {
                    let before = History::checked_before(tickets).filter(|history| stands(&own, history, &why));
                    let Some(history) = before else {
                        tracing::warn!(why = why.word(), "a ticket does not count any more");
                        continue;
                    };
                    standing.insert(user_id.clone());
                    known.insert(own.name(), user_id, Arc::new(history));
                }
            }
        }
        Ok(Self {
            store,
            own,
            known: RwLock::new(known),
            standing: RwLock::new(standing),
            turned: Mutex::default(),
            strangers: Mutex::default(),
            stale: Mutex::default(),
            left: Mutex::default(),
        })
    }

    /// All tickets of a database, by whom they are of. None is checked.
    pub(crate) async fn stored(store: &Store) -> Result<BTreeMap<OwnedUserId, Vec<Ticket>>> {
        let mut by_user: BTreeMap<OwnedUserId, Vec<Ticket>> = BTreeMap::new();
        let mut after = (String::new(), 0);
        loop {
            let (user_id, epoch) = after.clone();
            let page = store
                .read(move |snapshot| async move { tickets::page(&snapshot, (user_id.as_str(), epoch), PAGE).await });
            let page = page.await?;
            let Some((user_id, epoch, _)) = page.last() else { return Ok(by_user) };
            after = (user_id.clone(), *epoch);
            for (_, _, ticket) in page {
                let ticket: Ticket = serde_json::from_str(&ticket).map_err(Error::internal)?;
                by_user.entry(ticket.user_id.clone()).or_default().push(ticket);
            }
        }
    }

    /// Checks all tickets by the document that holds now, and leaves those aside that it does not bear out: those that a decider gave which was
    /// revoked. Those of people here stand until there are others. Gives of how many people new ones are needed.
    pub fn check_again(&self) -> usize {
        // Signatures take their time: nobody waits for them who asks for somebody's home.
        let all: Vec<(OwnedUserId, Arc<History>)> =
            self.known.read().all().iter().map(|(user_id, history)| (user_id.clone(), Arc::clone(history))).collect();
        let mut failed = Vec::new();
        for (user_id, history) in all {
            match History::check(history.tickets().to_vec(), self.own.document(), self.own.root()) {
                Ok(Some(_)) => {}
                Ok(None) => failed.push((user_id, history, false)),
                Err(why) => {
                    let stands = stands(&self.own, &history, &why);
                    failed.push((user_id, history, stands));
                }
            }
        }
        let count = failed.len();
        let (mut known, mut standing) = (self.known.write(), self.standing.write());
        for (user_id, history, stands) in failed {
            // Somebody may have learnt better meanwhile.
            if !known.get(&user_id).is_some_and(|held| Arc::ptr_eq(held, &history)) {
                continue;
            }
            if stands {
                standing.insert(user_id);
            } else {
                known.remove(self.own.name(), &user_id);
            }
        }
        count
    }

    /// Whether the directory has to give a ticket to somebody whose account is here.
    pub fn is_owed(&self, user_id: &UserId) -> bool {
        self.proven(user_id).is_none()
    }

    /// What is known of a user's homes by tickets that count.
    fn proven(&self, user_id: &UserId) -> Option<Arc<History>> {
        self.get(user_id).filter(|_| !self.standing.read().contains(user_id))
    }

    /// What is known of a user's homes.
    pub fn get(&self, user_id: &UserId) -> Option<Arc<History>> {
        self.known.read().get(user_id).cloned()
    }

    /// The cell that answers for a user now, as this one sees it.
    pub fn home(&self, user_id: &UserId) -> Option<CellName> {
        let home = self.known.read().get(user_id)?.home()?;
        Some(answers_for(home, self.own.name(), self.own.document()))
    }

    /// Whether this cell is a user's home by tickets that count, and not as the heir of a cell that is no more.
    pub fn is_home(&self, user_id: &UserId) -> bool {
        self.proven(user_id).and_then(|known| known.home()).as_ref() == Some(self.own.name())
    }

    /// How many people's homes are known, and how many of them are here.
    pub fn counts(&self) -> (usize, usize) {
        self.known.read().counts()
    }

    /// Those whose home this cell is or was.
    pub fn of_own_people(&self) -> Vec<OwnedUserId> {
        let known = self.known.read();
        let own = known.all().iter().filter(|(_, history)| history.was_home(self.own.name()));
        own.map(|(user_id, _)| user_id.clone()).collect()
    }

    /// How many people are known here whose home is a cell.
    pub fn at_home_in(&self, cell: &CellName) -> usize {
        self.known.read().all().values().filter(|history| history.home().as_ref() == Some(cell)).count()
    }

    /// What a user's tickets say together with what is known of them, without taking them.
    pub fn check(&self, mut tickets: Vec<Ticket>) -> Result<Option<History>> {
        tickets.sort_by_key(|ticket| ticket.epoch);
        let Some(first) = tickets.first() else { return Ok(None) };
        let known = self.proven(&first.user_id);
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
        let before = self.known.write().insert(self.own.name(), user_id.to_owned(), Arc::new(history));
        self.standing.write().remove(user_id);
        let before = before.and_then(|history| history.home());
        if let Some(left) = before.filter(|before| home.as_ref() != Some(before)) {
            *self.left.lock().entry(left).or_default() += 1;
        }
    }

    /// A number that grows with each of the people known here who leave a cell.
    pub fn left(&self, cell: &CellName) -> u64 {
        self.left.lock().get(cell).copied().unwrap_or_default()
    }

    /// Knows nothing of people any more. They are gone from the disk.
    pub(super) fn forget(&self, users: &[&OwnedUserId]) {
        let mut known = self.known.write();
        for user_id in users {
            known.remove(self.own.name(), user_id);
        }
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
            let known = self.proven(&user_id);
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
                // Where the directory knows less of somebody here than this cell, it has not caught up.
                Ok(history) if self.is_shorter(&history, &user_id) => {}
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
        let (mut known, mut standing) = (self.known.write(), self.standing.write());
        for (user_id, history) in learnt {
            // Somebody else may have learnt more meanwhile.
            let longer = known.get(&user_id).is_none_or(|held| held.tickets().len() <= history.tickets().len());
            if longer {
                standing.remove(&user_id);
                known.insert(self.own.name(), user_id, history);
            }
        }
        Ok(())
    }

    fn is_shorter(&self, history: &History, user_id: &UserId) -> bool {
        self.get(user_id).is_some_and(|known| known.tickets().len() > history.tickets().len())
    }
}

/// The cell that answers for the people of a home now. Of a home that was revoked that is never `own`, whoever's heir it is: they have an account there
/// when the root key gave them one, and then it is their home.
pub(crate) fn answers_for(home: CellName, own: &CellName, document: &Deployment) -> CellName {
    let heir = document.heir(&home).unwrap_or(&home);
    if heir == own && document.successor(&home) != Some(own) { home } else { heir.clone() }
}

/// Whether tickets that do not count any more stand all the same: those of somebody at home here, from a decider that was revoked since.
fn stands(own: &OwnCell, history: &History, why: &TicketError) -> bool {
    let TicketError::NotSigned { term, .. } = why else { return false };
    history.home().as_ref() == Some(own.name()) && own.document().is_revoked_decider(*term)
}
