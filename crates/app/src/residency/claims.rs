//! Names of this cell's own people and rooms: taken when they are made, or, of those who were here before there was a deployment, at a start.

use std::sync::atomic::Ordering;

use domicile_core::ids::UserNum;
use domicile_store::table::{aliases, users};
use ruma::{OwnedRoomAliasId, OwnedUserId, UserId};

use super::{Names, TAKE, Told, Wish, names::in_use};
use crate::{Error, Result};

/// Accounts that are looked through at once.
const PAGE: i64 = 500;

impl Names {
    /// Takes a name for this cell, wherever it is decided. Whoever repeats it has it still. Names of a cell that is no more are its people's, also at
    /// its heir.
    pub async fn claim(&self, user_id: &UserId) -> Result<()> {
        if self.tickets.is_home(user_id) {
            return Ok(());
        }
        let tickets = if self.own.decides() {
            self.take(self.own.name(), user_id).await?
        } else {
            let wish = Wish { user_id: user_id.to_owned() };
            let told: Told = self.wish(TAKE, &wish).await?;
            told.tickets
        };
        self.tickets.learn(tickets).await?;
        match self.tickets.get(user_id) {
            Some(_) if self.tickets.is_home(user_id) => Ok(()),
            Some(_) => Err(in_use()),
            None => Err(Error::internal("the directory gave a ticket that does not count")),
        }
    }

    /// Takes the names of all accounts that were made here before there was a deployment. Until that is done, the decider gives nobody else a name.
    pub async fn claim_all(&self) -> Result<usize> {
        self.owes_own.store(true, Ordering::Release);
        let claimed = self.claim_each().await?;
        self.owes_own.store(false, Ordering::Release);
        Ok(claimed)
    }

    /// Whether that is still to be done.
    pub fn owes_own(&self) -> bool {
        self.owes_own.load(Ordering::Acquire)
    }

    async fn claim_each(&self) -> Result<usize> {
        self.claim_each_alias().await?;
        let (mut after, mut claimed) = (UserNum::NOBODY, 0);
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

    /// Takes the aliases that were made here before there was a deployment. One that another cell has leads to its room from here alone.
    async fn claim_each_alias(&self) -> Result<()> {
        let mut after = String::new();
        loop {
            let from = after.clone();
            let page =
                self.store.read(move |snapshot| async move { aliases::after(&snapshot, &from, PAGE).await }).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(last);
            let page = page.into_iter().filter_map(|alias| OwnedRoomAliasId::try_from(alias).ok()).collect();
            for alias in self.claim_aliases(page).await? {
                tracing::warn!(%alias, "another cell has an alias of a room of here: it leads to this room for people of this cell alone");
            }
        }
    }
}
