//! Transfers in the directory: a home lets somebody go, and the decider gives them the next epoch in their new one.

use domicile_core::{error::ErrorKind, locality::CellName};
use domicile_residency::directory::{Authority, Body, History, LetGo, Log, Ticket, Transfer, at_work};
use domicile_store::{Batch, table::directory_names};
use ruma::UserId;

use super::{
    Names, Told,
    allowances::Wanting,
    directory_log::{self, Held, Home},
    names::TRIES,
    own_cell::no_names,
};
use crate::{Error, Result, error::forbidden};

/// Where the decider takes transfers.
pub const TRANSFER: &str = "/_domicile/inner/v1/names/transfer";

impl Names {
    /// What this cell signs to let somebody go whose home it is.
    pub fn let_go(&self, user_id: &UserId, to: &CellName) -> Result<LetGo> {
        let history = self.tickets.get(user_id);
        let last = history.as_ref().and_then(|history| history.tickets().last());
        let last = last.filter(|last| last.home == self.own.name().as_str());
        let last = last.ok_or_else(|| forbidden(format!("The home of {user_id} is not here.")))?;
        let epoch = last.epoch.saturating_add(1);
        let previous = last.hash();
        let transfer = Transfer { user_id, from: self.own.name(), to, epoch, previous: &previous };
        let authority = Authority::Home(transfer.sign(self.own.key()));
        let (from, to) = (self.own.name().as_str().to_owned(), to.as_str().to_owned());
        Ok(LetGo { user_id: user_id.to_owned(), from, to, authority })
    }

    /// Somebody's last ticket, also where their home is no more: the decider knows everybody's, another cell those of people who were met.
    pub async fn last_ticket(&self, user_id: &UserId) -> Result<Option<Ticket>> {
        if !self.own.decides() {
            let known = self.tickets.get(user_id);
            return Ok(known.and_then(|history| history.tickets().last().cloned()));
        }
        let held = self.held('@', user_id.localpart()).await?;
        Ok(self.issue(user_id, &held.map(|(_, held)| held.homes).unwrap_or_default())?.pop())
    }

    /// Hands a transfer to the decider, and gives the user's tickets. Whoever repeats it gets the same.
    pub async fn transfer(&self, let_go: &LetGo) -> Result<Vec<Ticket>> {
        if self.own.decides() {
            return self.transfer_here(let_go).await;
        }
        let told: Told = self.wish(TRANSFER, let_go).await?;
        Ok(told.tickets)
    }

    /// A transfer that another cell brings.
    pub async fn transfer_for(&self, cell: &CellName, let_go: &LetGo) -> Result<Told> {
        self.check_decides()?;
        self.check_rate(cell, Wanting::Move, 1)?;
        let tickets = self.transfer_here(let_go).await?;
        // Only what is refused tells of names: a cell that lets its own people go asks nothing, however many they are.
        self.give_back(cell, Wanting::Move, 1);
        Ok(Told { tickets })
    }

    /// Writes it, and gives the tickets when it is in two cells.
    async fn transfer_here(&self, let_go: &LetGo) -> Result<Vec<Ticket>> {
        let (tickets, index) = self.write_transfer(let_go).await?;
        self.followers().commit(index).await?;
        Ok(tickets)
    }

    async fn write_transfer(&self, let_go: &LetGo) -> Result<(Vec<Ticket>, u64)> {
        let LetGo { user_id, from, to, authority } = let_go;
        let document = self.own.document();
        let refused = |why: &str| Error::from(ErrorKind::Forbidden.with(format!("{user_id} cannot be moved: {why}.")));
        let Some(to) = CellName::parse(to).filter(|to| document.cells.contains_key(to)) else {
            return Err(refused("there is no such cell at work"));
        };
        if matches!(authority, Authority::Root(_)) {
            at_work(from, document).map_err(|why| refused(&why.to_string()))?;
        } else if !CellName::parse(from).is_some_and(|from| document.cells.contains_key(&from)) {
            // Whoever stole a cell's key could give its people away.
            return Err(refused(
                "the cell that would let them go is not at work any more, and what it signs moves nobody",
            ));
        }
        let deciding = self.followers().deciding().await?;
        for _ in 0..TRIES {
            let held = self.held('@', user_id.localpart()).await?;
            let Some((name, held)) = held else { return Err(refused("the directory does not know the name")) };
            let Held { row: before, mut homes, index } = held;
            let home = |back: usize| homes.len().checked_sub(back).and_then(|at| homes.get(at));
            let done =
                home(1).is_some_and(|home| home.home == to.as_str() && home.authority.as_ref() == Some(authority));
            if done {
                return Ok((self.issue(user_id, &homes)?, index));
            }
            if home(1).is_none_or(|home| home.home != *from) {
                return Err(refused("their home is another one by now"));
            }
            homes.push(Home { home: to.as_str().to_owned(), authority: Some(authority.clone()) });
            let tickets = self.issue(user_id, &homes)?;
            // Whether whoever lets them go may do so is what everybody else will ask.
            History::check(tickets.clone(), document, self.own.root()).map_err(|why| refused(&why.to_string()))?;
            let Some(ticket) = tickets.last() else { return Err(Error::internal("a transfer gave no ticket")) };
            let mut log = Log::open(self.log.tip().await?, deciding.term, self.own.key());
            let entry = log.append(Body::Transfer {
                name: name.to_string(),
                home: to.as_str().to_owned(),
                epoch: ticket.epoch,
                ticket: ticket.hash(),
                authority: authority.clone(),
            });
            let (json, row) = (serde_json::to_string(&entry).map_err(Error::internal)?, directory_log::row(&homes)?);
            let mut batch = Batch::new();
            directory_names::append(&mut batch, entry.index, &json);
            directory_names::transfer(&mut batch, name.as_bytes(), (&before, &row), entry.index);
            match self.store.write(batch).await {
                Ok(_) => return Ok((tickets, entry.index)),
                // Another entry was written first.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(no_names())
    }
}
