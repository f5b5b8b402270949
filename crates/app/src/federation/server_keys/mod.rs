//! The keys with which other servers sign: kept in the database, in memory for those that are in use, and asked for once for all who wait.

mod bound;
mod fetch;
mod list;
mod notary;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arc_swap::ArcSwap;
use domicile_core::clock::{Clock, MINUTE_MS, SECOND_MS};
pub use domicile_store::table::remote_keys::RemoteKey;
use domicile_store::{Store, table::remote_keys};
use quick_cache::sync::Cache;
use ruma::{OwnedServerName, ServerName, serde::Base64, signatures::PublicKeySet};

pub use list::{BadList, KeyList};
pub use notary::Notary;

use super::{OwnKeys, Peers};
use crate::{Error, Result};

/// Servers whose keys are in memory.
const SERVERS: usize = 5_000;
/// How long a server is left alone after it told its keys, and after the first failure; that doubles with each further one.
const PAUSE_MS: i64 = 30 * SECOND_MS;
const FAILURE_MS: i64 = MINUTE_MS;
const LONGEST_PAUSE_MS: i64 = 15 * MINUTE_MS;

/// What a key is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// To check a request now: it must be in use, and the list that says so must still be good.
    Request,
    /// To check an event of a room version that enforces the life of keys (5 and later): it must have been in use at this time.
    Event {
        /// The event's `origin_server_ts`.
        sent_ts: i64,
    },
    /// To check an event of an older room version: when it was in use plays no part.
    OldEvent,
}

impl KeyUse {
    fn fits(self, key: &RemoteKey, now_ms: i64) -> bool {
        match self {
            Self::Request => key.expired_ts.is_none() && key.valid_until_ts >= now_ms,
            Self::Event { sent_ts } => sent_ts <= key.expired_ts.unwrap_or(key.valid_until_ts),
            Self::OldEvent => true,
        }
    }
}

/// The keys of other servers. Cheap to clone.
#[derive(Clone)]
pub struct ServerKeys(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    own: Arc<OwnKeys>,
    peers: Arc<Peers>,
    notaries: Vec<OwnedServerName>,
    servers: Cache<OwnedServerName, Arc<Server>>,
    bound: bound::Bound,
}

/// What is known of one server.
struct Server {
    keys: ArcSwap<BTreeMap<String, RemoteKey>>,
    /// Whoever has it asks the server.
    asking: tokio::sync::Mutex<Asked>,
}

/// How it went when the server was last asked.
#[derive(Default)]
struct Asked {
    failures: u32,
    not_before_ms: i64,
}

impl ServerKeys {
    /// Asks with `peers`; where a server does not answer, `notaries` in their order.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        own: Arc<OwnKeys>,
        peers: Arc<Peers>,
        notaries: Vec<OwnedServerName>,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            own,
            peers,
            notaries,
            servers: Cache::new(SERVERS),
            bound: bound::Bound::default(),
        }))
    }

    /// Those of a server's keys that fit the use, by their ids: see [`Self::find`].
    pub async fn get(
        &self,
        server_name: &ServerName,
        key_ids: &BTreeSet<String>,
        wanted: KeyUse,
    ) -> Result<PublicKeySet> {
        let found = self.find(server_name, key_ids, wanted).await?;
        Ok(found.into_iter().map(|key| (key.key_id, Base64::new(key.public_key.to_vec()))).collect())
    }

    /// Those of a server's keys that fit the use, with their times. If one is missing, the server is asked, or the notaries are; keys that
    /// nobody has are missing from the answer.
    pub async fn find(
        &self,
        server_name: &ServerName,
        key_ids: &BTreeSet<String>,
        wanted: KeyUse,
    ) -> Result<Vec<RemoteKey>> {
        if server_name == self.0.own.server_name() {
            return self.own(key_ids, wanted);
        }
        let server = self.0.server(server_name).await?;
        let known = picked(&server, key_ids, wanted, self.0.clock.now_ms());
        if known.len() == key_ids.len() || !self.0.peers.policy().is_enabled() {
            return Ok(known);
        }
        // In a task of its own: whoever asks may lose patience, and the answer is good for the next one.
        let (inner, server_name, ids) = (Arc::clone(&self.0), server_name.to_owned(), key_ids.clone());
        let asking =
            tokio::spawn(async move { inner.ask(&server_name, &server, &ids, wanted, true).await.map(|()| server) });
        let server = asking.await.map_err(Error::internal)??;
        Ok(picked(&server, key_ids, wanted, self.0.clock.now_ms()))
    }

    /// Those of a server's keys that are known and fit the use, with their times. Nobody is asked.
    pub async fn known(
        &self,
        server_name: &ServerName,
        key_ids: &BTreeSet<String>,
        wanted: KeyUse,
    ) -> Result<Vec<RemoteKey>> {
        if server_name == self.0.own.server_name() {
            return self.own(key_ids, wanted);
        }
        let server = self.0.server(server_name).await?;
        Ok(picked(&server, key_ids, wanted, self.0.clock.now_ms()))
    }

    /// The id and the public half, in Base64, of the key with which this server speaks to others.
    pub fn own_public(&self) -> (String, String) {
        let signer = self.0.own.outer();
        (signer.key_id().to_owned(), signer.public_key())
    }

    /// Our own keys, as others would have them of us.
    fn own(&self, key_ids: &BTreeSet<String>, wanted: KeyUse) -> Result<Vec<RemoteKey>> {
        let now_ms = self.0.clock.now_ms();
        let text = self.0.own.list()?;
        let list = KeyList::read(text.json().get(), self.0.own.server_name(), now_ms).map_err(Error::internal)?;
        let keys = list.keys.into_iter().filter(|key| key_ids.contains(&key.key_id) && wanted.fits(key, now_ms));
        Ok(keys.collect())
    }
}

impl Inner {
    /// A server, with what the database knows of it.
    async fn server(&self, server_name: &ServerName) -> Result<Arc<Server>> {
        let loading = async {
            let name = server_name.to_string();
            let read = self.store.read(|snapshot| async move { remote_keys::of(&snapshot, &name).await });
            let keys = read.await?.into_iter().map(|key| (key.key_id.clone(), key)).collect::<BTreeMap<_, _>>();
            Ok::<_, Error>(Arc::new(Server {
                keys: ArcSwap::from_pointee(keys),
                asking: tokio::sync::Mutex::default(),
            }))
        };
        self.servers.get_or_insert_async(server_name, loading).await
    }
}

/// Those of the keys that are known and fit.
fn picked(server: &Server, key_ids: &BTreeSet<String>, wanted: KeyUse, now_ms: i64) -> Vec<RemoteKey> {
    let keys = server.keys.load();
    let known = key_ids.iter().filter_map(|key_id| keys.get(key_id));
    known.filter(|key| wanted.fits(key, now_ms)).cloned().collect()
}
