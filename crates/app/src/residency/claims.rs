//! Names of this cell's own people and rooms: taken when they are made, or, of those who were here before there was a deployment, at a start.

use std::sync::atomic::Ordering;

use domicile_core::{error::ErrorKind, ids::UserNum};
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
        if self.tickets.is_home(user_id) {
            Ok(())
        } else if self.tickets.is_owed(user_id) {
            Err(Error::internal("the directory gave a ticket that does not count"))
        } else {
            Err(in_use())
        }
    }

    /// Takes the names of all accounts here of which the directory has given no ticket that counts: they were made before there was a deployment, or the
    /// decider that gave them was revoked. Until that is done, the decider gives nobody else a name. A name that another cell has is passed over, and
    /// is an error when all others are taken.
    pub async fn claim_all(&self) -> Result<usize> {
        self.owes_own.fetch_add(1, Ordering::AcqRel);
        let _one = self.claiming.lock().await;
        let owed = self.owes_own.load(Ordering::Acquire);
        let (claimed, refused) = self.claim_each().await?;
        self.claim_each_alias().await?;
        self.owes_own.fetch_sub(owed, Ordering::AcqRel);
        if refused > 0 {
            return Err(Error::internal(format!("the names of {refused} accounts here are another cell's")));
        }
        Ok(claimed)
    }

    /// Whether that is still to be done.
    pub fn owes_own(&self) -> bool {
        self.owes_own.load(Ordering::Acquire) > 0
    }

    async fn claim_each(&self) -> Result<(usize, usize)> {
        let (mut after, mut claimed, mut refused) = (UserNum::NOBODY, 0, 0);
        loop {
            let page =
                self.store.read(move |snapshot| async move { users::page(&snapshot, after, PAGE).await }).await?;
            let Some(last) = page.last() else { return Ok((claimed, refused)) };
            after = last.user_num;
            let mut owed = Vec::new();
            for user in page {
                let user_id = OwnedUserId::try_from(user.user_id).map_err(Error::internal)?;
                if self.tickets.is_owed(&user_id) {
                    owed.push(user_id);
                }
            }
            claimed += owed.len();
            self.renew(&mut owed).await?;
            for user_id in owed {
                match self.claim(&user_id).await {
                    Ok(()) => {}
                    Err(Error::Matrix(why)) if why.kind == ErrorKind::UserInUse => {
                        claimed -= 1;
                        refused += 1;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Asks for the tickets of those whom the directory knows as this cell's people, many at once and as often as need be. Leaves those whom it does not.
    async fn renew(&self, owed: &mut Vec<OwnedUserId>) -> Result<()> {
        if owed.is_empty() {
            return Ok(());
        }
        match self.of_own(owed).await {
            Ok(tickets) => self.tickets.learn(tickets).await?,
            // Each is asked for on its own then, and says why not.
            Err(error) => tracing::info!(%error, "the directory does not give the tickets of people here all at once"),
        }
        owed.retain(|user_id| self.tickets.is_owed(user_id));
        Ok(())
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
