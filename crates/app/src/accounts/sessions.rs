//! Sessions: an access token is a device, and a device is a session.

use std::sync::Arc;

use bytes::Bytes;
use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    ids::{DeviceNum, UserNum},
    rng::{self, Rng},
};
use domicile_store::{
    Batch, Store,
    table::tokens::{self, TokenOwner},
};
use quick_cache::sync::Cache;
use ruma::{OwnedDeviceId, OwnedUserId};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// Sessions kept in memory.
const CACHED: usize = 50_000;
/// Letters of a token: 256 bits.
const TOKEN_LENGTH: usize = 43;

/// The hash under which a token is stored.
pub type TokenHash = [u8; 32];

/// Who is asking: an account and the device it asks from.
#[derive(Clone, Debug)]
pub struct Session {
    /// The account.
    pub user_num: UserNum,
    /// Its Matrix id.
    pub user_id: OwnedUserId,
    /// The device.
    pub device_num: DeviceNum,
    /// The device's Matrix id.
    pub device_id: OwnedDeviceId,
    expires_ts: Option<i64>,
}

/// Tokens that were just made, in the clear for the last time.
#[derive(Clone, Debug)]
pub struct IssuedTokens {
    /// The access token.
    pub access_token: String,
    /// The refresh token, if the client can use one.
    pub refresh_token: Option<String>,
    /// The access token's life in milliseconds.
    pub expires_in_ms: Option<i64>,
}

/// Knows whom a token belongs to.
pub struct Sessions {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    /// Life of an access token that comes with a refresh token, in milliseconds.
    access_token_life_ms: i64,
    cache: Cache<TokenHash, Arc<Session>>,
}

/// The hash of a token.
pub fn token_hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

impl Sessions {
    /// Sessions over a store.
    pub fn new(store: Store, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>, access_token_life_ms: i64) -> Self {
        Self { store, clock, rng, access_token_life_ms, cache: Cache::new(CACHED) }
    }

    /// The session of an access token.
    pub async fn authenticate(&self, token: &str) -> Result<Arc<Session>> {
        let hash = token_hash(token);
        let session = match self.cache.get(&hash) {
            Some(session) => session,
            None => self.load(hash).await?,
        };
        if session.expires_ts.is_some_and(|end| end <= self.clock.now_ms()) {
            return Err(ErrorKind::SoftLogout.with("The access token has expired: refresh it.").into());
        }
        Ok(session)
    }

    async fn load(&self, hash: TokenHash) -> Result<Arc<Session>> {
        let owner = self.store.read(move |snapshot| async move { tokens::access(&snapshot, &hash).await }).await?;
        let unknown = || Error::from(ErrorKind::UnknownToken.with("The access token is not known: log in again."));
        let owner = owner.ok_or_else(unknown)?;
        if let Some(refresh_hash) = &owner.refresh_hash {
            self.confirm_refresh(refresh_hash).await?;
        }
        let session = Arc::new(session(owner)?);
        self.cache.insert(hash, Arc::clone(&session));
        Ok(session)
    }

    /// The first use of a refreshed token ends what came before it.
    async fn confirm_refresh(&self, refresh_hash: &Bytes) -> Result<()> {
        let mut batch = Batch::new();
        tokens::remove_superseded(&mut batch, refresh_hash);
        self.store.write(batch).await?;
        Ok(())
    }

    /// Adds new tokens for a device to a batch. They are good when the batch is committed.
    pub fn issue(&self, batch: &mut Batch, device_num: DeviceNum, with_refresh: bool) -> IssuedTokens {
        let access_token = rng::name(&*self.rng, TOKEN_LENGTH);
        let refresh_token = with_refresh.then(|| rng::name(&*self.rng, TOKEN_LENGTH));
        let expires_in_ms = with_refresh.then_some(self.access_token_life_ms);
        let refresh_hash = refresh_token.as_deref().map(token_hash);
        tokens::insert_access(
            batch,
            &token_hash(&access_token),
            device_num,
            expires_in_ms.map(|life| self.clock.now_ms() + life),
            refresh_hash.map(|hash| Bytes::copy_from_slice(&hash)),
        );
        if let Some(hash) = refresh_hash {
            tokens::insert_refresh(batch, &hash, device_num);
        }
        IssuedTokens { access_token, refresh_token, expires_in_ms }
    }

    /// Forgets every session in memory that `ended` picks. Call it after the rows are gone.
    pub fn forget(&self, ended: impl Fn(&Session) -> bool) {
        self.cache.retain(|_, session| !ended(session));
    }
}

fn session(owner: TokenOwner) -> Result<Session> {
    Ok(Session {
        user_num: owner.user_num,
        user_id: OwnedUserId::try_from(owner.user_id).map_err(Error::internal)?,
        device_num: owner.device_num,
        device_id: owner.device_id.into(),
        expires_ts: owner.expires_ts,
    })
}
