//! The directory at work: names are taken at the decider, and whose home is where is asked there.
//!
//! The decider keeps a keyed hash of each name with the homes that it had, and makes the tickets anew for whoever names the user. Two wishes for
//! one name are two batches of which the database lets one through, whatever runs at once. The cells that follow its log ([`Followers`]) answer
//! who asks for somebody while the decider cannot.

use std::sync::{Arc, atomic::AtomicUsize};

use domicile_core::{
    clock::{Clock, SECOND_MS},
    error::ErrorKind,
    locality::CellName,
    rng::Rng,
};
use domicile_residency::{
    directory::{HashKeys, Log, NameHash, Taken, Ticket},
    flow::{self, Rule},
};
use domicile_store::{Batch, Store, table::directory_names};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::{OwnedUserId, UserId};
use serde::{Deserialize, Serialize};

use super::{
    Followers, InnerLink, OwnCell, Tickets,
    allowances::{Allowances, Wanting},
    directory_log::{self, DirectoryLog, Held, Home},
    own_cell::no_names,
};
use crate::{Error, Result};

/// Where the decider takes wishes for names.
pub const TAKE: &str = "/_domicile/inner/v1/names/take";
/// Where a cell asks for the tickets of people whose home it is, or was.
pub const OWN: &str = "/_domicile/inner/v1/names/own";
/// Where it is asked for tickets.
pub const LOOK_UP: &str = "/_domicile/inner/v1/names/look_up";
/// Users who are asked for at once.
const USERS: usize = 500;
/// How long nobody asks again for a name that the directory did not tell.
const UNTOLD_MS: i64 = 10 * SECOND_MS;
/// Names that were not told and are remembered.
const UNTOLD: usize = 20_000;
/// How often a wish is decided again after another was written first.
pub(super) const TRIES: usize = 20;

/// A wish for a name.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wish {
    /// The user.
    pub user_id: OwnedUserId,
}

/// Users whose homes are asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct Question {
    /// The users.
    pub user_ids: Vec<OwnedUserId>,
}

/// Tickets. Of whom there is none, there is nobody, or nobody who may be seen: that is one answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Told {
    /// The tickets.
    pub tickets: Vec<Ticket>,
}

/// The directory.
pub struct Names {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    pub(super) own: Arc<OwnCell>,
    pub(super) tickets: Arc<Tickets>,
    link: Arc<InnerLink>,
    pub(super) log: Arc<DirectoryLog>,
    pub(super) followers: Arc<Followers>,
    /// How often accounts of here still have to get their names: nobody else gets any before.
    pub(super) owes_own: AtomicUsize,
    /// They get them once at a time.
    pub(super) claiming: tokio::sync::Mutex<()>,
    /// When the decider did not answer, in milliseconds since the epoch.
    pub(super) away: Mutex<Option<i64>>,
    pub(super) allowances: Allowances,
    untold: Cache<OwnedUserId, i64>,
}

impl Names {
    /// Over a store.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        own: Arc<OwnCell>,
        tickets: Arc<Tickets>,
        link: Arc<InnerLink>,
    ) -> Self {
        let log = Arc::new(DirectoryLog::new(store.clone(), Arc::clone(&own)));
        let (one, other) = (Arc::clone(&own), Arc::clone(&link));
        let followers = Followers::new(store.clone(), Arc::clone(&clock), one, other, Arc::clone(&log));
        let allowances = Allowances::new(Arc::clone(&clock));
        Self {
            store,
            clock,
            rng,
            own,
            tickets,
            link,
            log,
            followers: Arc::new(followers),
            owes_own: AtomicUsize::new(0),
            claiming: tokio::sync::Mutex::default(),
            away: Mutex::default(),
            allowances,
            untold: Cache::new(UNTOLD),
        }
    }

    pub(super) fn rng(&self) -> &dyn Rng {
        &*self.rng
    }

    pub(super) fn link(&self) -> &InnerLink {
        &self.link
    }

    /// Gives the hashes of names another key, and goes on in the background. Gives how many entries the log has.
    pub async fn rotate_key(&self) -> Result<u64> {
        self.followers.rotate_key(&*self.rng).await
    }

    /// The cells that hold the directory.
    pub fn followers(&self) -> &Arc<Followers> {
        &self.followers
    }

    /// Finds out where users are of whom this cell has not heard. Who is still unknown then is nobody, or nobody who may be seen.
    pub async fn meet(&self, users: &[&UserId]) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let unknown: Vec<OwnedUserId> = self.unmet(users).into_iter().map(ToOwned::to_owned).collect();
        for chunk in unknown.chunks(USERS) {
            let tickets = self.told_of(chunk).await?;
            self.tickets.learn(tickets).await?;
            for user_id in chunk.iter().filter(|user_id| self.tickets.get(user_id).is_none()) {
                self.untold.insert(user_id.clone(), now_ms);
            }
        }
        Ok(())
    }

    /// Those for whom that has to ask the directory.
    pub(super) fn unmet<'u>(&self, users: &[&'u UserId]) -> Vec<&'u UserId> {
        let now_ms = self.clock.now_ms();
        let is_told = |since: i64| now_ms.abs_diff(since) <= UNTOLD_MS.unsigned_abs();
        let ours = users.iter().filter(|user_id| user_id.server_name() == self.own.document().server_name);
        let unknown = ours.filter(|user_id| self.tickets.get(user_id).is_none());
        let mut unmet: Vec<&UserId> =
            unknown.filter(|user_id| !self.untold.get::<UserId>(user_id).is_some_and(is_told)).copied().collect();
        unmet.sort_unstable();
        unmet.dedup();
        unmet
    }

    /// What the directory says now of somebody's homes.
    pub async fn look_up(&self, user_id: &UserId) -> Result<Vec<Ticket>> {
        self.told_of(&[user_id.to_owned()]).await
    }

    /// The same of several people.
    pub async fn look_up_all(&self, users: &[OwnedUserId]) -> Result<Vec<Ticket>> {
        let mut tickets = Vec::with_capacity(users.len());
        for chunk in users.chunks(USERS) {
            tickets.extend(self.told_of(chunk).await?);
        }
        Ok(tickets)
    }

    /// What the directory says of people: the decider, or one who follows it while that one cannot be asked.
    async fn told_of(&self, users: &[OwnedUserId]) -> Result<Vec<Ticket>> {
        if self.own.decides() {
            return self.visible(self.own.name(), users).await;
        }
        let question = Question { user_ids: users.to_vec() };
        match self.ask_any::<Told>(LOOK_UP, &question).await {
            Ok(told) => Ok(told.tickets),
            // What is here may be a little behind, which is better than nothing.
            Err(_) if self.followers.holds() => self.visible(self.own.name(), users).await,
            Err(error) => Err(error),
        }
    }

    /// A wish of another cell. A cell takes names for itself alone.
    pub async fn take_for(&self, cell: &CellName, wish: &Wish) -> Result<Told> {
        self.check_decides()?;
        self.check_rate(cell, Wanting::Take, 1)?;
        if self.owes_own() {
            return Err(no_names());
        }
        Ok(Told { tickets: self.take(cell, &wish.user_id).await? })
    }

    /// A question of another cell.
    pub async fn look_up_for(&self, cell: &CellName, question: &Question) -> Result<Told> {
        self.check_holds()?;
        if question.user_ids.len() > USERS {
            return Err(ErrorKind::TooLarge.with(format!("At most {USERS} people are asked for at once.")).into());
        }
        self.check_rate(cell, Wanting::LookUp, question.user_ids.len())?;
        Ok(Told { tickets: self.visible(cell, &question.user_ids).await? })
    }

    /// Walks the whole log by the document. Gives how many entries there are; an error names the first that is wrong.
    pub async fn check_log(&self) -> Result<u64> {
        self.log.check().await
    }

    pub(super) async fn take(&self, cell: &CellName, user_id: &UserId) -> Result<Vec<Ticket>> {
        if user_id.server_name() != self.own.document().server_name {
            return Err(ErrorKind::InvalidUsername.with("The name is another server's.").into());
        }
        let homes = self.take_name(cell, ('@', user_id.localpart())).await?;
        self.issue(user_id, &homes.ok_or_else(in_use)?)
    }

    /// Takes a name for a cell, and gives its homes when it is in two cells; none if another cell has it.
    pub(super) async fn take_name(
        &self,
        cell: &CellName,
        (sigil, localpart): (char, &str),
    ) -> Result<Option<Vec<Home>>> {
        let Some((homes, index)) = self.write_name(cell, sigil, localpart).await? else { return Ok(None) };
        self.followers.commit(index).await?;
        Ok(Some(homes))
    }

    async fn write_name(&self, cell: &CellName, sigil: char, localpart: &str) -> Result<Option<(Vec<Home>, u64)>> {
        let deciding = self.followers.deciding().await?;
        let name = self.make_keys().await?.hash(sigil, localpart);
        for _ in 0..TRIES {
            let (held, tip) = self.log.name(name).await?;
            let (homes, index) = held.map_or_else(Default::default, |held| (held.homes, held.index));
            let holder = homes.last().and_then(|home| CellName::parse(&home.home));
            let mut log = Log::open(tip, deciding.term, self.own.key());
            let entry = match log.take(name, cell, holder.as_ref()) {
                Taken::Already => return Ok(Some((homes, index))),
                Taken::ByAnother => return Ok(None),
                Taken::Now(entry) => entry,
            };
            let homes = vec![Home { home: cell.as_str().to_owned(), authority: None }];
            let json = serde_json::to_string(&entry).map_err(Error::internal)?;
            let mut batch = Batch::new();
            directory_names::append(&mut batch, entry.index, &json);
            directory_names::number_home(&mut batch, cell.as_str());
            directory_names::take(&mut batch, name.as_bytes(), &directory_log::row(&homes)?, entry.index);
            match self.store.write(batch).await {
                Ok(_) => return Ok(Some((homes, entry.index))),
                // Another name, or this one, was written first.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(no_names())
    }

    /// The tickets of those users whom a cell's people may know of.
    async fn visible(&self, cell: &CellName, users: &[OwnedUserId]) -> Result<Vec<Ticket>> {
        let document = self.own.document();
        let mut tickets = Vec::new();
        let wanted = users.iter().map(|user_id| ('@', user_id.localpart().to_owned())).collect();
        let told_up_to = self.followers.told_up_to().await?;
        let asking = document.region_of(cell);
        for (user_id, held) in users.iter().zip(self.log.find(wanted).await?) {
            let homes = told(held.map(|(_, held)| held), told_up_to);
            let home = homes.last().and_then(|home| CellName::parse(&home.home));
            // Of people whose home was revoked it is still told who they were, as before: what they had said lives on where others had it.
            let home = home.and_then(|home| document.region_once_of(document.heir(&home).unwrap_or(&home)).cloned());
            let (Some(asking), Some(home)) = (asking, home) else { continue };
            if flow::between(document, asking, &home).rule != Rule::Forbid {
                tickets.extend(self.issue(user_id, &homes)?);
            }
        }
        Ok(tickets)
    }

    /// Makes a user's tickets. The same words give the same signatures, whenever they are made.
    pub(super) fn issue(&self, user_id: &UserId, homes: &[Home]) -> Result<Vec<Ticket>> {
        let signer = (self.own.document().decider.term, self.own.key());
        let mut tickets: Vec<Ticket> = Vec::with_capacity(homes.len());
        for home in homes {
            let cell =
                CellName::parse(&home.home).ok_or_else(|| Error::internal("a home in the directory is no cell"))?;
            let before = tickets.last().zip(home.authority.clone());
            let ticket = Ticket::issue(user_id.to_owned(), &cell, before, signer);
            tickets.push(ticket);
        }
        Ok(tickets)
    }

    /// What the directory has of a name.
    pub(super) async fn held(&self, sigil: char, localpart: &str) -> Result<Option<(NameHash, Held)>> {
        Ok(self.log.find(vec![(sigil, localpart.to_owned())]).await?.pop().flatten())
    }

    /// The keys of the hashes, of which the first is made when the first name is taken.
    pub(super) async fn make_keys(&self) -> Result<HashKeys> {
        self.log.make_keys(&*self.rng).await
    }

    pub(super) fn check_holds(&self) -> Result<()> {
        if self.followers.holds() {
            return Ok(());
        }
        Err(ErrorKind::Forbidden.with("This cell does not hold the directory.").into())
    }

    pub(super) fn check_decides(&self) -> Result<()> {
        if self.own.decides() {
            return Ok(());
        }
        let text = format!("Names are decided by the cell {}.", self.own.document().decider.cell.as_str());
        Err(ErrorKind::Forbidden.with(text).into())
    }
}

/// The homes of a name as far as they are in two cells: the last change may be in one alone, and is nobody's to know then.
fn told(held: Option<Held>, up_to: u64) -> Vec<Home> {
    let Some(Held { mut homes, index, .. }) = held else { return Vec::new() };
    if index > up_to {
        homes.pop();
    }
    homes
}

pub(super) fn in_use() -> Error {
    ErrorKind::UserInUse.with("The user name is taken: choose another one.").into()
}
