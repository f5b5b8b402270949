//! What the operator lets an account do: a locked one nothing but log out, a suspended one read and leave (client-server, *Account moderation*).

use std::{collections::BTreeSet, sync::Arc};

use domicile_core::{clock::Clock, error::ErrorKind, ids::UserNum};
use domicile_store::{
    Batch, Store,
    table::users::{self as rows},
};
use ruma::{OwnedUserId, UserId};

use super::{Session, Sessions, Users};
use crate::{
    Error, Result,
    error::{forbidden, not_found},
    moves::departures::unless_let_go,
    restore::words,
};

/// What an account may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Nothing but log out.
    pub locked: bool,
    /// Read and leave.
    pub suspended: bool,
}

/// Knows and changes standings.
pub struct Standings {
    store: Store,
    clock: Arc<dyn Clock>,
    users: Arc<Users>,
    sessions: Arc<Sessions>,
    administrators: BTreeSet<OwnedUserId>,
}

impl Standings {
    /// Over a store, with those who may lock and suspend others.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        users: Arc<Users>,
        sessions: Arc<Sessions>,
        administrators: BTreeSet<OwnedUserId>,
    ) -> Self {
        Self { store, clock, users, sessions, administrators }
    }

    /// Whether the operator named somebody as an administrator.
    pub fn is_administrator(&self, user_id: &UserId) -> bool {
        self.administrators.contains(user_id)
    }

    /// Whether somebody may look at an account's standing. Nothing is looked up before that is clear.
    pub fn check_reader(&self, by: &Session, target: &UserId) -> Result<()> {
        if !self.is_administrator(&by.user_id) {
            return Err(forbidden("Only an administrator of this server may do this."));
        }
        if *target != by.user_id && self.is_administrator(target) {
            return Err(forbidden(format!("{target} is an administrator, too.")));
        }
        if !self.users.is_local(target) {
            return Err(ErrorKind::InvalidParam.with(format!("{target} has no account on this server.")).into());
        }
        Ok(())
    }

    /// Whether somebody may change an account's standing: an administrator, but not their own.
    pub fn check_writer(&self, by: &Session, target: &UserId) -> Result<()> {
        self.check_reader(by, target)?;
        if *target == by.user_id {
            return Err(forbidden("You cannot lock or suspend yourself."));
        }
        Ok(())
    }

    /// What an account may do.
    pub async fn get(&self, user_id: &UserId) -> Result<Standing> {
        let user_num = self.user_num(user_id).await?;
        let (locked, suspended) =
            self.store.read(move |snapshot| async move { rows::standing(&snapshot, user_num).await }).await?;
        Ok(Standing { locked: locked.is_some(), suspended: suspended.is_some() })
    }

    /// Locks an account or unlocks it. Its sessions stay, and are good again when it is unlocked.
    pub async fn set_locked(&self, user_id: &UserId, locked: bool) -> Result<()> {
        let since = locked.then(|| self.clock.now_ms());
        self.set(user_id, |batch, user_num| {
            rows::set_locked(batch, user_num, since);
            words::note(batch, user_num, words::Kind::Locked, &words::since(since));
        })
        .await
    }

    /// Suspends an account or ends its suspension.
    pub async fn set_suspended(&self, user_id: &UserId, suspended: bool) -> Result<()> {
        let since = suspended.then(|| self.clock.now_ms());
        self.set(user_id, |batch, user_num| {
            rows::set_suspended(batch, user_num, since);
            words::note(batch, user_num, words::Kind::Suspended, &words::since(since));
        })
        .await
    }

    async fn set(&self, user_id: &UserId, change: impl FnOnce(&mut Batch, UserNum)) -> Result<()> {
        let user_num = self.user_num(user_id).await?;
        let mut batch = Batch::new();
        rows::not_let_go(&mut batch, user_num);
        change(&mut batch, user_num);
        unless_let_go(self.store.write(batch).await, user_id)?;
        self.sessions.forget(|session| session.user_num == user_num);
        Ok(())
    }

    /// The number of a local account that is in use.
    async fn user_num(&self, user_id: &UserId) -> Result<UserNum> {
        let wanted = user_id.to_string();
        let row = self.store.read(move |snapshot| async move { rows::by_id(&snapshot, &wanted).await }).await?;
        let row = row.filter(|row| row.is_local && row.deactivated_ts.is_none());
        Ok(row.ok_or_else(|| not_found("There is no account of that name here."))?.user_num)
    }
}

/// The account is locked.
pub(super) fn locked() -> Error {
    ErrorKind::UserLocked.with("The account is locked: ask those who run the server.").into()
}

/// The account is suspended.
pub(super) fn suspended() -> Error {
    ErrorKind::UserSuspended.with("The account is suspended: you can read and leave rooms, and not do this.").into()
}
