//! The directory at work: names are taken at the decider, and whose home is where is asked there.
//!
//! The decider keeps a keyed hash of each name with the homes that it had, and makes the tickets anew for whoever names the user. Two wishes for
//! one name are two batches of which the database lets one through, whatever runs at once.

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{
    clock::{Clock, SECOND_MS},
    error::ErrorKind,
    locality::CellName,
    rng::{self, Rng},
};
use domicile_residency::{
    directory::{Authority, Entry, HashKey, Log, Taken, Ticket, Tip},
    flow::{self, Rule},
};
use domicile_store::{
    Batch, Store,
    table::{directory_names, users},
};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::{OwnedUserId, UserId};
use serde::{Deserialize, Serialize};

use super::{DirectoryStatus, InnerLink, OwnCell, Tickets, own_cell::directory_is_away};
use crate::{Error, Result, federation::PeerError};

/// Where the decider takes wishes for names.
pub const TAKE: &str = "/_domicile/inner/v1/names/take";
/// Where a cell asks for the tickets of people whose home it is, or was.
pub const OWN: &str = "/_domicile/inner/v1/names/own";
/// Where it is asked for tickets.
pub const LOOK_UP: &str = "/_domicile/inner/v1/names/look_up";
/// Users who are asked for at once.
const USERS: usize = 500;
/// Names that one cell may ask for: so many at once, and so many each second in the long run.
const ASKED_BURST: f64 = 5_000.0;
const ASKED_PER_MS: f64 = 0.01;
/// How long nobody asks again for a name that the directory did not tell.
const UNTOLD_MS: i64 = 10 * SECOND_MS;
/// Names that were not told and are remembered.
const UNTOLD: usize = 20_000;
/// How often a wish is decided again after another was written first.
pub(super) const TRIES: usize = 20;
/// Accounts that are looked through at once.
const PAGE: i64 = 500;

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

/// A home that a name had. The first has nobody's word but the decider's.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Home {
    pub(super) home: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) authority: Option<Authority>,
}

/// The directory.
pub struct Names {
    pub(super) store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    pub(super) own: Arc<OwnCell>,
    pub(super) tickets: Arc<Tickets>,
    link: Arc<InnerLink>,
    /// What each cell may ask for yet, and since when.
    asked: Mutex<BTreeMap<CellName, (f64, i64)>>,
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
        Self { store, clock, rng, own, tickets, link, asked: Mutex::default(), untold: Cache::new(UNTOLD) }
    }

    /// Takes a name for this cell, wherever it is decided. Whoever repeats it has it still.
    pub async fn claim(&self, user_id: &UserId) -> Result<()> {
        if self.tickets.home(user_id).as_ref() == Some(self.own.name()) {
            return Ok(());
        }
        let tickets = if self.own.decides() {
            self.take(self.own.name(), user_id).await?
        } else {
            let wish = Wish { user_id: user_id.to_owned() };
            let told: Told = self.ask(TAKE, &wish).await?;
            told.tickets
        };
        self.tickets.learn(tickets).await?;
        match self.tickets.home(user_id) {
            Some(home) if home == *self.own.name() => Ok(()),
            Some(_) => Err(in_use()),
            None => Err(Error::internal("the directory gave a ticket that does not count")),
        }
    }

    /// Takes the names of all accounts that were made here before there was a deployment.
    pub async fn claim_all(&self) -> Result<usize> {
        let (mut after, mut claimed) = (domicile_core::ids::UserNum::NOBODY, 0);
        loop {
            let page =
                self.store.read(move |snapshot| async move { users::page(&snapshot, after, PAGE).await }).await?;
            let Some(last) = page.last() else { return Ok(claimed) };
            after = last.user_num;
            for user in page {
                let user_id = OwnedUserId::try_from(user.user_id).map_err(Error::internal)?;
                if self.tickets.get(&user_id).is_none() {
                    self.claim(&user_id).await?;
                    claimed += 1;
                }
            }
        }
    }

    /// Finds out where users are of whom this cell has not heard. Who is still unknown then is nobody, or nobody who may be seen.
    pub async fn meet(&self, users: &[&UserId]) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let mut unknown: Vec<OwnedUserId> = users
            .iter()
            .filter(|user_id| user_id.server_name() == self.own.document().server_name)
            .filter(|user_id| self.tickets.get(user_id).is_none())
            .filter(|user_id| {
                self.untold.get::<UserId>(user_id).is_none_or(|since| now_ms.abs_diff(since) > UNTOLD_MS.unsigned_abs())
            })
            .map(|user_id| (*user_id).to_owned())
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        for chunk in unknown.chunks(USERS) {
            let tickets = if self.own.decides() {
                self.visible(self.own.name(), chunk).await?
            } else {
                let told: Told = self.ask(LOOK_UP, &Question { user_ids: chunk.to_vec() }).await?;
                told.tickets
            };
            self.tickets.learn(tickets).await?;
            for user_id in chunk.iter().filter(|user_id| self.tickets.get(user_id).is_none()) {
                self.untold.insert(user_id.clone(), now_ms);
            }
        }
        Ok(())
    }

    /// What the directory says now of somebody's homes.
    pub async fn look_up(&self, user_id: &UserId) -> Result<Vec<Ticket>> {
        let users = vec![user_id.to_owned()];
        if self.own.decides() {
            return self.visible(self.own.name(), &users).await;
        }
        let told: Told = self.ask(LOOK_UP, &Question { user_ids: users }).await?;
        Ok(told.tickets)
    }

    pub(super) async fn ask<A: serde::de::DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<A> {
        match self.link.ask_json(&self.own.document().decider.cell, path, body).await {
            Ok(answer) => Ok(answer),
            Err(PeerError::Matrix { errcode, .. }) if errcode == ErrorKind::UserInUse.code() => Err(in_use()),
            Err(error) => {
                tracing::warn!(%error, "the directory could not be asked");
                Err(directory_is_away())
            }
        }
    }

    /// A wish of another cell. A cell takes names for itself alone.
    pub async fn take_for(&self, cell: &CellName, wish: &Wish) -> Result<Told> {
        self.check_decides()?;
        self.check_rate(cell, 1)?;
        Ok(Told { tickets: self.take(cell, &wish.user_id).await? })
    }

    /// A question of another cell.
    pub async fn look_up_for(&self, cell: &CellName, question: &Question) -> Result<Told> {
        self.check_decides()?;
        if question.user_ids.len() > USERS {
            return Err(ErrorKind::TooLarge.with(format!("At most {USERS} people are asked for at once.")).into());
        }
        self.check_rate(cell, question.user_ids.len())?;
        Ok(Told { tickets: self.visible(cell, &question.user_ids).await? })
    }

    /// How the directory stands.
    pub async fn status(&self) -> Result<DirectoryStatus> {
        let read = self.store.read(|snapshot| async move {
            let (count, last) =
                (directory_names::count(&snapshot).await?, directory_names::last_entry(&snapshot).await?);
            Ok::<_, Error>((count, last))
        });
        let (count, last) = read.await?;
        let tip = tip(last.as_deref())?;
        let decides_here = self.own.decides();
        let (tickets, at_home) = self.tickets.counts();
        let decider = &self.own.document().decider;
        Ok(DirectoryStatus {
            cell: self.own.name().as_str().to_owned(),
            region: self.own.region().as_str().to_owned(),
            serial: self.own.document().serial,
            decider: decider.cell.as_str().to_owned(),
            term: decider.term,
            decides_here,
            tickets,
            at_home,
            names: decides_here.then_some(count),
            log_index: decides_here.then_some(tip.index),
            log_hash: decides_here.then_some(tip.hash),
        })
    }

    /// Walks the whole log by the document. Gives how many entries there are; an error names the first that is wrong.
    pub async fn check_log(&self) -> Result<u64> {
        let mut checked = Tip::start();
        loop {
            let after = i64::try_from(checked.index).unwrap_or(i64::MAX);
            let page =
                self.store.read(move |snapshot| async move { directory_names::entries(&snapshot, after, PAGE).await });
            let page = page.await?;
            if page.is_empty() {
                return Ok(checked.index);
            }
            for entry in page {
                let entry: Entry = serde_json::from_str(&entry).map_err(Error::internal)?;
                checked.follow(&entry, self.own.document()).map_err(Error::internal)?;
            }
        }
    }

    async fn take(&self, cell: &CellName, user_id: &UserId) -> Result<Vec<Ticket>> {
        if user_id.server_name() != self.own.document().server_name {
            return Err(ErrorKind::InvalidUsername.with("The name is another server's.").into());
        }
        let name = self.hash_key().await?.hash('@', user_id.localpart());
        for _ in 0..TRIES {
            let wanted = *name.as_bytes();
            let read = self.store.read(move |snapshot| async move {
                let homes = directory_names::homes(&snapshot, &wanted).await?;
                Ok::<_, Error>((homes, directory_names::last_entry(&snapshot).await?))
            });
            let (held, last) = read.await?;
            let homes = homes(held.as_deref())?;
            let holder = homes.last().and_then(|home| CellName::parse(&home.home));
            let mut log = Log::open(tip(last.as_deref())?, self.own.document().decider.term, self.own.key());
            let entry = match log.take(name, cell, holder.as_ref()) {
                Taken::Already => return self.issue(user_id, &homes),
                Taken::ByAnother => return Err(in_use()),
                Taken::Now(entry) => entry,
            };
            let homes = vec![Home { home: cell.as_str().to_owned(), authority: None }];
            let (json, row) = (serde_json::to_string(&entry), serde_json::to_string(&homes));
            let (json, row) = (json.map_err(Error::internal)?, row.map_err(Error::internal)?);
            let mut batch = Batch::new();
            directory_names::take(&mut batch, name.as_bytes(), &row, entry.index, &json);
            match self.store.write(batch).await {
                Ok(_) => return self.issue(user_id, &homes),
                // Another name, or this one, was written first.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(directory_is_away())
    }

    /// The tickets of those users whom a cell's people may know of.
    async fn visible(&self, cell: &CellName, users: &[OwnedUserId]) -> Result<Vec<Ticket>> {
        let document = self.own.document();
        let key = self.hash_key().await?;
        let hashes: Vec<[u8; 32]> =
            users.iter().map(|user_id| *key.hash('@', user_id.localpart()).as_bytes()).collect();
        let read = self.store.read(move |snapshot| async move {
            let mut found = Vec::with_capacity(hashes.len());
            for hash in &hashes {
                found.push(directory_names::homes(&snapshot, hash).await?);
            }
            Ok::<_, Error>(found)
        });
        let mut tickets = Vec::new();
        let asking = document.region_of(cell);
        for (user_id, held) in users.iter().zip(read.await?) {
            let homes = homes(held.as_deref())?;
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

    /// The key of the hashes; a new one if there is none yet.
    pub(super) async fn hash_key(&self) -> Result<HashKey> {
        loop {
            let read = self.store.read(|snapshot| async move { directory_names::hash_key(&snapshot).await });
            if let Some(key) = read.await? {
                let key: [u8; 32] =
                    key.as_ref().try_into().map_err(|_| Error::internal("the directory's hash key is damaged"))?;
                return Ok(HashKey::new(key));
            }
            let mut batch = Batch::new();
            directory_names::insert_hash_key(&mut batch, rng::bytes(&*self.rng));
            match self.store.write(batch).await {
                Ok(_) => {}
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(super) fn check_decides(&self) -> Result<()> {
        if self.own.decides() {
            return Ok(());
        }
        let text = format!("Names are decided by the cell {}.", self.own.document().decider.cell.as_str());
        Err(ErrorKind::Forbidden.with(text).into())
    }

    /// Whether a cell may ask for so many names now. Whoever has its key could otherwise try all names that there can be.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds between two requests, and a few names")]
    pub(super) fn check_rate(&self, cell: &CellName, names: usize) -> Result<()> {
        let now_ms = self.clock.now_ms();
        let mut asked = self.asked.lock();
        let (left, since) = asked.entry(cell.clone()).or_insert((ASKED_BURST, now_ms));
        let passed = now_ms.saturating_sub(*since).max(0) as f64;
        *left = (*left + passed * ASKED_PER_MS).min(ASKED_BURST);
        *since = now_ms;
        if *left < names as f64 {
            return Err(domicile_core::error::MatrixError::limit_exceeded(10_000).into());
        }
        *left -= names as f64;
        Ok(())
    }

    /// Lets a cell ask for so many names more: those for which it was counted were no question.
    #[expect(clippy::cast_precision_loss, reason = "a few names")]
    pub(super) fn give_back(&self, cell: &CellName, names: usize) {
        if let Some((left, _)) = self.asked.lock().get_mut(cell) {
            *left = (*left + names as f64).min(ASKED_BURST);
        }
    }
}

pub(super) fn homes(held: Option<&str>) -> Result<Vec<Home>> {
    held.map_or_else(|| Ok(Vec::new()), |held| serde_json::from_str(held).map_err(Error::internal))
}

pub(super) fn tip(last: Option<&str>) -> Result<Tip> {
    let Some(last) = last else { return Ok(Tip::start()) };
    let entry: Entry = serde_json::from_str(last).map_err(Error::internal)?;
    Ok(Tip { index: entry.index, hash: entry.hash(), term: entry.term })
}

fn in_use() -> Error {
    ErrorKind::UserInUse.with("The user name is taken: choose another one.").into()
}
