//! What this cell leaves with others, and keeps for them: words about its accounts, and vaults of people who have left. All of it is sealed for the
//! cell that it concerns, so that whoever takes this one's disks reads nothing of others' people.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use bytes::Bytes;
use domicile_core::{
    clock::{Clock, DAY_MS},
    error::ErrorKind,
    ids::Position,
    locality::CellName,
    rng::Rng,
};
use domicile_residency::inner;
use domicile_store::{
    Batch, Blobs as Files, Store,
    blob::BlobId,
    table::{deposits, kept_vaults, restore_words},
};
use ruma::{OwnedUserId, UserId};
use tokio_util::sync::CancellationToken;

use super::messages::{BACKED_UP, BackedUp, Deposit, KEEP, Kept, Left, Page, SealedAnswer, Which, Word};
use crate::{
    Error, Result,
    accounts::Users,
    error::not_found,
    moves::{Moves, messages::Done},
    residency::{Cells, InnerLink},
};

/// How long words are kept for another cell: nobody restores a backup that is older.
const KEPT_MS: i64 = 400 * DAY_MS;
/// What is kept for one cell at most, in bytes: tens of thousands of words.
const BYTES: i64 = 64 << 20;
/// Largest deposit, in bytes.
const LARGEST: usize = 1 << 20;
/// Bytes of a file that are told at once.
const PART: u64 = 8 << 20;
/// Words that are left with others at once.
const WORDS: i64 = 500;
/// Vaults that are asked about at once.
const VAULTS: i64 = 500;
/// How long a vault is kept for a cell that never has a backup.
const VAULT_MS: i64 = 90 * DAY_MS;
/// How often it is looked for words, and how often others are asked for their backups.
const LOOK: Duration = Duration::from_secs(2);
const ASK_EVERY: u32 = 300;

/// What the keeper is made of.
pub struct KeeperParts {
    /// The database.
    pub store: Store,
    /// Files.
    pub files: Files,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Who is who.
    pub users: Arc<Users>,
    /// Moves, for whether they are over.
    pub moves: Arc<Moves>,
    /// The way to other cells; none where there are none.
    pub link: Option<Arc<InnerLink>>,
}

/// Keeps.
pub struct Keeper {
    parts: KeeperParts,
}

impl Keeper {
    /// Of its parts.
    pub fn new(parts: KeeperParts) -> Self {
        Self { parts }
    }

    fn cells(&self) -> Result<&Cells> {
        self.parts.users.localities().cells().ok_or_else(|| not_found("This server is no cell of a deployment."))
    }

    /// Leaves words with others, and lets go what need not be kept, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let mut turn = 0_u32;
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let mut done = self.tell().await.map(drop);
            if turn.is_multiple_of(ASK_EVERY) && done.is_ok() {
                done = self.let_go().await.map(drop);
            }
            turn = turn.wrapping_add(1);
            match done {
                Err(error) if error.is_closed() => return,
                Err(error) => tracing::warn!(%error, "what a restored cell must know could not be left with others"),
                Ok(()) => {}
            }
        }
    }

    /// Leaves all words that wait with the other cells; gives how many. Where there are no others, nobody can keep them.
    pub async fn tell(&self) -> Result<usize> {
        let mut told = 0;
        loop {
            let read = self.parts.store.read(|snapshot| async move { restore_words::first(&snapshot, WORDS).await });
            let first = read.await?;
            let Some(upto) = first.last().map(|(position, ..)| *position) else { return Ok(told) };
            let count = first.len();
            if self.has_others() {
                let words = first.into_iter().map(|(position, user_id, kind, detail)| Word {
                    position: position.0,
                    user_id,
                    kind,
                    detail,
                });
                self.deposit(upto, &words.collect::<Vec<_>>()).await?;
            }
            let mut batch = Batch::new();
            restore_words::remove_upto(&mut batch, upto);
            self.parts.store.write(batch).await?;
            told += count;
        }
    }

    fn has_others(&self) -> bool {
        self.parts.users.localities().cells().is_some_and(|cells| cells.own.others().next().is_some())
    }

    /// Has the other cells keep something. One that takes it is enough; it is an error if there is none.
    async fn deposit(&self, upto: Position, words: &[Word]) -> Result<()> {
        let (Some(link), cells) = (&self.parts.link, self.cells()?) else { return Ok(()) };
        let content = serde_json::to_vec(words).map_err(Error::internal)?;
        let sealed = inner::seal(&cells.own.key().public(), &content, &*self.parts.rng).map_err(Error::internal)?;
        let deposit = Deposit { position: upto.0, sealed: BASE64_STANDARD_NO_PAD.encode(sealed) };
        let (mut taken, mut failed) = (0, None);
        for cell in cells.own.others() {
            match link.ask_json::<Done>(cell, KEEP, &deposit).await {
                Ok(Done {}) => taken += 1,
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if taken == 0 => {
                Err(Error::internal(format!("no other cell keeps what a restored one must know: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Keeps something for another cell.
    pub async fn keep(&self, cell: &CellName, deposit: &Deposit) -> Result<Done> {
        let sealed = BASE64_STANDARD_NO_PAD.decode(&deposit.sealed);
        let sealed = sealed.map_err(|_| ErrorKind::BadJson.with("What is to be kept is no Base64."))?;
        if sealed.len() > LARGEST {
            return Err(ErrorKind::TooLarge.with("What is to be kept is too large.").into());
        }
        let name = cell.as_str().to_owned();
        let held = self.parts.store.read(move |snapshot| async move { deposits::bytes_of(&snapshot, &name).await });
        if held.await? > BYTES {
            return Err(ErrorKind::TooLarge.with("Too much is kept for this cell already.").into());
        }
        let now_ms = self.parts.clock.now_ms();
        let mut batch = Batch::new();
        deposits::remove_expired(&mut batch, now_ms);
        deposits::put(&mut batch, cell.as_str(), Position(deposit.position), Bytes::from(sealed), now_ms + KEPT_MS);
        self.parts.store.write(batch).await?;
        Ok(Done {})
    }

    /// What is kept for a cell after a place in its stream.
    pub async fn words(&self, cell: &CellName, after: i64) -> Result<Page<Deposit>> {
        let name = cell.as_str().to_owned();
        let read = self
            .parts
            .store
            .read(move |snapshot| async move { deposits::page(&snapshot, &name, Position(after), WORDS / 10).await });
        let told = read
            .await?
            .into_iter()
            .map(|(position, sealed)| Deposit { position: position.0, sealed: BASE64_STANDARD_NO_PAD.encode(sealed) });
        Ok(Page { all: told.collect() })
    }

    /// Whose vaults are kept for a cell, after a move's name.
    pub async fn vaults(&self, cell: &CellName, after: &str) -> Result<Page<Kept>> {
        let mut all = Vec::new();
        for (move_id, user_id, _) in self.kept(cell, after).await? {
            let is_theirs = self.is_theirs(cell, &move_id, &user_id).await;
            let user_id = OwnedUserId::try_from(user_id).map_err(Error::internal)?;
            let settled = self.parts.moves.get(&move_id).await.is_ok_and(|shown| shown.ended_ts.is_some());
            let tickets = self.cells()?.tickets.get(&user_id).map(|history| history.tickets().to_vec());
            all.push(Kept { move_id, user_id, settled, is_theirs, tickets: tickets.unwrap_or_default() });
        }
        Ok(Page { all })
    }

    async fn kept(&self, cell: &CellName, after: &str) -> Result<Vec<kept_vaults::Listed>> {
        let (name, after) = (cell.as_str().to_owned(), after.to_owned());
        let store = &self.parts.store;
        Ok(store
            .read(move |snapshot| async move { kept_vaults::of_cell(&snapshot, &name, &after, VAULTS).await })
            .await?)
    }

    /// A vault that is kept for a cell.
    pub async fn vault(&self, cell: &CellName, which: &Which) -> Result<SealedAnswer> {
        let (name, move_id) = (cell.as_str().to_owned(), which.move_id.clone());
        let read =
            self.parts.store.read(move |snapshot| async move { kept_vaults::sealed(&snapshot, &name, &move_id).await });
        let Some((user_id, sealed)) = read.await? else { return Ok(SealedAnswer::default()) };
        let is_theirs = self.is_theirs(cell, &which.move_id, &user_id).await;
        Ok(SealedAnswer { sealed: is_theirs.then(|| BASE64_STANDARD_NO_PAD.encode(sealed)), has_more: false })
    }

    /// Whether somebody who left for a cell is at home there, or on the way. Who has moved on since, or come back, is none of its business any more.
    async fn is_theirs(&self, cell: &CellName, move_id: &str, user_id: &str) -> bool {
        let (Ok(cells), Ok(user_id)) = (self.cells(), UserId::parse(user_id)) else { return false };
        match cells.tickets.home(&user_id) {
            Some(home) if home == *cell => true,
            Some(home) if home == *cells.own.name() => {
                self.parts.moves.get(move_id).await.is_ok_and(|shown| shown.ended_ts.is_none())
            }
            _ => false,
        }
    }

    /// A part of a file that is kept for a cell.
    pub async fn file(&self, cell: &CellName, which: &Which) -> Result<SealedAnswer> {
        let (name, move_id) = (cell.as_str().to_owned(), which.move_id.clone());
        let read = self.parts.store.read(move |snapshot| async move {
            let owner = kept_vaults::owner(&snapshot, &name, &move_id).await?;
            Ok::<_, Error>((owner, kept_vaults::files(&snapshot, &move_id).await?))
        });
        let (Some(owner), kept) = read.await? else { return Ok(SealedAnswer::default()) };
        if !self.is_theirs(cell, &which.move_id, &owner).await {
            return Ok(SealedAnswer::default());
        }
        let named = which.file.as_deref().unwrap_or_default();
        let hash = kept.into_iter().find(|hash| domicile_store::walk::rows::hex(hash) == named);
        let Some(hash) = hash else { return Ok(SealedAnswer::default()) };
        let part = self.parts.files.sealed_part(BlobId::from_bytes(&hash)?, which.after, PART).await;
        let Some(bytes) = part.map_err(Error::internal)? else { return Ok(SealedAnswer::default()) };
        let has_more = bytes.len() as u64 == PART;
        Ok(SealedAnswer { sealed: Some(BASE64_STANDARD_NO_PAD.encode(bytes)), has_more })
    }

    /// Lets vaults go whose new homes have them in a backup, or do not need them, or never asked for them; gives how many.
    pub async fn let_go(&self) -> Result<usize> {
        let cells = self.parts.store.read(|snapshot| async move { kept_vaults::cells(&snapshot).await }).await?;
        let before = self.parts.clock.now_ms() - VAULT_MS;
        let mut let_go = 0;
        for cell in cells.iter().filter_map(|cell| CellName::parse(cell)) {
            let mut after = String::new();
            loop {
                let page = self.kept(&cell, &after).await?;
                let Some((last, ..)) = page.last() else { break };
                after.clone_from(last);
                let expired =
                    page.iter().filter(|(.., made_ts)| *made_ts < before).map(|(move_id, ..)| move_id.clone());
                let mut gone: BTreeSet<String> = expired.collect();
                for (move_id, user_id, _) in &page {
                    if !self.is_theirs(&cell, move_id, user_id).await {
                        gone.insert(move_id.clone());
                    }
                }
                gone.extend(self.backed_up_at(&cell, &page).await);
                for move_id in gone {
                    self.forget(&move_id).await?;
                    let_go += 1;
                }
            }
        }
        Ok(let_go)
    }

    /// Those of whom their new home says that it has them in a backup. One that is not reached says nothing.
    async fn backed_up_at(&self, cell: &CellName, page: &[kept_vaults::Listed]) -> Vec<String> {
        let Some(link) = &self.parts.link else { return Vec::new() };
        let moves = page
            .iter()
            .filter_map(|(move_id, user_id, _)| Some((move_id.clone(), OwnedUserId::try_from(user_id.as_str()).ok()?)));
        match link.ask_json::<BackedUp>(cell, BACKED_UP, &Left { moves: moves.collect() }).await {
            // No more than what was asked about.
            Ok(told) => {
                told.moves.into_iter().filter(|told| page.iter().any(|(move_id, ..)| move_id == told)).collect()
            }
            Err(error) => {
                tracing::debug!(%error, cell = cell.as_str(), "a cell does not say whom it has in a backup");
                Vec::new()
            }
        }
    }

    async fn forget(&self, move_id: &str) -> Result<()> {
        let wanted = move_id.to_owned();
        let files = self.parts.store.read(move |snapshot| async move { kept_vaults::files(&snapshot, &wanted).await });
        for hash in files.await? {
            self.parts.files.remove(BlobId::from_bytes(&hash)?).await.map_err(Error::internal)?;
        }
        let mut batch = Batch::new();
        kept_vaults::remove(&mut batch, move_id);
        self.parts.store.write(batch).await?;
        Ok(())
    }
}
