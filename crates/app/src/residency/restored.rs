//! The directory where a cell was restored from a backup: whose home it still is, and, where it is the deciding cell itself, what was decided since.

use std::collections::BTreeMap;

use domicile_core::{error::ErrorKind, locality::CellName};
use domicile_residency::directory::{Body, History, Log, Taken, Ticket};
use domicile_store::{Batch, table::directory_names};
use ruma::{OwnedUserId, UserId};

use super::{
    Names, OWN, Question, Told,
    allowances::Wanting,
    directory_log::{self, Home},
    names::TRIES,
    own_cell::no_names,
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
        self.check_rate(cell, Wanting::LookUp, question.user_ids.len().saturating_sub(told.len()))?;
        Ok(Told { tickets })
    }

    async fn tickets_of_own(&self, cell: &CellName, users: &[OwnedUserId]) -> Result<Vec<Ticket>> {
        let mut tickets = Vec::new();
        for user_id in users {
            let held = self.held('@', user_id.localpart()).await?;
            let homes = held.map(|(_, held)| held.homes).unwrap_or_default();
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
            let Done {} = self.wish(PRESENT, &Present { tickets, last: false }).await?;
        }
        let Done {} = self.wish(PRESENT, &Present { tickets: Vec::new(), last: true }).await?;
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

    /// The next entry that is missing, when it is in two cells. What the cells that follow have is here before: nothing is decided until then.
    async fn recover_next(&self, history: &History) -> Result<bool> {
        let Some(index) = self.write_next(history).await? else { return Ok(false) };
        self.followers().commit(index).await?;
        Ok(true)
    }

    async fn write_next(&self, history: &History) -> Result<Option<u64>> {
        let Some(first) = history.tickets().first() else { return Ok(None) };
        let deciding = self.followers().deciding().await?;
        let name = self.make_keys().await?.hash('@', first.user_id.localpart());
        for _ in 0..TRIES {
            let (held, tip) = self.log.name(name).await?;
            let mut known = held.as_ref().map(|held| held.homes.clone()).unwrap_or_default();
            let Some(next) = history.tickets().get(known.len()) else { return Ok(None) };
            let same = known.iter().zip(history.tickets()).all(|(home, ticket)| home.home == ticket.home);
            if !same {
                tracing::warn!(
                    "tickets say something else of somebody's homes than the directory does, and are left aside"
                );
                return Ok(None);
            }
            let mut log = Log::open(tip, deciding.term, self.own.key());
            known.push(Home { home: next.home.clone(), authority: next.authority.clone() });
            let row = directory_log::row(&known)?;
            let mut batch = Batch::new();
            let index = if let Some(before) = &held {
                let Some(authority) = next.authority.clone() else { return Ok(None) };
                let (epoch, ticket) = (next.epoch, next.hash());
                let body = Body::Transfer { name: name.to_string(), home: next.home.clone(), epoch, ticket, authority };
                let entry = log.append(body);
                let json = serde_json::to_string(&entry).map_err(Error::internal)?;
                directory_names::append(&mut batch, entry.index, &json);
                directory_names::transfer(&mut batch, name.as_bytes(), (&before.row, &row), entry.index);
                entry.index
            } else {
                let cell = CellName::parse(&next.home).ok_or_else(|| Error::internal("a ticket's home is no cell"))?;
                let Taken::Now(entry) = log.take(name, &cell, None) else { return Ok(None) };
                let json = serde_json::to_string(&entry).map_err(Error::internal)?;
                directory_names::append(&mut batch, entry.index, &json);
                directory_names::number_home(&mut batch, cell.as_str());
                directory_names::take(&mut batch, name.as_bytes(), &row, entry.index);
                entry.index
            };
            match self.store.write(batch).await {
                Ok(_) => return Ok(Some(index)),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(no_names())
    }
}
