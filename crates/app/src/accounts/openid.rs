//! Tokens with which somebody proves to another service who they are (client-server, *`OpenID`*). They open nothing else.

use std::sync::Arc;

use domicile_core::{
    clock::{Clock, HOUR_MS},
    rng::{self, Rng},
};
use domicile_store::{Batch, Store, table::openid_tokens};
use ruma::{OwnedUserId, UserId};

use super::{Session, Users, sessions::token_hash};
use crate::{Result, error::forbidden};

/// Letters of a token: 256 bits.
const TOKEN_LENGTH: usize = 43;
/// Life of a token in milliseconds.
pub const LIFE_MS: i64 = HOUR_MS;

/// Knows these tokens.
pub struct OpenIdTokens {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    users: Arc<Users>,
}

impl OpenIdTokens {
    /// Over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, users: Arc<Users>) -> Self {
        Self { store, clock, rng, users }
    }

    /// A new token for oneself.
    pub async fn issue(&self, by: &Session, user_id: &UserId) -> Result<String> {
        if *user_id != by.user_id {
            return Err(forbidden("You can prove only who you are yourself."));
        }
        let token = rng::name(&*self.rng, TOKEN_LENGTH);
        let now_ms = self.clock.now_ms();
        let mut batch = Batch::new();
        openid_tokens::insert(&mut batch, &token_hash(&token), by.user_num, now_ms + LIFE_MS, now_ms);
        self.store.write(batch).await?;
        Ok(token)
    }

    /// Whose token it is, if it is still good.
    pub async fn owner(&self, token: &str) -> Result<Option<OwnedUserId>> {
        let (hash, now_ms) = (token_hash(token), self.clock.now_ms());
        let found = self
            .store
            .read(move |snapshot| async move { openid_tokens::owner(&snapshot, &hash, now_ms).await })
            .await?;
        match found {
            Some(user_num) => Ok(Some(self.users.id(user_num).await?)),
            None => Ok(None),
        }
    }

    /// The name of this server, which the other service asks.
    pub fn server_name(&self) -> &ruma::ServerName {
        self.users.server_name()
    }
}
