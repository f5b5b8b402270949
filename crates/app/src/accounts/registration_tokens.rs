//! Registration tokens: the operator's invitations.

use std::sync::Arc;

use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    rng::{self, Rng},
};
use domicile_store::{Batch, Store, table::registration_tokens};

pub use registration_tokens::RegistrationToken;

use crate::{Result, error::not_found};

/// Letters of a token that the server makes: 142 bits.
const LENGTH: usize = 24;
/// Longest token (client-server specification, *Token-authenticated registration*).
const LONGEST: usize = 64;

/// A token to be made.
#[derive(Clone, Debug, Default)]
pub struct NewToken {
    /// The token, if it is not to be a random one.
    pub token: Option<String>,
    /// Accounts that it may make.
    pub uses_allowed: Option<u32>,
    /// Its life in milliseconds.
    pub life_ms: Option<i64>,
}

/// Knows the registration tokens.
pub struct RegistrationTokens {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl RegistrationTokens {
    /// Registration tokens over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { store, clock, rng }
    }

    /// Makes a token.
    pub async fn add(&self, new: NewToken) -> Result<RegistrationToken> {
        let now_ms = self.clock.now_ms();
        let token = RegistrationToken {
            token: new.token.map(valid).transpose()?.unwrap_or_else(|| rng::name(&*self.rng, LENGTH)),
            uses_allowed: new.uses_allowed.map(i64::from),
            uses: 0,
            expires_ts: new.life_ms.map(|life_ms| now_ms.saturating_add(life_ms)),
            created_ts: now_ms,
        };
        let mut batch = Batch::new();
        registration_tokens::insert(&mut batch, &token);
        match self.store.write(batch).await {
            Ok(_) => Ok(token),
            Err(error) if error.is_conflict() => {
                Err(ErrorKind::InvalidParam.with("There is a registration token of that text already.").into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// All tokens, used up and expired ones included.
    pub async fn list(&self) -> Result<Vec<RegistrationToken>> {
        let tokens = self.store.read(|snapshot| async move { registration_tokens::all(&snapshot).await }).await?;
        Ok(tokens)
    }

    /// Takes a token back.
    pub async fn revoke(&self, token: &str) -> Result<()> {
        let mut batch = Batch::new();
        registration_tokens::remove(&mut batch, token);
        match self.store.write(batch).await {
            Err(error) if error.is_conflict() => Err(not_found("There is no registration token of that text.")),
            other => Ok(other.map(drop)?),
        }
    }

    /// Whether a token could make an account now.
    pub async fn is_valid(&self, token: &str) -> Result<bool> {
        let wanted = token.to_owned();
        let found = self
            .store
            .read(move |snapshot| async move { registration_tokens::by_token(&snapshot, &wanted).await })
            .await?;
        let now_ms = self.clock.now_ms();
        Ok(found.is_some_and(|token| {
            token.uses_allowed.is_none_or(|allowed| token.uses < allowed)
                && token.expires_ts.is_none_or(|end| end > now_ms)
        }))
    }
}

fn valid(token: String) -> Result<String> {
    let fits = (1..=LONGEST).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte));
    if fits {
        return Ok(token);
    }
    Err(ErrorKind::InvalidParam
        .with(format!("A registration token has 1 to {LONGEST} letters, digits and `.`, `_`, `~`, `-`."))
        .into())
}
