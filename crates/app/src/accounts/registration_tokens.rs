//! Registration tokens: the operator's invitations.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    rng::{self, Rng},
};
use domicile_store::{Batch, Store, table::registration_tokens};

pub use registration_tokens::RegistrationToken;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Users;
use crate::{Result, error::not_found, federation::Bounds, residency::Has};

/// Where another cell is asked whether a token is one of its own.
pub const WHOSE_TOKEN: &str = "/_domicile/inner/v1/registration/whose";
/// What that may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(3), bytes: 1_024 };
/// What stands before a token when it is hashed for other cells: they learn nothing by which they could use it.
const HASHED: &[u8] = b"domicile registration token 1\n";

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

/// A token that somebody showed another cell.
#[derive(Debug, Serialize, Deserialize)]
pub struct TokenShown {
    /// Its hash, in Base64.
    pub hash: String,
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

    /// The address of the cell whose token it is, if it is another one's: there its holder makes an account. A token is the region's and the cell's that
    /// gave it, wherever its holder shows it.
    pub async fn address_of(&self, users: &Users, token: &str) -> Option<String> {
        let cells = users.localities().cells()?;
        let question = TokenShown { hash: hash(token) };
        let told = cells.names.ask_others::<Has>(WHOSE_TOKEN, &question, BOUNDS).await;
        let (home, _) = told.into_iter().find(|(_, has)| has.ours)?;
        let home = cells.own.document().cells.get(&home)?;
        Some(home.client_url.as_str().trim_end_matches('/').to_owned())
    }

    /// Whether a token that another cell was shown is one of this one's, and good.
    pub async fn is_ours(&self, shown: &TokenShown) -> Result<Has> {
        let found = self.list().await?.into_iter().find(|token| hash(&token.token) == shown.hash);
        Ok(Has { ours: found.is_some_and(|token| self.is_good(&token)) })
    }

    fn is_good(&self, token: &RegistrationToken) -> bool {
        token.uses_allowed.is_none_or(|allowed| token.uses < allowed)
            && token.expires_ts.is_none_or(|end| end > self.clock.now_ms())
    }

    /// Whether a token could make an account now.
    pub async fn is_valid(&self, token: &str) -> Result<bool> {
        let wanted = token.to_owned();
        let found = self
            .store
            .read(move |snapshot| async move { registration_tokens::by_token(&snapshot, &wanted).await })
            .await?;
        Ok(found.is_some_and(|token| self.is_good(&token)))
    }
}

fn hash(token: &str) -> String {
    BASE64_STANDARD_NO_PAD.encode(Sha256::new().chain_update(HASHED).chain_update(token).finalize())
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
