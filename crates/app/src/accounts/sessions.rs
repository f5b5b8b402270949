//! Sessions: an access token is a device, and a device is a session.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicU64, Ordering},
};

use bytes::Bytes;
use domicile_core::{
    clock::Clock,
    error::ErrorKind,
    ids::{DeviceNum, UserNum},
    rng::{self, Rng},
};
use domicile_store::{
    Batch, Snapshot, Store, StoreError,
    table::{
        ended_tokens, fence,
        tokens::{self, TokenOwner},
    },
};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::{OwnedDeviceId, OwnedUserId};
use sha2::{Digest, Sha256};

use super::standing::{Standing, locked, suspended};
use crate::{
    Error, Result,
    moves::{Departures, Way, departures::on_the_way},
};

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
    /// What the operator lets the account do.
    pub standing: Standing,
    expires_ts: Option<i64>,
    /// A hash of the day and address of the last use that was noted.
    seen: Arc<AtomicU64>,
}

impl Session {
    /// The server finishing what a user asked for who has no session any more. No request can ever have this one.
    pub(crate) fn without_device(user_num: UserNum, user_id: OwnedUserId) -> Self {
        let (device_num, device_id) = (DeviceNum(0), OwnedDeviceId::from(""));
        let standing = Standing::default();
        Self { user_num, user_id, device_num, device_id, standing, expires_ts: None, seen: Arc::default() }
    }

    /// Refuses what a suspended account may not do.
    pub fn check_not_suspended(&self) -> Result<()> {
        if self.standing.suspended { Err(suspended()) } else { Ok(()) }
    }

    /// Whether the last use that was noted is another one. The hash may be wrong once in 2^64 times: then a day is not shown.
    pub(super) fn is_first(&self, hash: u64) -> bool {
        self.seen.load(Ordering::Relaxed) != hash && self.seen.swap(hash, Ordering::Relaxed) != hash
    }
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
    departures: Arc<Departures>,
    cache: Cache<TokenHash, Arc<Session>>,
    /// Grows with every [`Self::forget`], so that a session that was read before it is not kept after it.
    forgotten: AtomicU64,
}

/// The hash of a token.
pub fn token_hash(token: &str) -> TokenHash {
    Sha256::digest(token.as_bytes()).into()
}

/// A token that was ended because a cell may have seen it that is not trusted any more. The client is told to sign in again and to keep its keys.
async fn ended(snapshot: &Snapshot, hash: &TokenHash, door: Option<&str>) -> Result<Option<Error>> {
    if !ended_tokens::has(snapshot, hash).await? {
        return Ok(None);
    }
    let door = door.unwrap_or("the address that you were told");
    let text = format!(
        "A part of this service that may have seen this app's token is in other hands, so you were signed out: sign in again, at {door} and nowhere else. Nothing of yours is lost; the keys of your messages are in this app, so do not let it delete them."
    );
    Ok(Some(ErrorKind::SoftLogout.with(text).into()))
}

/// A token that nobody has. After a restore it may well have been good: the client is told to sign in again and to keep its keys.
async fn unknown(snapshot: &Snapshot, (hash, which): (&TokenHash, &str), door: Option<&str>) -> Result<Error> {
    if let Some(why) = ended(snapshot, hash, door).await? {
        return Ok(why);
    }
    if fence::was_restored(snapshot).await? {
        let text = "The service was restored from a backup, in which there are no sessions: log in again, nothing of yours is lost.";
        return Ok(ErrorKind::ForgottenToken.with(text).into());
    }
    Ok(ErrorKind::UnknownToken.with(format!("The {which} token is not known: log in again.")).into())
}

impl Sessions {
    /// Sessions over a store.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        access_token_life_ms: i64,
        departures: Arc<Departures>,
    ) -> Self {
        let (cache, forgotten) = (Cache::new(CACHED), AtomicU64::new(0));
        Self { store, clock, rng, access_token_life_ms, departures, cache, forgotten }
    }

    /// Refuses to do or open anything for somebody whose vault is being handed over: it would stay behind.
    pub(super) fn check_stays(&self, user_num: UserNum) -> Result<()> {
        if self.departures.has(user_num) { Err(on_the_way().into()) } else { Ok(()) }
    }

    /// The session of an access token; none of a locked account.
    pub async fn authenticate(&self, token: &str) -> Result<Arc<Session>> {
        let session = self.authenticate_to_leave(token).await?;
        if session.standing.locked { Err(locked()) } else { Ok(session) }
    }

    /// The session of an access token for logging out, which the owner of a locked account may do.
    pub async fn authenticate_to_leave(&self, token: &str) -> Result<Arc<Session>> {
        let hash = token_hash(token);
        self.departures.check_address(&hash)?;
        let session = match self.cache.get(&hash) {
            Some(session) => session,
            None => self.load(hash).await?,
        };
        // Who is not in memory yet when their vault is handed over is not waited for.
        self.check_stays(session.user_num)?;
        if session.expires_ts.is_some_and(|end| end <= self.clock.now_ms()) {
            return Err(ErrorKind::SoftLogout.with("The access token has expired: refresh it.").into());
        }
        Ok(session)
    }

    async fn load(&self, hash: TokenHash) -> Result<Arc<Session>> {
        loop {
            let before = self.forgotten.load(Ordering::SeqCst);
            let session = self.read(hash).await?;
            self.cache.insert(hash, Arc::clone(&session));
            if self.forgotten.load(Ordering::SeqCst) == before {
                return Ok(session);
            }
            // It may have ended in between, or be waited for.
            self.cache.remove(&hash);
        }
    }

    async fn read(&self, hash: TokenHash) -> Result<Arc<Session>> {
        let door = self.departures.own_door();
        let found = self
            .store
            .read(move |snapshot| async move {
                let Some(owner) = tokens::access(&snapshot, &hash).await? else {
                    return Err(unknown(&snapshot, (&hash, "access"), door.as_deref()).await?);
                };
                let supersedes = match &owner.refresh_hash {
                    Some(refresh_hash) => tokens::supersedes(&snapshot, refresh_hash, owner.device_num).await?,
                    None => false,
                };
                Ok::<_, Error>((owner, supersedes))
            })
            .await?;
        let (owner, supersedes) = found;
        let refresh_hash = owner.refresh_hash.clone().filter(|_| supersedes);
        let session = Arc::new(session(owner)?);
        if let Some(refresh_hash) = refresh_hash {
            self.confirm_refresh(&session, &refresh_hash).await?;
        }
        Ok(session)
    }

    /// The first use of a refreshed token ends what came before it.
    async fn confirm_refresh(&self, session: &Session, refresh_hash: &Bytes) -> Result<()> {
        let mut batch = Batch::new();
        tokens::remove_superseded(&mut batch, refresh_hash);
        self.store.write(batch).await?;
        self.forget(|old| old.device_num == session.device_num);
        Ok(())
    }

    /// Whether a refresh token is one of this cell's, be it one that was ended.
    pub async fn may_refresh(&self, refresh_token: &str) -> Result<bool> {
        let hash = token_hash(refresh_token);
        let read = self.store.read(move |snapshot| async move {
            Ok::<_, StoreError>(
                tokens::refresh(&snapshot, &hash).await?.is_some() || ended_tokens::has(&snapshot, &hash).await?,
            )
        });
        Ok(read.await?)
    }

    /// Exchanges a refresh token. What it replaces stays good until the new access token is used.
    pub async fn refresh(&self, refresh_token: &str) -> Result<IssuedTokens> {
        let hash = token_hash(refresh_token);
        if let Way::Later(error) = self.departures.way(&hash).await {
            return Err(error.into());
        }
        self.departures.check_address(&hash)?;
        loop {
            let door = self.departures.own_door();
            let found = self.store.read(move |snapshot| async move {
                match tokens::refresh(&snapshot, &hash).await? {
                    Some(found) => Ok::<_, Error>(found),
                    None => Err(unknown(&snapshot, (&hash, "refresh"), door.as_deref()).await?),
                }
            });
            let (device_num, next_hash) = found.await?;
            let mut batch = Batch::new();
            if let Some(unused) = next_hash {
                // The client never got the answer of an earlier exchange.
                tokens::remove_refresh(&mut batch, &unused);
            }
            let issued = self.issue(&mut batch, device_num, true);
            let new_hash = issued.refresh_token.as_deref().map(token_hash).unwrap_or_default();
            tokens::supersede_refresh(&mut batch, &hash, &new_hash);
            match self.store.write(batch).await {
                Ok(_) => return Ok(issued),
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
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

    /// Lets go of somebody's sessions in memory, so that each is gone with the last request that holds it.
    pub fn let_go(&self, user_num: UserNum) -> Vec<Weak<Session>> {
        let held = Mutex::new(Vec::new());
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.cache.retain(|_, session| {
            if session.user_num == user_num {
                held.lock().push(Arc::downgrade(session));
            }
            session.user_num != user_num
        });
        held.into_inner()
    }

    /// Forgets every session in memory that `ended` picks. Call it after the rows are gone.
    pub fn forget(&self, ended: impl Fn(&Session) -> bool) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        self.cache.retain(|_, session| !ended(session));
    }
}

fn session(owner: TokenOwner) -> Result<Session> {
    Ok(Session {
        user_num: owner.user_num,
        user_id: OwnedUserId::try_from(owner.user_id).map_err(Error::internal)?,
        device_num: owner.device_num,
        device_id: owner.device_id.into(),
        standing: Standing { locked: owner.locked_ts.is_some(), suspended: owner.suspended_ts.is_some() },
        expires_ts: owner.expires_ts,
        seen: Arc::default(),
    })
}
