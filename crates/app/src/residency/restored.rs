//! The directory where a cell was restored from a backup: whose home it still is, and, where it is the deciding cell itself, what was decided since.

use std::collections::BTreeMap;

use domicile_core::{error::ErrorKind, locality::CellName};
use domicile_residency::directory::{Body, History, Log, Taken, Ticket};
use domicile_store::{Batch, table::directory_names};
use ruma::{OwnedUserId, UserId};

use super::{
    Names, OWN, Question, Told,
    names::{Home, TRIES, homes, tip},
    own_cell::directory_is_away,
};
use crate::{
    Error, Result,
    moves::messages::Done,
    restore::messages::{PRESENT, Present},
};

/// People who are asked about at once.
const PEOPLE: usize = 500;

impl Names {
    /// What the directory says now of people whose home this cell is, was, or may be. It is asked as often as there are any: who is at home here is
    /// nothing new to this cell.
    pub async fn of_own(&self, users: &[OwnedUserId]) -> Result<Vec<Ticket>> {
        if self.own.decides() {
            return self.tickets_of_own(self.own.name(), users).await;
        }
        let mut tickets = Vec::new();
        for chunk in users.chunks(PEOPLE) {
            let told: Told = self.ask(OWN, &Question { user_ids: chunk.to_vec() }).await?;
            tickets.extend(told.tickets);
        }
        Ok(tickets)
    }

    /// The same for another cell.
    pub async fn own_for(&self, cell: &CellName, question: &Question) -> Result<Told> {
        self.check_decides()?;
        if question.user_ids.len() > PEOPLE {
            return Err(ErrorKind::TooLarge.with(format!("At most {PEOPLE} people are asked for at once.")).into());
        }
        // Names that are not the cell's count as those do that it looks up: whoever has its key could otherwise try all that there are.
        let tickets = self.tickets_of_own(cell, &question.user_ids).await?;
        let mut told: Vec<&UserId> = tickets.iter().map(|ticket| &*ticket.user_id).collect();
        told.dedup();
        self.check_rate(cell, question.user_ids.len().saturating_sub(told.len()))?;
        Ok(Told { tickets })
    }

    async fn tickets_of_own(&self, cell: &CellName, users: &[OwnedUserId]) -> Result<Vec<Ticket>> {
        let key = self.hash_key().await?;
        let mut tickets = Vec::new();
        for user_id in users {
            let name = *key.hash('@', user_id.localpart()).as_bytes();
            let held = self.store.read(move |snapshot| async move { directory_names::homes(&snapshot, &name).await });
            let homes = homes(held.await?.as_deref())?;
            if homes.iter().any(|home| home.home == cell.as_str()) {
                tickets.extend(self.issue(user_id, &homes)?);
            }
        }
        Ok(tickets)
    }

    /// Brings the tickets of all people whose home this cell is or was to the deciding cell, which was restored: at the operator's word alone, since
    /// whoever has stolen that cell could otherwise have all names told. Gives how many people these are.
    pub async fn present_all(&self) -> Result<usize> {
        if self.own.decides() {
            return Err(ErrorKind::BadRequest.with("This cell decides names itself: run it at the others.").into());
        }
        let people = self.tickets.of_own_people();
        for chunk in people.chunks(PEOPLE) {
            let histories = chunk.iter().filter_map(|user_id| self.tickets.get(user_id));
            let tickets = histories.flat_map(|history| history.tickets().to_vec()).collect();
            let Done {} = self.ask(PRESENT, &Present { tickets, last: false }).await?;
        }
        let Done {} = self.ask(PRESENT, &Present { tickets: Vec::new(), last: true }).await?;
        Ok(people.len())
    }

    /// Takes tickets that another cell presents. This cell signed them, so it does not matter who brings them. Gives how many entries that made.
    pub(crate) async fn recover_all(&self, tickets: Vec<Ticket>) -> Result<usize> {
        self.check_decides()?;
        let mut by_user: BTreeMap<OwnedUserId, Vec<Ticket>> = BTreeMap::new();
        for ticket in tickets {
            by_user.entry(ticket.user_id.clone()).or_default().push(ticket);
        }
        let mut made = 0;
        for tickets in by_user.into_values() {
            let Ok(Some(history)) = History::check(tickets, self.own.document(), self.own.root()) else { continue };
            made += self.recover(&history).await?;
        }
        Ok(made)
    }

    /// Takes into the directory what a person's tickets say that it does not know: it signed them before it was restored. Gives how many entries
    /// that made.
    async fn recover(&self, history: &History) -> Result<usize> {
        let mut made = 0;
        while self.recover_next(history).await? {
            made += 1;
        }
        Ok(made)
    }

    async fn recover_next(&self, history: &History) -> Result<bool> {
        let Some(first) = history.tickets().first() else { return Ok(false) };
        let name = self.hash_key().await?.hash('@', first.user_id.localpart());
        for _ in 0..TRIES {
            let wanted = *name.as_bytes();
            let read = self.store.read(move |snapshot| async move {
                let homes = directory_names::homes(&snapshot, &wanted).await?;
                Ok::<_, Error>((homes, directory_names::last_entry(&snapshot).await?))
            });
            let (held, last) = read.await?;
            let mut known = homes(held.as_deref())?;
            let Some(next) = history.tickets().get(known.len()) else { return Ok(false) };
            let same = known.iter().zip(history.tickets()).all(|(home, ticket)| home.home == ticket.home);
            if !same {
                tracing::warn!(
                    "tickets say something else of somebody's homes than the directory does, and are left aside"
                );
                return Ok(false);
            }
            let mut log = Log::open(tip(last.as_deref())?, self.own.document().decider.term, self.own.key());
            known.push(Home { home: next.home.clone(), authority: next.authority.clone() });
            let row = serde_json::to_string(&known).map_err(Error::internal)?;
            let mut batch = Batch::new();
            if let Some(before) = &held {
                let (epoch, ticket) = (next.epoch, next.hash());
                let body = Body::Transfer { name: name.to_string(), home: next.home.clone(), epoch, ticket };
                let entry = log.append(body);
                let json = serde_json::to_string(&entry).map_err(Error::internal)?;
                directory_names::transfer(&mut batch, name.as_bytes(), (before, &row), entry.index, &json);
            } else {
                let cell = CellName::parse(&next.home).ok_or_else(|| Error::internal("a ticket's home is no cell"))?;
                let Taken::Now(entry) = log.take(name, &cell, None) else { return Ok(false) };
                let json = serde_json::to_string(&entry).map_err(Error::internal)?;
                directory_names::take(&mut batch, name.as_bytes(), &row, entry.index, &json);
            }
            match self.store.write(batch).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(directory_is_away())
    }
}
