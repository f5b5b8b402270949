//! Asking a server for its keys, or, where it does not answer, the notaries.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domicile_store::{
    Batch,
    table::remote_keys::{self, RemoteKey, RemoteKeyList},
};
use ruma::{
    MilliSecondsSinceUnixEpoch, ServerName, UInt,
    api::federation::discovery::{
        get_remote_server_keys_batch::v2::{self as batch, QueryCriteria},
        get_server_keys::v2 as direct,
    },
};

use super::{Asked, FAILURE_MS, Inner, KeyList, KeyUse, LONGEST_PAUSE_MS, PAUSE_MS, Server, list::BYTES, picked};
use crate::{Result, federation::Bounds};

/// What an answer may cost: a server's own list, and a notary's word about one.
const DIRECT: Bounds = Bounds { time: Duration::from_secs(15), bytes: BYTES };
const BY_NOTARY: Bounds = Bounds { time: Duration::from_secs(20), bytes: 4 * BYTES };
/// Keys of one server that are kept. Those that it told last win.
const KEPT: usize = 256;

impl Inner {
    /// Asks for a server's keys, unless it was asked a moment ago; with `by_notary` also the notaries, for what it does not tell itself.
    pub(super) async fn ask(
        &self,
        server_name: &ServerName,
        server: &Arc<Server>,
        key_ids: &BTreeSet<String>,
        wanted: KeyUse,
        by_notary: bool,
    ) -> Result<()> {
        let mut asked = server.asking.lock().await;
        let is_enough = || {
            let now_ms = self.clock.now_ms();
            !key_ids.is_empty() && picked(server, key_ids, wanted, now_ms).len() == key_ids.len()
        };
        // Whoever had the lock may have brought what is wanted.
        if is_enough() || self.clock.now_ms() < asked.not_before_ms {
            return Ok(());
        }
        let is_told = match self.direct(server_name).await {
            Some(list) => {
                self.keep(server_name, server, &list).await?;
                true
            }
            None => false,
        };
        let mut is_known = is_told;
        if by_notary && !is_enough() && (!is_told || !key_ids.is_empty()) {
            for notary in self.notaries.iter().filter(|notary| *notary != server_name) {
                for list in self.by_notary(notary, server_name, key_ids, wanted).await? {
                    self.keep(server_name, server, &list).await?;
                    is_known = true;
                }
                if is_enough() {
                    break;
                }
            }
        }
        asked.note(is_known, self.clock.now_ms());
        Ok(())
    }

    /// The server's own word.
    async fn direct(&self, server_name: &ServerName) -> Option<KeyList> {
        let answer = self.peers.ask_unsigned(server_name, direct::Request::new(), DIRECT).await;
        let text = answer.inspect_err(|error| tracing::debug!(%error, "a server does not tell its keys")).ok()?;
        let list = KeyList::read(text.server_key.json().get(), server_name, self.clock.now_ms());
        list.inspect_err(|error| tracing::debug!(%error, "a server's list of keys is not believed")).ok()
    }

    /// A notary's word.
    async fn by_notary(
        &self,
        notary: &ServerName,
        server_name: &ServerName,
        key_ids: &BTreeSet<String>,
        wanted: KeyUse,
    ) -> Result<Vec<KeyList>> {
        let now_ms = self.clock.now_ms();
        let mut criteria = QueryCriteria::new();
        let minimum = if let KeyUse::Event { sent_ts } = wanted { sent_ts } else { now_ms };
        criteria.minimum_valid_until_ts = UInt::try_from(minimum).ok().map(MilliSecondsSinceUnixEpoch);
        let ids = key_ids.iter().filter_map(|id| id.as_str().try_into().ok()).map(|id| (id, criteria.clone()));
        let query = BTreeMap::from([(server_name.to_owned(), ids.collect())]);
        let answer = match self.peers.ask_unsigned(notary, batch::Request::new(query), BY_NOTARY).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::debug!(%error, "a notary does not answer");
                return Ok(Vec::new());
            }
        };
        let lists = answer.server_keys.iter().take(8);
        let lists = lists.filter_map(|text| KeyList::read(text.json().get(), server_name, now_ms).ok());
        let lists: Vec<KeyList> = lists.collect();
        if lists.is_empty() {
            return Ok(lists);
        }
        let keys = self.keys_of_notary(notary, &lists).await?;
        Ok(lists.into_iter().filter(|list| list.is_signed_by(notary, &keys)).collect())
    }

    /// The keys in use of a notary, by its own word, with which it signed these lists.
    async fn keys_of_notary(&self, notary: &ServerName, lists: &[KeyList]) -> Result<Vec<RemoteKey>> {
        let signatures =
            lists.iter().filter_map(|list| list.object.get("signatures")?.as_object()?.get(notary.as_str()));
        let ids = signatures.filter_map(|of_notary| of_notary.as_object()).flat_map(BTreeMap::keys);
        let ids: BTreeSet<String> = ids.filter(|id| id.starts_with("ed25519:")).take(8).cloned().collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let server = self.server(notary).await?;
        Box::pin(self.ask(notary, &server, &ids, KeyUse::Request, false)).await?;
        let (keys, now_ms) = (server.keys.load(), self.clock.now_ms());
        Ok(ids.iter().filter_map(|id| keys.get(id)).filter(|key| KeyUse::Request.fits(key, now_ms)).cloned().collect())
    }

    /// Keeps what a list says: on disk, then in memory.
    async fn keep(&self, server_name: &ServerName, server: &Server, list: &KeyList) -> Result<()> {
        let mut keys = (**server.keys.load()).clone();
        let is_new = keys.is_empty();
        let mut batch = Batch::new();
        for key in &list.keys {
            // A list that a notary kept may be older than what we know.
            if keys.get(&key.key_id).is_some_and(|known| is_newer(known, key)) {
                continue;
            }
            remote_keys::put(&mut batch, server_name.as_str(), key);
            keys.insert(key.key_id.clone(), key.clone());
        }
        let mut by_age: Vec<(i64, String)> = keys.values().map(|key| (key.fetched_ts, key.key_id.clone())).collect();
        by_age.sort();
        for (_, key_id) in by_age.iter().take(keys.len().saturating_sub(KEPT)) {
            remote_keys::remove(&mut batch, server_name.as_str(), key_id);
            keys.remove(key_id);
        }
        let text = serde_json::to_string(&list.object).map_err(crate::Error::internal)?;
        let (valid_until_ts, fetched_ts) = (list.valid_until_ts, self.clock.now_ms());
        remote_keys::put_list(
            &mut batch,
            server_name.as_str(),
            &RemoteKeyList { list: text, valid_until_ts, fetched_ts },
        );
        self.store.write(batch).await?;
        server.keys.store(Arc::new(keys));
        if is_new { self.count_one_more().await } else { Ok(()) }
    }
}

/// Whether what is known of a key is newer than what a list says of it.
fn is_newer(known: &RemoteKey, told: &RemoteKey) -> bool {
    let end = |key: &RemoteKey| key.expired_ts.is_some();
    (end(known) && !end(told)) || (end(known) == end(told) && known.valid_until_ts > told.valid_until_ts)
}

impl Asked {
    /// Notes how it went.
    fn note(&mut self, is_known: bool, now_ms: i64) {
        if is_known {
            *self = Self { failures: 0, not_before_ms: now_ms.saturating_add(PAUSE_MS) };
            return;
        }
        let pause = (FAILURE_MS << self.failures.min(8)).min(LONGEST_PAUSE_MS);
        *self = Self { failures: self.failures.saturating_add(1), not_before_ms: now_ms.saturating_add(pause) };
    }
}
