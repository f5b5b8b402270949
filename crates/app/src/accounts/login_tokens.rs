//! Signing another device in with a token that a signed-in one shows it (client-server, *Token-based user login*): once, within two minutes,
//! and only where the operator allows it. The new session is a device like any other.

use std::{net::IpAddr, sync::Arc};

use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    rng::{self, Rng},
};
use domicile_store::{Batch, Store, table::login_tokens};
use ruma::OwnedUserId;

use super::{Limit, Logins, NewSession, OpenedSession, RateLimits, Session, Users, sessions::token_hash};
use crate::{Error, Result, error::forbidden};

/// Letters of a token: 256 bits.
const TOKEN_LENGTH: usize = 43;
/// Life of a token in milliseconds.
pub const LIFE_MS: i64 = 2 * 60 * 1_000;

/// Knows these tokens.
pub struct LoginTokens {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    users: Arc<Users>,
    logins: Arc<Logins>,
    rate_limits: Arc<RateLimits>,
    offered: bool,
}

impl LoginTokens {
    /// Over a store; `offered` is the operator's choice.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        users: Arc<Users>,
        logins: Arc<Logins>,
        rate_limits: Arc<RateLimits>,
        offered: bool,
    ) -> Self {
        Self { store, clock, rng, users, logins, rate_limits, offered }
    }

    /// Whether there are such tokens.
    pub fn are_offered(&self) -> bool {
        self.offered
    }

    /// Refuses where the operator does not allow them.
    pub fn check_offered(&self) -> Result<()> {
        if self.offered {
            Ok(())
        } else {
            Err(ErrorKind::Unrecognized.with("Login tokens are switched off here.").into())
        }
    }

    /// A new token for the session's account, whose owner has just proved who they are.
    pub async fn issue(&self, by: &Session) -> Result<String> {
        self.check_offered()?;
        let token = rng::name(&*self.rng, TOKEN_LENGTH);
        let mut batch = Batch::new();
        login_tokens::replace(&mut batch, &token_hash(&token), by.user_num, self.clock.now_ms() + LIFE_MS);
        self.store.write(batch).await?;
        Ok(token)
    }

    /// Opens a session for a token, which is then used up.
    pub async fn login(
        &self,
        token: &str,
        wanted: NewSession,
        address: Option<IpAddr>,
    ) -> Result<(OwnedUserId, OpenedSession)> {
        self.rate_limits.check_address(Limit::LoginAddress, address)?;
        let bad = || forbidden("The login token is not known, was used, or is too old: show another one.");
        if !self.offered {
            return Err(bad());
        }
        let (hash, now_ms) = (token_hash(token), self.clock.now_ms());
        let owner =
            self.store.read(move |snapshot| async move { login_tokens::owner(&snapshot, &hash, now_ms).await }).await?;
        let user_num = owner.ok_or_else(bad)?;
        // Used up first: a login that fails afterwards costs a token, not a second session.
        let mut batch = Batch::new();
        login_tokens::take(&mut batch, &hash);
        match self.store.write(batch).await {
            Ok(_) => {}
            Err(error) if error.is_conflict() => return Err(bad()),
            Err(error) => return Err(Error::from(error)),
        }
        let user_id = self.users.id(user_num).await?;
        Ok((user_id, self.logins.open(user_num, wanted).await?))
    }
}
