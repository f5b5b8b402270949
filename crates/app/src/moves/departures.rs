//! Whose requests are not for this cell any more: those of people who are on their way to another, and of those who have left.
//!
//! Everything is asked by the hash of a token's hash, in memory: before a request is looked at, and without a look at the database. While somebody's
//! vault is being handed over, which takes less than a second, their requests wait here.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domicile_core::{
    clock::{Clock, DAY_MS},
    error::{ErrorKind, MatrixError},
    ids::UserNum,
    locality::CellName,
};
use domicile_store::{
    Batch, Store, StoreError,
    table::{departed_tokens, users},
};
use parking_lot::RwLock;
use ruma::UserId;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::{Result, accounts::sessions::TokenHash, residency::Localities};

/// Rows that are read at once.
const PAGE: i64 = 5_000;
/// How long a request waits for somebody's handover.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long after the end of an old address a client that still asks there is told to sign in again and to keep its keys.
const KNOWN_MS: i64 = 30 * DAY_MS;

/// The hash of a token's hash: with it nobody can sign in, whoever reads it.
pub type Mark = [u8; 32];

/// Whose a request is.
#[derive(Debug)]
pub enum Way {
    /// Somebody's who is here, as far as anybody knows.
    Here,
    /// Somebody's who has left for another cell.
    Elsewhere(CellName),
    /// Somebody's who is on the way, for longer than a request can wait.
    Later(MatrixError),
}

#[derive(Default)]
struct Known {
    /// Those who are on the way, with the tokens that they have.
    leaving: HashMap<UserNum, Vec<Mark>>,
    marks: HashMap<Mark, UserNum>,
    left: HashMap<Mark, (CellName, i64)>,
}

/// The departures.
pub struct Departures {
    store: Store,
    clock: Arc<dyn Clock>,
    localities: Arc<Localities>,
    known: RwLock<Known>,
    /// How many tokens are known, so that nothing is looked up while nobody moves.
    count: AtomicUsize,
    changed: Notify,
}

/// The mark of a token's hash.
pub fn mark(token_hash: &TokenHash) -> Mark {
    Sha256::new().chain_update(b"domicile departed token 1").chain_update(token_hash).finalize().into()
}

impl Departures {
    /// Of a server from which nobody has left.
    pub fn new(store: Store, clock: Arc<dyn Clock>, localities: Arc<Localities>) -> Self {
        Self { store, clock, localities, known: RwLock::default(), count: AtomicUsize::new(0), changed: Notify::new() }
    }

    /// Reads who has left.
    pub async fn load(&self) -> Result<()> {
        let mut after: Vec<u8> = Vec::new();
        loop {
            let from = after.clone();
            let read =
                self.store.read(move |snapshot| async move { departed_tokens::page(&snapshot, &from, PAGE).await });
            let page = read.await?;
            let Some((last, ..)) = page.last() else { break };
            after = last.to_vec();
            let mut known = self.known.write();
            for (hash, destination, until_ts) in page {
                if let (Ok(mark), Some(cell)) = (Mark::try_from(&hash[..]), CellName::parse(&destination)) {
                    known.left.insert(mark, (cell, until_ts));
                }
            }
        }
        self.recount();
        Ok(())
    }

    fn recount(&self) {
        let known = self.known.read();
        self.count.store(known.leaving.len() + known.marks.len() + known.left.len(), Ordering::SeqCst);
    }

    /// Whether somebody is on the way: their waiting requests end.
    pub fn has(&self, user_num: UserNum) -> bool {
        self.count.load(Ordering::SeqCst) > 0 && self.known.read().leaving.contains_key(&user_num)
    }

    /// Lets somebody's requests wait from now on.
    pub fn begin(&self, user_num: UserNum, token_hashes: &[TokenHash]) {
        let marks: Vec<Mark> = token_hashes.iter().map(mark).collect();
        {
            let mut known = self.known.write();
            known.marks.extend(marks.iter().map(|mark| (*mark, user_num)));
            known.leaving.entry(user_num).or_default().extend(marks);
        }
        self.recount();
    }

    /// Lets somebody's requests go on, who stays or is where they were before.
    pub fn end(&self, user_num: UserNum) {
        self.end_with(user_num, |_| {});
    }

    /// Lets the requests go on of somebody who has left for a cell: with these tokens they are passed on until then.
    pub fn end_left(&self, user_num: UserNum, token_hashes: &[TokenHash], (cell, until_ts): (&CellName, i64)) {
        self.end_with(user_num, |known| {
            known.left.extend(token_hashes.iter().map(|hash| (mark(hash), (cell.clone(), until_ts))));
        });
    }

    /// Lets the requests go on of somebody who has come, with these tokens.
    pub fn end_come(&self, user_num: UserNum, token_hashes: &[TokenHash]) {
        self.end_with(user_num, |known| {
            for hash in token_hashes {
                known.left.remove(&mark(hash));
            }
        });
    }

    fn end_with(&self, user_num: UserNum, change: impl FnOnce(&mut Known)) {
        {
            let mut known = self.known.write();
            for mark in known.leaving.remove(&user_num).unwrap_or_default() {
                known.marks.remove(&mark);
            }
            change(&mut known);
        }
        self.recount();
        self.changed.notify_waiters();
    }

    /// Adds to a batch what [`Self::end_left`] will know of those who are on the way.
    pub fn write(batch: &mut Batch, token_hashes: &[TokenHash], cell: &CellName, until_ts: i64) {
        for hash in token_hashes {
            departed_tokens::put(batch, &mark(hash), cell.as_str(), until_ts);
        }
    }

    /// Adds to a batch that tokens of somebody who is back are forgotten.
    pub fn welcome(batch: &mut Batch, token_hashes: &[TokenHash]) {
        for hash in token_hashes {
            departed_tokens::remove(batch, &mark(hash));
        }
    }

    /// Whose a request with a token is. Where its owner is on the way, it waits for a while.
    pub async fn way(&self, token_hash: &TokenHash) -> Way {
        if self.count.load(Ordering::SeqCst) == 0 {
            return Way::Here;
        }
        let mark = mark(token_hash);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            {
                let known = self.known.read();
                // Who was let go is noted as gone on disk before they are at home elsewhere: until then they wait.
                if !known.marks.contains_key(&mark) {
                    let gone = known.left.get(&mark).filter(|(_, until_ts)| *until_ts > self.clock.now_ms());
                    return gone.map_or(Way::Here, |(cell, _)| Way::Elsewhere(cell.clone()));
                }
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Way::Later(on_the_way());
            }
        }
    }

    /// Whether a token is of somebody who has left, and is not to be waited for.
    pub fn has_left(&self, token_hash: &TokenHash) -> bool {
        if self.count.load(Ordering::SeqCst) == 0 {
            return false;
        }
        let (mark, known) = (mark(token_hash), self.known.read());
        !known.marks.contains_key(&mark) && known.left.contains_key(&mark)
    }

    /// Waits for the end of somebody's handover, for what is not asked with a token: signing in, or handing out their keys.
    pub async fn pass(&self, user_num: UserNum) -> Result<()> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if !self.has(user_num) {
                return Ok(());
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Err(on_the_way().into());
            }
        }
    }

    /// Refuses a token of somebody who has left, whether or not their old address has ended, and says where they are. Their client keeps what it has.
    pub fn check_address(&self, token_hash: &TokenHash) -> Result<()> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return Ok(());
        }
        let known = self.known.read();
        let Some((cell, _)) = known.left.get(&mark(token_hash)) else { return Ok(()) };
        let own = self.localities.cells().map(|cells| &cells.own);
        let door = own.and_then(|own| own.document().door_of(&own.heir(cell)));
        let door = door.as_deref().unwrap_or("the address that you were told");
        let text = format!(
            "Your account has moved to another part of the service: sign in at {door} from now on. Nothing of yours is lost there; the keys of your messages are in this app, so do not let it delete them."
        );
        Err(ErrorKind::ForgottenToken.with(text).into())
    }

    /// Where clients of people whose home is here find this cell.
    pub(crate) fn own_door(&self) -> Option<String> {
        let own = &self.localities.cells()?.own;
        own.document().door_of(own.name())
    }

    /// Forgets those whose old address ended some time ago.
    pub async fn forget(&self) -> Result<()> {
        let before_ms = self.clock.now_ms() - KNOWN_MS;
        if !self.known.read().left.values().any(|(_, until_ts)| *until_ts <= before_ms) {
            return Ok(());
        }
        let mut batch = Batch::new();
        departed_tokens::remove_before(&mut batch, before_ms);
        self.store.write(batch).await?;
        self.known.write().left.retain(|_, (_, until_ts)| *until_ts > before_ms);
        self.recount();
        Ok(())
    }
}

/// What a write gave that was not to be if somebody was let go for another cell ([`users::not_let_go`]).
pub(crate) fn unless_let_go<T>(written: Result<T, StoreError>, user_id: &UserId) -> Result<T> {
    written.map_err(|error| match error {
        StoreError::Conflict(users::LET_GO_GUARD) => {
            let text = format!(
                "{user_id} is being moved to another cell: do it there, or wait until `domicile move --list` says that they have arrived."
            );
            MatrixError { retry_after_ms: Some(10_000), ..ErrorKind::Unavailable.with(text) }.into()
        }
        error => error.into(),
    })
}

/// What somebody is told whose handover takes longer than it should.
pub(crate) fn on_the_way() -> MatrixError {
    let text = "This account is being moved to another part of the service, and that takes longer than it should: nothing is lost, try again soon.";
    MatrixError { retry_after_ms: Some(2_000), ..ErrorKind::Unavailable.with(text) }
}
