//! The steps of a restore. Each can be done again; where a cell is not reached, the others are asked all the same.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use domicile_core::{
    ids::UserNum,
    locality::{CellName, Destination},
};
use domicile_residency::directory::Ticket;
use domicile_store::{Batch, table::users};
use ruma::{OwnedDeviceId, OwnedUserId, UserId};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Restorer, State, Step,
    messages::{After, Deposit, Kept, Page, ROOMS, RoomEnds, VAULTS, WORDS, Word},
    words::Kind,
};
use crate::{
    Error, Result,
    evidence::{access_log::Operator, erasure},
    federation::peers,
    residency::Cells,
};

/// Accounts that are looked through at once.
const PAGE: i64 = 500;
/// In whose name things are done again, and why.
const BY: &str = "the restore from a backup";
const WHY: &str = "it had been done before the backup was restored";

/// Words by their places.
type Words = BTreeMap<i64, Word>;

impl Restorer {
    /// Does a step; whether it is at its end.
    pub(super) async fn step(&self, step: Step, state: &mut State) -> Result<bool> {
        match step {
            Step::Words => self.words(state).await,
            Step::Homes => {
                state.step(step).done = self.homes().await?;
                Ok(true)
            }
            Step::Directory | Step::Rooms | Step::Vaults => self.of_each(step, state, &mut Words::new()).await,
        }
    }

    /// Does what a step does with one cell; gives how much that was.
    async fn of_one(&self, step: Step, cell: &CellName, upto: i64, words: &mut Words) -> Result<u64> {
        match step {
            Step::Directory => Err(Error::internal(format!(
                "the cell {} has not brought the tickets of its people yet: `domicile directory present` there does it",
                cell.as_str()
            ))),
            Step::Words => {
                words.extend(self.words_of(cell, upto).await?.into_iter().map(|word| (word.position, word)));
                Ok(0)
            }
            Step::Rooms => self.rooms_of(cell).await,
            Step::Vaults => self.vaults_of(cell).await,
            Step::Homes => Ok(0),
        }
    }

    fn cells(&self) -> Result<&Cells> {
        self.parts.users.localities().among_cells()
    }

    async fn ask<A: DeserializeOwned>(&self, cell: &CellName, path: &str, body: &impl Serialize) -> Result<A> {
        let link = self.parts.link.as_ref().ok_or_else(|| Error::internal("there is no way to other cells"))?;
        link.ask_json_within(cell, path, body, peers::LARGE)
            .await
            .map_err(|error| Error::internal(format!("the cell {} could not be asked: {error}", cell.as_str())))
    }

    /// Does something with each of the other cells that has not told all yet and is waited for; whether none is left.
    async fn of_each(&self, step: Step, state: &mut State, words: &mut Words) -> Result<bool> {
        let mut failed = Vec::new();
        for cell in self.others() {
            let name = cell.as_str();
            if state.without.contains(name) || state.step(step).cells.contains(name) {
                continue;
            }
            match self.of_one(step, &cell, state.upto, words).await {
                Ok(done) => {
                    let this = state.step(step);
                    this.done += done;
                    this.cells.insert(name.to_owned());
                }
                Err(error) if error.is_closed() => return Err(error),
                Err(error) => failed.push(error.to_string()),
            }
        }
        if failed.is_empty() { Ok(true) } else { Err(Error::internal(failed.join("; "))) }
    }

    /// What was done with accounts since the backup, as other cells have kept it and this cell's signed documents say, is done again.
    async fn words(&self, state: &mut State) -> Result<bool> {
        let mut words = Words::new();
        // They are told anew at each attempt: nothing of them is kept in between.
        state.step(Step::Words).cells.clear();
        let told = self.of_each(Step::Words, state, &mut words).await;
        // What is known is done, also while others cannot be asked.
        let mut done = 0;
        for word in words.into_values() {
            done += u64::from(self.again(&word).await?);
        }
        for user_id in self.erased_since(state.backup_ts)? {
            done += u64::from(self.erase_again(&user_id).await?);
        }
        state.step(Step::Words).done = done;
        told
    }

    async fn words_of(&self, cell: &CellName, upto: i64) -> Result<Vec<Word>> {
        let own = &self.cells()?.own;
        let (mut after, mut words) = (upto, Vec::new());
        loop {
            let page: Page<Deposit> = self.ask(cell, WORDS, &After { after }).await?;
            let Some(last) = page.all.last() else { return Ok(words) };
            after = last.position;
            for deposit in page.all {
                let sealed = BASE64_STANDARD_NO_PAD.decode(deposit.sealed).map_err(Error::internal)?;
                let text = own.opened(&sealed).map_err(|error| {
                    Error::internal(format!(
                        "{error}: the cell {} keeps it for a key that this cell had before; name that key's file in deployment.former_key_files",
                        cell.as_str()
                    ))
                })?;
                let told: Vec<Word> = serde_json::from_slice(&text).map_err(Error::internal)?;
                words.extend(told.into_iter().filter(|word| word.position > upto));
            }
        }
    }

    /// Does again what a word says; whether there was anybody of whom it is.
    async fn again(&self, word: &Word) -> Result<bool> {
        let Ok(user_id) = OwnedUserId::try_from(word.user_id.as_str()) else { return Ok(false) };
        let wanted = word.user_id.clone();
        let row = self.parts.store.read(move |snapshot| async move { users::by_id(&snapshot, &wanted).await }).await?;
        let Some(row) = row.filter(|row| row.is_local) else { return Ok(false) };
        let since = word.detail.parse::<i64>().ok();
        let mut batch = Batch::new();
        match Kind::parse(&word.kind) {
            Some(Kind::Erased) => return self.erase_again(&user_id).await,
            Some(Kind::Deactivated) if row.deactivated_ts.is_none() => {
                self.parts.accounts.deactivate(&user_id, false).await?;
            }
            Some(Kind::Device) => {
                self.parts.devices.remove(row.user_num, &[OwnedDeviceId::from(word.detail.as_str())]).await?;
            }
            Some(Kind::Password) => users::set_password(&mut batch, row.user_num, Some(word.detail.clone())),
            Some(Kind::Locked) => users::set_locked(&mut batch, row.user_num, since),
            Some(Kind::Suspended) => users::set_suspended(&mut batch, row.user_num, since),
            Some(Kind::Deactivated) => {}
            None => tracing::warn!(kind = word.kind, "a newer program has left a word that this one does not know"),
        }
        if !batch.is_empty() {
            self.parts.store.write(batch).await?;
        }
        Ok(true)
    }

    async fn erase_again(&self, user_id: &UserId) -> Result<bool> {
        let wanted = user_id.to_string();
        let read = self.parts.store.read(move |snapshot| async move {
            Ok::<_, Error>((users::by_id(&snapshot, &wanted).await?, users::is_erased(&snapshot, &wanted).await?))
        });
        let (row, is_erased) = read.await?;
        if is_erased || !row.is_some_and(|row| row.is_local) {
            return Ok(false);
        }
        let by = Operator { name: BY.to_owned(), uid: None };
        self.parts.erasures.erase(user_id, by, WHY.to_owned()).await?;
        Ok(true)
    }

    /// Those of whom this cell's signed documents say that they were erased since a time. The documents are in no backup, but may have been kept.
    fn erased_since(&self, backup_ts: i64) -> Result<Vec<OwnedUserId>> {
        let all = self.parts.documents.all()?;
        let since = all.into_iter().map(|(_, _, document)| document).filter(|document| {
            document["kind"].as_str() == Some(erasure::KIND)
                && document["made_ts"].as_i64().is_some_and(|made_ts| made_ts >= backup_ts)
        });
        Ok(since.filter_map(|document| OwnedUserId::try_from(document["body"]["user"].as_str()?).ok()).collect())
    }

    /// Lets vaults go of people whom the directory has elsewhere; gives how many.
    async fn homes(&self) -> Result<u64> {
        let names = &self.cells()?.names;
        let (mut after, mut gone) = (UserNum::NOBODY, 0);
        loop {
            let page = self.parts.store.read(move |snapshot| async move { users::page(&snapshot, after, PAGE).await });
            let page = page.await?;
            let Some(last) = page.last() else { return Ok(gone) };
            after = last.user_num;
            let people: Vec<OwnedUserId> =
                page.iter().filter_map(|row| OwnedUserId::try_from(row.user_id.as_str()).ok()).collect();
            let mut by_user: BTreeMap<OwnedUserId, Vec<Ticket>> = BTreeMap::new();
            for ticket in names.of_own(&people).await? {
                by_user.entry(ticket.user_id.clone()).or_default().push(ticket);
            }
            for (user_id, tickets) in by_user {
                gone += u64::from(self.parts.moves.drop_left(&user_id, tickets).await?);
            }
        }
    }

    /// Has this cell's rooms be what they are in another cell; gives how many events came.
    async fn rooms_of(&self, cell: &CellName) -> Result<u64> {
        let link = self.parts.link.as_ref().ok_or_else(|| Error::internal("there is no way to other cells"))?;
        let peer = Destination::Cell(cell.clone()).peer_name().to_owned();
        let (mut after, mut events) = (0_i64, 0_usize);
        loop {
            let page: Page<RoomEnds> = self.ask(cell, ROOMS, &After { after }).await?;
            let Some(last) = page.all.last() else { return Ok(events as u64) };
            after = last.number;
            for RoomEnds { room_id, ends, .. } in page.all {
                if !self.parts.moves.has_room(&room_id).await? {
                    events += self.parts.moves.fetch_room(link, cell, &room_id).await?;
                }
                events += self.parts.moves.catch_up_room(&peer, &room_id, &ends).await?;
            }
        }
    }

    /// Takes in those who have moved here since the backup; gives how many.
    async fn vaults_of(&self, cell: &CellName) -> Result<u64> {
        let link = self.parts.link.as_ref().ok_or_else(|| Error::internal("there is no way to other cells"))?;
        let (mut after, mut taken) = (String::new(), 0);
        loop {
            let page: Page<Kept> = self.ask(cell, VAULTS, &After { after: after.clone() }).await?;
            let Some(last) = page.all.last() else { return Ok(taken) };
            after.clone_from(&last.move_id);
            for kept in page.all.into_iter().filter(|kept| kept.is_theirs) {
                taken += u64::from(self.parts.moves.take_kept(link, cell, kept).await?);
            }
        }
    }
}
