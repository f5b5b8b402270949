//! Logging in with a password.

use std::{net::IpAddr, sync::Arc};

use domicile_core::{error::ErrorKind, ids::UserNum};
use domicile_store::{Batch, Store, table::users};
use ruma::{OwnedUserId, UserId};

use super::{Accounts, Devices, Key, Limit, NewSession, OpenedSession, Passwords, RateLimits, Users, standing::locked};
use crate::{Error, Result, error::forbidden, residency::Localities};

/// Opens sessions for those who know a password.
pub struct Logins {
    store: Store,
    users: Arc<Users>,
    accounts: Arc<Accounts>,
    passwords: Arc<Passwords>,
    devices: Arc<Devices>,
    rate_limits: Arc<RateLimits>,
}

impl Logins {
    /// Logins over a store.
    pub fn new(
        store: Store,
        users: Arc<Users>,
        accounts: Arc<Accounts>,
        passwords: Arc<Passwords>,
        devices: Arc<Devices>,
        rate_limits: Arc<RateLimits>,
    ) -> Self {
        Self { store, users, accounts, passwords, devices, rate_limits }
    }

    /// Opens a session for `name`, a Matrix id or what stands before its colon, whose password is `password`.
    pub async fn with_password(
        &self,
        name: &str,
        password: String,
        wanted: NewSession,
        address: Option<IpAddr>,
    ) -> Result<(OwnedUserId, OpenedSession)> {
        self.rate_limits.check_address(Limit::LoginAddress, address)?;
        let user_id = self.user_id(name)?;
        self.rate_limits.check(Limit::LoginAccount, Key::name(user_id.as_str()))?;
        let user = self.accounts.row(&user_id).await?.filter(|user| user.is_local);
        if user.as_ref().is_some_and(|user| user.deactivated_ts.is_some()) {
            return Err(ErrorKind::UserDeactivated.with("The account was deactivated.").into());
        }
        let hash = user.as_ref().and_then(|user| user.password_hash.clone());
        let right = self.passwords.verify(password, hash).await?;
        let Some(user) = user.filter(|_| right) else { return Err(self.wrong()) };
        let opened = self.open(user.user_num, wanted).await?;
        Ok((user_id, opened))
    }

    /// Opens a session for somebody who has proved who they are, unless their account is locked.
    pub(super) async fn open(&self, user_num: UserNum, wanted: NewSession) -> Result<OpenedSession> {
        let (locked_ts, _) =
            self.store.read(move |snapshot| async move { users::standing(&snapshot, user_num).await }).await?;
        if locked_ts.is_some() {
            return Err(locked());
        }
        loop {
            let mut batch = Batch::new();
            let opened = self.devices.open(&mut batch, user_num, wanted.clone()).await?;
            match self.store.write(batch).await {
                Ok(_) => {
                    self.devices.opened(user_num, &opened.device_id);
                    return Ok(opened);
                }
                // The same device logged in twice at the same time.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn user_id(&self, name: &str) -> Result<OwnedUserId> {
        if !name.starts_with('@') {
            return self.accounts.user_id(name).map_err(|_| self.wrong());
        }
        let user_id = UserId::parse(name).map_err(|_| self.wrong())?;
        // Not whether the account is in this cell: that is nobody's to know who has not logged in.
        if user_id.server_name() != self.users.server_name() {
            return Err(forbidden(format!(
                "Your account is on {}; this is {}. Log in there.",
                user_id.server_name(),
                self.users.server_name()
            )));
        }
        self.accounts.user_id(user_id.localpart()).map_err(|_| self.wrong())
    }

    fn wrong(&self) -> Error {
        wrong(&self.users.localities_shared())
    }
}

/// What somebody is told whose name or password is wrong. In a deployment of several cells that is one and the same text, whoever it is: that the account
/// is in another cell, or in none, or that its cell cannot be reached, is nothing for strangers.
pub(crate) fn wrong(localities: &Localities) -> Error {
    const WRONG: &str = "The user name or the password is wrong";
    forbidden(match localities.cells() {
        None => format!("{WRONG}."),
        Some(cells) => {
            let elsewhere = cells.own.document().other_doors(cells.own.name());
            format!(
                "{WRONG}, or your account is kept at another address of this service: then sign in there. {elsewhere}"
            )
        }
    })
}
