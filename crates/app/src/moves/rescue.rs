//! Somebody whose home was revoked gets another one by the root key's word. What was in the home that is no more is lost with it: the account
//! begins without a password, devices and settings, in the rooms of which there is a copy here.

use domicile_residency::directory::{Emergency, LetGo, Ticket, at_work};
use domicile_store::{Batch, catalogue, table::user_words, table::users, walk};
use ruma::UserId;

use super::{Arrivals, Moves};
use crate::{
    Error, Result,
    accounts::user_directory,
    error::{forbidden, not_found},
};

/// What is known here of somebody who was met, and stays.
const STAYS: &[&str] = &["users", "memberships", "receipts", "stripped_states", "access_log"];

impl Moves {
    /// What the root key has to sign so that somebody whose home was revoked is at home here.
    pub async fn emergency(&self, user_id: &UserId) -> Result<Emergency> {
        let cells = self.arrivals()?.cells()?;
        let last = cells.names.last_ticket(user_id).await?;
        let last = last.ok_or_else(|| {
            not_found(format!("Nobody here has met {user_id}; the cell that decides names knows of everybody."))
        })?;
        let own = cells.own.name();
        if last.home == own.as_str() {
            return Err(forbidden(format!("{user_id} is at home here.")));
        }
        Emergency::after(&last, own, cells.own.document()).map_err(|why| forbidden(why.to_string()))
    }

    /// Takes somebody in by what the root key has signed. It can be done again.
    pub async fn rescue(&self, let_go: &LetGo) -> Result<()> {
        let arrivals = self.arrivals()?;
        let cells = arrivals.cells()?;
        if let_go.to != cells.own.name().as_str() {
            return Err(forbidden(format!("It is signed for the cell {}: bring it there.", let_go.to)));
        }
        at_work(&let_go.from, cells.own.document()).map_err(|why| forbidden(why.to_string()))?;
        let tickets = cells.names.transfer(let_go).await?;
        arrivals.adopt(&let_go.user_id, tickets).await
    }
}

impl Arrivals {
    async fn adopt(&self, user_id: &UserId, tickets: Vec<Ticket>) -> Result<()> {
        let history = self.at_home_here(tickets)?;
        // It was done before. That this cell is the heir of their home says nothing: that makes no account.
        if self.cells()?.tickets.is_home(user_id) {
            return Ok(());
        }
        let user_num = self.turner.users.num_or_new(user_id).await?;
        let user_num = user_num.ok_or_else(|| Error::internal("somebody who is taken in has no number"))?;
        self.vaults.keystore.create(user_num).await?;
        let mut batch = Batch::new();
        for table in catalogue::tables().into_iter().rev() {
            if !STAYS.contains(&table.name) {
                walk::erase::remove(&mut batch, table, user_num);
            }
        }
        users::arrive(&mut batch, user_num);
        user_words::replace(&mut batch, user_num, &user_directory::words(user_id.localpart(), None));
        // Devices that they had are nobody's any more.
        self.device_lists.changed(&mut batch, user_num, &[]);
        self.turner.turn(user_id, history, &batch).await?;
        let cells = self.cells()?;
        for cell in cells.own.others() {
            cells.tickets.note_stale(cell.clone(), user_id.to_owned());
        }
        self.device_lists.announce(user_num);
        self.wakers.wake(user_num);
        Ok(())
    }
}
