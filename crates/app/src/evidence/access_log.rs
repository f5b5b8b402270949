//! Who looked at whose data: an entry is written before the answer is given, so there is no look without one.
//!
//! Each person has a chain of their own. An entry is sealed with the person's key, so that only they and this cell can read it and an erasure
//! makes it unreadable; the chain goes over what is sealed, so that it can be checked all the same.

use std::sync::Arc;

use bytes::Bytes;
use domicile_core::{clock::Clock, ids::UserNum};
use domicile_store::{
    Batch, Keystore, Store, StoreError,
    catalogue::Table,
    table::access_log::{self as rows, Entry},
    walk::rows::Cell,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Error, Result, error::not_found};

/// What is sealed is of this place.
const SEALED: &str = "access_log.sealed";
/// What the hash of an entry begins with, so that it is no other hash.
const CHAIN: &[u8] = b"domicile access log 1";
/// How often an entry is tried again when others add theirs meanwhile.
const ATTEMPTS: usize = 10;
/// Entries of a page.
const PAGE: i64 = 500;
/// Longest name and longest reason, in characters; what is longer is cut.
const LONGEST: usize = 500;

/// Who looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operator {
    /// The name that they give.
    pub name: String,
    /// The number of their account on the machine, if the system told it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
}

/// What was looked at, or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The list of devices, with names and last uses.
    Devices,
    /// A report that the person made.
    Report,
    /// This log.
    AccessLog,
    /// Whether the account is locked or suspended.
    Standing,
    /// The account was locked or unlocked, suspended or not any more.
    StandingChanged,
    /// The password was replaced.
    PasswordChanged,
    /// Everything that is held about the person was asked for; a second administrator has to confirm.
    ExportRequested,
    /// Everything that is held about the person was written to a file, encrypted.
    Exported,
    /// The account was ended.
    Deactivated,
    /// The person was erased.
    Erased,
    /// Where their home is, and why.
    Home,
    /// What a move would take along, with their rooms, or what they said against one.
    MovePlanned,
    /// A move was ordered.
    MoveOrdered,
    /// A move was stopped, or goes on though they objected.
    MoveDecided,
    /// The country under whose law they live: looked at, or noted.
    Jurisdiction,
}

/// A look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// Who.
    pub by: Operator,
    /// At what.
    pub what: What,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An entry as the person reads it.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// Its number, from 1.
    pub entry: i64,
    /// When, in milliseconds since the epoch.
    pub ts: i64,
    /// Who looked at what; nothing if it cannot be read any more.
    #[serde(flatten)]
    pub look: Option<Look>,
    /// Its hash, in hexadecimal.
    pub hash: String,
}

/// All that a person is told.
#[derive(Clone, Debug, Serialize)]
pub struct Log {
    /// The entries, the first first.
    pub entries: Vec<Told>,
    /// Whether each follows from the one before it.
    pub whole: bool,
}

/// The state of all chains.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Chains {
    /// Entries.
    pub entries: i64,
    /// People with entries.
    pub people: i64,
    /// The first people whose chain is broken, by number.
    pub broken: Vec<i64>,
    /// A hash over the last hash of each chain, in hexadecimal.
    pub digest: String,
}

/// A log whose entries are chained anew, since they were sealed with another key: somebody has moved here.
#[derive(Default)]
pub(crate) struct Rechained {
    last: Option<Bytes>,
}

impl Rechained {
    /// Gives the next entry, whose columns are in the catalogue's order, the hash that follows from those before it.
    pub(crate) fn follow(&mut self, table: &Table, row: &mut [Cell]) {
        let at = |name: &str| table.columns.iter().position(|column| column.name == name).unwrap_or(usize::MAX);
        let (entry, ts, sealed) = (row.get(at("entry")), row.get(at("ts")), row.get(at("sealed")));
        let (Some(Cell::Int(entry)), Some(Cell::Int(ts)), Some(Cell::Bytes(sealed))) = (entry, ts, sealed) else {
            return;
        };
        let hash = chained(self.last.as_deref(), *entry, *ts, sealed);
        self.last = Some(hash.clone());
        if let Some(cell) = row.get_mut(at("hash")) {
            *cell = Cell::Bytes(hash);
        }
    }
}

/// Keeps the log.
pub struct AccessLog {
    store: Store,
    keystore: Arc<Keystore>,
    clock: Arc<dyn Clock>,
}

/// The hash of an entry that follows another, or is the first.
fn chained(previous: Option<&[u8]>, entry: i64, ts: i64, sealed: &[u8]) -> Bytes {
    let mut hash = Sha256::new();
    hash.update(CHAIN);
    hash.update(previous.unwrap_or_default());
    hash.update(entry.to_be_bytes());
    hash.update(ts.to_be_bytes());
    hash.update(sealed);
    Bytes::copy_from_slice(&hash.finalize())
}

fn follows(previous: Option<&Entry>, entry: &Entry) -> bool {
    let number = previous.map_or(1, |previous| previous.entry + 1);
    let hash = chained(previous.map(|previous| &previous.hash[..]), entry.entry, entry.ts, &entry.sealed);
    entry.entry == number && entry.hash == hash
}

fn cut(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

impl AccessLog {
    /// A log over a store.
    pub fn new(store: Store, keystore: Arc<Keystore>, clock: Arc<dyn Clock>) -> Self {
        Self { store, keystore, clock }
    }

    /// Notes a look. When this returns, it is on disk.
    pub async fn note(&self, user_num: UserNum, look: Look) -> Result<()> {
        let by = Operator { name: cut(&look.by.name), uid: look.by.uid };
        let look = Look { by, what: look.what, reason: look.reason.map(|reason| cut(&reason)) };
        let sealed = match self.keystore.key_of(user_num).await {
            Ok(key) => key.seal(SEALED, &serde_json::to_vec(&look).map_err(Error::internal)?)?,
            // Nobody could read it: the person is erased.
            Err(StoreError::Sealed(_)) => Bytes::new(),
            Err(error) => return Err(error.into()),
        };
        for _ in 0..ATTEMPTS {
            let last = self.store.read(move |snapshot| async move { rows::last(&snapshot, user_num).await }).await;
            let last: Option<Entry> = last?;
            let (entry, ts) = (last.as_ref().map_or(1, |last| last.entry + 1), self.clock.now_ms());
            let hash = chained(last.as_ref().map(|last| &last.hash[..]), entry, ts, &sealed);
            let mut batch = Batch::new();
            rows::insert(&mut batch, Entry { user_num, entry, ts, sealed: sealed.clone(), hash });
            match self.store.write(batch).await {
                Err(error) if error.is_conflict() => {}
                written => return Ok(written.map(drop)?),
            }
        }
        Err(Error::internal("others added to the access log each time an entry was to be added"))
    }

    /// The log of a person.
    pub async fn of(&self, user_num: UserNum) -> Result<Log> {
        let (mut log, mut last): (_, Option<Entry>) = (Log { entries: Vec::new(), whole: true }, None);
        loop {
            let after = last.as_ref().map_or(0, |last| last.entry);
            let page = self
                .store
                .read(move |snapshot| async move { rows::page(&snapshot, user_num, after, PAGE).await })
                .await;
            let page: Vec<Entry> = page?;
            if page.is_empty() {
                return Ok(log);
            }
            for entry in page {
                log.whole &= follows(last.as_ref(), &entry);
                log.entries.push(self.tell(&entry).await?);
                last = Some(entry);
            }
        }
    }

    async fn tell(&self, entry: &Entry) -> Result<Told> {
        let look = match self.keystore.key_of(entry.user_num).await {
            Ok(key) => match key.open(SEALED, &entry.sealed) {
                Ok(opened) => serde_json::from_slice(&opened).ok(),
                Err(_) => None,
            },
            Err(StoreError::Sealed(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let hash = domicile_store::walk::rows::hex(&entry.hash);
        Ok(Told { entry: entry.entry, ts: entry.ts, look, hash })
    }

    /// Checks every chain.
    pub async fn check(&self) -> Result<Chains> {
        Self::check_in(&self.store).await
    }

    /// Checks every chain of a database. No key is needed for that.
    pub async fn check_in(store: &Store) -> Result<Chains> {
        /// Broken chains that are named.
        const NAMED: usize = 20;
        let (mut chains, mut digest, mut last) = (Chains::default(), Sha256::new(), None::<Entry>);
        loop {
            let after = last.as_ref().map_or((UserNum(i64::MIN), 0), |last| (last.user_num, last.entry));
            let page = store.read(move |snapshot| async move { rows::everybody(&snapshot, after, PAGE).await }).await;
            let page: Vec<Entry> = page?;
            if page.is_empty() {
                break;
            }
            for entry in page {
                let same = last.as_ref().filter(|last| last.user_num == entry.user_num);
                if same.is_none() {
                    chains.people += 1;
                    digest.update(last.as_ref().map(|last| &last.hash[..]).unwrap_or_default());
                }
                if !follows(same, &entry) && !chains.broken.contains(&entry.user_num.0) && chains.broken.len() < NAMED {
                    chains.broken.push(entry.user_num.0);
                }
                chains.entries += 1;
                last = Some(entry);
            }
        }
        digest.update(last.as_ref().map(|last| &last.hash[..]).unwrap_or_default());
        chains.digest = format!("{:x}", digest.finalize());
        Ok(chains)
    }
}

/// There is nobody of that name here, so nobody's data was looked at.
pub(super) fn nobody(user_id: &ruma::UserId) -> Error {
    not_found(format!("There is no account {user_id} here."))
}
