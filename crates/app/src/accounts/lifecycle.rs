//! The life of an account: made, its password changed, deactivated. The command line and the handlers both come here.

use std::sync::Arc;

use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    ids::UserNum,
    rng::{self, Rng},
};
use domicile_store::{
    Batch, Keystore, Store,
    numbers::Sequence,
    table::{self, registration_tokens, users::User},
};
use ruma::{DeviceId, OwnedUserId, UserId};

use super::{
    Devices, NewSession, OpenedSession, Passwords, RegistrationTokens, Users, devices::Device, user_directory,
};
use crate::{Error, Result, error::not_found, moves::departures::unless_let_go, residency::Place, restore::words};

/// Longest user id in bytes (client-server specification, *User identifiers*).
const USER_ID_BYTES: usize = 255;
/// Letters of a name for who does not choose one.
const NAME_LENGTH: usize = 12;
/// Rows of a page of users.
const PAGE: i64 = 500;

/// An account to be made.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    /// What stands before the colon.
    pub localpart: String,
    /// The password; without one nobody can log in until there is one.
    pub password: Option<String>,
    /// A registration token to use up.
    pub registration_token: Option<String>,
    /// A first session to open.
    pub session: Option<NewSession>,
}

/// An account as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSummary {
    /// The Matrix id.
    pub user_id: OwnedUserId,
    /// When it was made, in milliseconds since the epoch.
    pub created_ts: i64,
    /// When it was deactivated, in milliseconds since the epoch.
    pub deactivated_ts: Option<i64>,
}

/// Which sessions end with a change of the password.
#[derive(Clone, Copy, Debug)]
pub enum EndSessions<'a> {
    /// All.
    All,
    /// All but that of this device.
    AllBut(&'a DeviceId),
    /// None.
    None,
}

/// Makes, changes and ends accounts.
pub struct Accounts {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    users: Arc<Users>,
    passwords: Arc<Passwords>,
    devices: Arc<Devices>,
    keystore: Arc<Keystore>,
}

impl Accounts {
    /// Accounts over a store.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        users: Arc<Users>,
        passwords: Arc<Passwords>,
        devices: Arc<Devices>,
        keystore: Arc<Keystore>,
    ) -> Self {
        Self { store, clock, rng, users, passwords, devices, keystore }
    }

    /// A name for whoever names none: one that is this cell's already, if there is any left.
    pub async fn free_name(&self) -> Result<String> {
        let reserved = self.users.localities().reserved_name().await?;
        Ok(reserved.unwrap_or_else(|| rng::name(&*self.rng, NAME_LENGTH).to_ascii_lowercase()))
    }

    /// Whether newcomers get random names, unless the operator insists on another one.
    pub fn gives_random_names(&self) -> bool {
        self.users.localities().withholds_own_people()
    }

    /// The Matrix id that a name would have, if it can be a name here.
    pub fn user_id(&self, localpart: &str) -> Result<OwnedUserId> {
        let localpart = localpart.to_lowercase();
        let fits = !localpart.is_empty()
            && localpart
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._=-/+".contains(&byte));
        let text = format!("@{localpart}:{}", self.users.server_name());
        if !fits || text.len() > USER_ID_BYTES {
            return Err(ErrorKind::InvalidUsername
                .with("A user name consists of a-z, 0-9 and `.`, `_`, `=`, `-`, `/`, `+`; with the server's name it has at most 255 bytes.")
                .into());
        }
        OwnedUserId::try_from(text).map_err(Error::internal)
    }

    /// Whether a name is free, and can be one.
    pub async fn check_available(&self, localpart: &str) -> Result<OwnedUserId> {
        let user_id = self.user_id(localpart)?;
        match self.users.num(&user_id).await? {
            None => Ok(user_id),
            Some(_) => Err(in_use()),
        }
    }

    /// Where somebody is to make an account in place of here, if a cell of the region is emptier.
    pub(super) async fn elsewhere(&self) -> Result<Option<Place>> {
        self.users.localities().elsewhere().await
    }

    pub(super) fn has_other_cells(&self) -> bool {
        self.users.localities().cells().is_some()
    }

    /// Where a registration token of another cell is good.
    pub(super) async fn address_of_token(&self, tokens: &RegistrationTokens, token: &str) -> Option<String> {
        tokens.address_of(&self.users, token).await
    }

    /// Makes an account, and a first session if one is wanted: both or none.
    pub async fn create_user(&self, new: NewAccount) -> Result<(OwnedUserId, Option<OpenedSession>)> {
        let user_id = self.check_available(&new.localpart).await?;
        let password_hash = match new.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => None,
        };
        // The name before all else: it is taken once in the whole deployment. Should this end here, the same name can be taken here again.
        self.users.localities().claim(&user_id).await?;
        let now_ms = self.clock.now_ms();
        let user_num: UserNum = self.store.number(Sequence::User).await?;
        // The key first: what is sealed with it must never be without it.
        self.keystore.create(user_num).await?;
        let mut batch = Batch::new();
        let row = User {
            user_num,
            user_id: user_id.to_string(),
            is_local: true,
            created_ts: now_ms,
            password_hash,
            deactivated_ts: None,
        };
        table::users::insert(&mut batch, &row);
        table::user_words::replace(&mut batch, user_num, &user_directory::words(user_id.localpart(), None));
        if let Some(token) = &new.registration_token {
            registration_tokens::take(&mut batch, token, now_ms);
        }
        let session = match new.session {
            Some(wanted) => Some(self.devices.open(&mut batch, user_num, wanted).await?),
            None => None,
        };
        match self.store.write(batch).await {
            Ok(_) => {}
            Err(domicile_store::StoreError::Conflict(registration_tokens::TAKE_GUARD)) => {
                return Err(ErrorKind::Forbidden
                    .with("The registration token was used up or revoked meanwhile: ask for another one.")
                    .into());
            }
            Err(error) if error.is_conflict() => return Err(in_use()),
            Err(error) => return Err(error.into()),
        }
        self.users.remember(&user_id, user_num);
        Ok((user_id, session))
    }

    /// Replaces the password.
    pub async fn set_password(&self, user_id: &UserId, password: String, end: EndSessions<'_>) -> Result<()> {
        let user = self.active(user_id).await?;
        let hash = self.passwords.hash(password).await?;
        let mut batch = Batch::new();
        table::users::not_let_go(&mut batch, user.user_num);
        words::note(&mut batch, user.user_num, words::Kind::Password, &hash);
        table::users::set_password(&mut batch, user.user_num, Some(hash));
        unless_let_go(self.store.write(batch).await, user_id)?;
        match end {
            EndSessions::All => self.devices.remove_all_but(user.user_num, None).await,
            EndSessions::AllBut(device_id) => self.devices.remove_all_but(user.user_num, Some(device_id)).await,
            EndSessions::None => Ok(()),
        }
    }

    /// Whether a password is the account's.
    pub async fn check_password(&self, user_id: &UserId, password: String) -> Result<bool> {
        let user = self.row(user_id).await?;
        let hash = user.filter(|user| user.is_local).and_then(|user| user.password_hash);
        self.passwords.verify(password, hash).await
    }

    /// Ends an account: its sessions, its password, and what it kept here. Its rooms are left by a job, and if it is to be erased, another removes its
    /// files, which nobody can read from now on.
    pub async fn deactivate(&self, user_id: &UserId, erase: bool) -> Result<()> {
        let user = self.active(user_id).await?;
        let now_ms = self.clock.now_ms();
        let job_num: i64 = self.store.number(Sequence::Job).await?;
        let mut batch = Batch::new();
        table::users::not_let_go(&mut batch, user.user_num);
        table::users::deactivate(&mut batch, user.user_num, now_ms, erase);
        table::users::remove_belongings(&mut batch, user.user_num);
        words::note(&mut batch, user.user_num, words::Kind::Deactivated, "");
        table::jobs::insert(&mut batch, job_num, table::jobs::LEAVE_ALL_ROOMS, user.user_num.0, now_ms);
        if erase {
            let job_num: i64 = self.store.number(Sequence::Job).await?;
            table::jobs::insert(&mut batch, job_num, table::jobs::ERASE_FILES, user.user_num.0, now_ms);
        }
        unless_let_go(self.store.write(batch).await, user_id)?;
        // The sessions' tokens stopped working with `deactivated_ts`; what is in memory ends here.
        self.devices.remove_all_but(user.user_num, None).await?;
        if erase {
            // What is sealed in backups and old pages is gone with its key.
            self.keystore.destroy(user.user_num).await?;
        }
        Ok(())
    }

    /// Local accounts after a number, in the order in which they were made; the number to go on with, if there are more.
    pub async fn list(&self, after: UserNum) -> Result<(Vec<AccountSummary>, Option<UserNum>)> {
        let rows =
            self.store.read(move |snapshot| async move { table::users::page(&snapshot, after, PAGE).await }).await?;
        let more = (i64::try_from(rows.len()).unwrap_or(PAGE) == PAGE).then(|| rows.last().map(|row| row.user_num));
        let summaries = rows
            .into_iter()
            .map(|row| {
                Ok(AccountSummary {
                    user_id: OwnedUserId::try_from(row.user_id).map_err(Error::internal)?,
                    created_ts: row.created_ts,
                    deactivated_ts: row.deactivated_ts,
                })
            })
            .collect::<Result<_>>()?;
        Ok((summaries, more.flatten()))
    }

    /// The devices of an account.
    pub async fn devices(&self, user_id: &UserId) -> Result<Vec<Device>> {
        let user = self.row(user_id).await?.filter(|user| user.is_local).ok_or_else(|| no_account(user_id))?;
        self.devices.list(user.user_num).await
    }

    /// The number of an account of this server, whether it is in use or not.
    pub async fn local_num(&self, user_id: &UserId) -> Result<UserNum> {
        let user = self.row(user_id).await?.filter(|user| user.is_local).ok_or_else(|| no_account(user_id))?;
        Ok(user.user_num)
    }

    /// The row of a local account that is in use.
    pub(super) async fn active(&self, user_id: &UserId) -> Result<User> {
        let user = self.row(user_id).await?.filter(|user| user.is_local).ok_or_else(|| no_account(user_id))?;
        if user.deactivated_ts.is_some() {
            return Err(ErrorKind::UserDeactivated.with("The account was deactivated.").into());
        }
        Ok(user)
    }

    pub(super) async fn row(&self, user_id: &UserId) -> Result<Option<User>> {
        let wanted = user_id.to_string();
        let row = self.store.read(move |snapshot| async move { table::users::by_id(&snapshot, &wanted).await }).await?;
        Ok(row)
    }
}

fn in_use() -> Error {
    ErrorKind::UserInUse.with("The user name is taken: choose another one.").into()
}

fn no_account(user_id: &UserId) -> Error {
    not_found(format!("There is no account {user_id} here."))
}
