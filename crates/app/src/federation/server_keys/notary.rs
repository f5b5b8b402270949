//! Telling others' keys to those who ask us for them, with our signature.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domicile_core::error::ErrorKind;
use domicile_store::table::remote_keys::{self, RemoteKeyList};
use futures::{StreamExt, stream};
use ruma::{
    CanonicalJsonObject, OwnedServerName, ServerName, api::federation::discovery::ServerSigningKeys, serde::Raw,
};
use tokio::sync::Semaphore;

use super::{KeyUse, ServerKeys};
use crate::{Error, Result};

/// Servers of one request.
const SERVERS: usize = 100;
/// Servers that are looked up at once for one request, and for all.
const AT_ONCE: usize = 8;
const AT_ONCE_ALL: usize = 32;

/// Tells others' keys.
pub struct Notary {
    keys: ServerKeys,
    /// Anybody may ask, without a signature: what that makes us do has a bound.
    places: Semaphore,
}

impl Notary {
    /// Tells what `keys` knows or finds out.
    pub fn new(keys: ServerKeys) -> Arc<Self> {
        Arc::new(Self { keys, places: Semaphore::new(AT_ONCE_ALL) })
    }

    /// The lists of these servers, each good until at least the given time (in milliseconds) where that can be had. Servers that do not answer
    /// and are not known are missing.
    pub async fn query(&self, wanted: BTreeMap<OwnedServerName, i64>) -> Result<Vec<Raw<ServerSigningKeys>>> {
        if wanted.len() > SERVERS {
            let text = format!("Keys of {SERVERS} servers can be asked for at once, and this asks for more.");
            return Err(ErrorKind::InvalidParam.with(text).into());
        }
        let lists =
            stream::iter(wanted).map(|(server_name, until)| async move { self.list(&server_name, until).await });
        let found: Vec<_> = lists.buffered(AT_ONCE).collect().await;
        found.into_iter().filter_map(Result::transpose).collect()
    }

    async fn list(&self, server_name: &ServerName, until: i64) -> Result<Option<Raw<ServerSigningKeys>>> {
        let inner = &self.keys.0;
        if server_name == inner.own.server_name() {
            return inner.own.list().map(Some);
        }
        if !inner.peers.policy().allows(server_name) {
            return Ok(None);
        }
        let mut known = self.known(server_name).await?;
        if known.as_ref().is_none_or(|list| !is_good(list, until, inner.clock.now_ms()))
            && let Ok(_place) = self.places.try_acquire()
        {
            let server = inner.server(server_name).await?;
            inner.ask(server_name, &server, &BTreeSet::new(), KeyUse::Request, false).await?;
            known = self.known(server_name).await?;
        }
        let Some(list) = known else { return Ok(None) };
        let mut object: CanonicalJsonObject = serde_json::from_str(&list.list).map_err(Error::internal)?;
        inner.own.sign(&mut object)?;
        Ok(Some(Raw::from_json(serde_json::value::to_raw_value(&object).map_err(Error::internal)?)))
    }

    async fn known(&self, server_name: &ServerName) -> Result<Option<RemoteKeyList>> {
        let name = server_name.to_string();
        Ok(self.keys.0.store.read(|snapshot| async move { remote_keys::list(&snapshot, &name).await }).await?)
    }
}

/// Whether a list need not be asked for again: it is good for long enough, and half of its life is still to come (specification,
/// `GET /_matrix/key/v2/server`).
fn is_good(list: &RemoteKeyList, until: i64, now_ms: i64) -> bool {
    let half = list.fetched_ts.saturating_add(list.valid_until_ts.saturating_sub(list.fetched_ts) / 2);
    list.valid_until_ts >= until.max(now_ms) && half > now_ms
}
