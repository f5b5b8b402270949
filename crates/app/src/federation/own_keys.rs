//! The keys with which this server signs its events and requests, and the list of them that others read.

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use domicile_core::{
    clock::{Clock, HOUR_MS},
    error::ErrorKind,
    locality::CellName,
    rng::{self, Rng},
};
use domicile_residency::deployment::OuterKey;
use domicile_room::event::ServerSigner;
use domicile_store::{Batch, Store, table::server_keys};
use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, OwnedServerName, ServerName,
    api::federation::discovery::ServerSigningKeys, serde::Raw, signatures,
};
use serde_json::json;

use crate::{Error, Result, residency::OwnCell};

/// Retired keys that are told: the latest.
const RETIRED: usize = 50;

/// The server's own keys.
pub struct OwnKeys {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    server_name: OwnedServerName,
    validity_ms: i64,
    state: ArcSwap<State>,
    /// In a cell of a deployment, what signs in place of these keys, and the others' keys for other servers.
    cell: Option<OuterSide>,
    /// One rotation at a time.
    rotating: tokio::sync::Mutex<()>,
}

struct State {
    signer: Arc<ServerSigner>,
    /// `old_verify_keys` of the list.
    retired: serde_json::Map<String, serde_json::Value>,
}

/// What a cell of a deployment has beside its own key for other servers.
pub struct OuterSide {
    /// What signs events in place of these keys: they are for other servers.
    pub signer: Arc<ServerSigner>,
    /// The cell, whose document has the keys of all gateways.
    pub own: Arc<OwnCell>,
}

/// How long a deployment's list of keys is good at most, in milliseconds: a gateway that was stolen is to be forgotten on the same day.
const DEPLOYMENT_MS: i64 = 6 * HOUR_MS;

/// A change of keys that was made, or that waits for the deployment document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// The id of the key that was in use.
    pub old: String,
    /// The id of the key that is, or will be.
    pub new: String,
    /// Its public half, in Base64.
    pub key: String,
    /// Whether it waits: in a deployment a key signs from when the document names it.
    pub waits: bool,
}

impl OwnKeys {
    /// Reads the keys; the first is made if there is none. `cell` signs events instead of them.
    pub async fn open(
        store: Store,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        server_name: OwnedServerName,
        validity_ms: i64,
        cell: Option<OuterSide>,
    ) -> Result<Self> {
        let state = if let Some(state) = read(&store, &server_name).await? {
            state
        } else {
            let mut batch = Batch::new();
            add(&mut batch, &server_name, &*rng, false, clock.now_ms())?;
            store.write(batch).await?;
            read(&store, &server_name).await?.ok_or_else(|| Error::internal("the new signing key is not there"))?
        };
        let state = match &cell {
            Some(cell) => take_up(&store, &server_name, state, &cell.own.document().outer_keys, clock.now_ms()).await?,
            None => state,
        };
        // A list that is good for less than an hour would be asked for again and again (specification, GET /_matrix/key/v2/server).
        let longest_ms = if cell.is_some() { DEPLOYMENT_MS } else { i64::MAX };
        let validity_ms = validity_ms.max(HOUR_MS).min(longest_ms);
        let state = ArcSwap::from_pointee(state);
        Ok(Self { store, clock, rng, server_name, validity_ms, state, cell, rotating: tokio::sync::Mutex::default() })
    }

    /// The server's name.
    pub fn server_name(&self) -> &ServerName {
        &self.server_name
    }

    /// The cell whose keys these are; none if this server is no cell of a deployment.
    pub fn cell(&self) -> Option<&CellName> {
        self.cell.as_ref().map(|cell| cell.own.name())
    }

    /// The key with which events are signed.
    pub fn current(&self) -> Arc<ServerSigner> {
        self.cell.as_ref().map_or_else(|| self.outer(), |cell| Arc::clone(&cell.signer))
    }

    /// The key that other servers know.
    pub fn outer(&self) -> Arc<ServerSigner> {
        Arc::clone(&self.state.load().signer)
    }

    /// Whether this server speaks for itself to others: it has one cell, or the deployment document names its key.
    pub fn is_known(&self) -> bool {
        let Some(cell) = &self.cell else { return true };
        names(&cell.own.document().outer_keys, &self.outer(), self.clock.now_ms())
    }

    /// The list of keys, signed.
    pub fn list(&self) -> Result<Raw<ServerSigningKeys>> {
        let state = self.state.load();
        let mut keys = serde_json::Map::new();
        let mut retired = state.retired.clone();
        // Those of other gateways are the deployment's as well: it has one list, whoever is asked for it.
        for (id, outer) in self.cell.iter().flat_map(|cell| &cell.own.document().outer_keys) {
            let key = BASE64_STANDARD_NO_PAD.encode(outer.key.as_bytes());
            match outer.expired_ts {
                None => keys.insert(id.clone(), json!({ "key": key })),
                Some(expired_ts) => retired.insert(id.clone(), json!({ "key": key, "expired_ts": expired_ts })),
            };
        }
        keys.insert(state.signer.key_id().to_owned(), json!({ "key": state.signer.public_key() }));
        let list = json!({
            "server_name": self.server_name,
            "verify_keys": keys,
            "old_verify_keys": retired,
            "valid_until_ts": self.clock.now_ms().saturating_add(self.validity_ms),
        });
        let mut list = object(list)?;
        self.sign(&mut list)?;
        let text = serde_json::value::to_raw_value(&list).map_err(Error::internal)?;
        Ok(Raw::from_json(text))
    }

    /// Adds our signature to an object.
    pub fn sign(&self, object: &mut CanonicalJsonObject) -> Result<()> {
        let signer = self.outer();
        signatures::sign_json(self.server_name.as_str(), signer.key_pair(), object).map_err(Error::internal)
    }

    /// Makes a new key and signs with it from now on. The old one is told as a key that was. In a deployment, whose keys stand in its document, the
    /// new one waits until the document names it; until then the same one is told whenever somebody asks.
    pub async fn rotate(&self) -> Result<Rotation> {
        let _one = self.rotating.lock().await;
        let old = self.outer();
        if self.cell.is_some() {
            return self.prepare(&old).await;
        }
        let now_ms = self.clock.now_ms();
        let mut batch = Batch::new();
        server_keys::retire(&mut batch, version(old.key_id()), now_ms);
        add(&mut batch, &self.server_name, &*self.rng, false, now_ms)?;
        self.store.write(batch).await?;
        let state = read(&self.store, &self.server_name).await?;
        let state = state.ok_or_else(|| Error::internal("the new signing key is not there"))?;
        let rotation = rotation(&old, &state.signer, false);
        self.state.store(Arc::new(state));
        Ok(rotation)
    }

    /// Signs with the key that waits, if the deployment document names it by now. True if it does since this call.
    pub async fn turn(&self) -> Result<bool> {
        let Some(cell) = &self.cell else { return Ok(false) };
        let _one = self.rotating.lock().await;
        let before = read(&self.store, &self.server_name).await?;
        let before = before.ok_or_else(|| Error::internal("the signing key is not there"))?;
        let old = before.signer.key_id().to_owned();
        let keys = &cell.own.document().outer_keys;
        let state = take_up(&self.store, &self.server_name, before, keys, self.clock.now_ms()).await?;
        let has_changed = state.signer.key_id() != old;
        self.state.store(Arc::new(state));
        Ok(has_changed)
    }

    /// The key that waits for the document; one is made if there is none.
    async fn prepare(&self, old: &ServerSigner) -> Result<Rotation> {
        if !self.is_known() {
            let text = format!(
                "The deployment document does not name {}, this cell's key for other servers, so nobody knows it, and there is nothing to change.",
                old.key_id()
            );
            return Err(ErrorKind::BadRequest.with(text).into());
        }
        if let Some(signer) = waiting(&self.store, &self.server_name).await? {
            return Ok(rotation(old, &signer, true));
        }
        let mut batch = Batch::new();
        let signer = add(&mut batch, &self.server_name, &*self.rng, true, self.clock.now_ms())?;
        self.store.write(batch).await?;
        Ok(rotation(old, &signer, true))
    }
}

fn rotation(old: &ServerSigner, new: &ServerSigner, waits: bool) -> Rotation {
    Rotation { old: old.key_id().to_owned(), new: new.key_id().to_owned(), key: new.public_key(), waits }
}

/// Whether a deployment document names a key as one that signs: one that is to end does until then.
fn names(keys: &BTreeMap<String, OuterKey>, signer: &ServerSigner, now_ms: i64) -> bool {
    keys.get(signer.key_id()).is_some_and(|outer| {
        outer.expired_ts.is_none_or(|end_ms| end_ms > now_ms)
            && BASE64_STANDARD_NO_PAD.encode(outer.key.as_bytes()) == signer.public_key()
    })
}

/// Signs with the key that waits, if the document names it by now. The one before signs nothing any more.
async fn take_up(
    store: &Store,
    server_name: &ServerName,
    before: State,
    keys: &BTreeMap<String, OuterKey>,
    now_ms: i64,
) -> Result<State> {
    let Some(next) = waiting(store, server_name).await?.filter(|next| names(keys, next, now_ms)) else {
        return Ok(before);
    };
    let mut batch = Batch::new();
    server_keys::retire(&mut batch, version(before.signer.key_id()), now_ms);
    server_keys::begin(&mut batch, version(next.key_id()));
    store.write(batch).await?;
    tracing::info!(old = before.signer.key_id(), new = next.key_id(), "the key for other servers has changed");
    read(store, server_name).await?.ok_or_else(|| Error::internal("the new signing key is not there"))
}

fn version(key_id: &str) -> &str {
    key_id.strip_prefix("ed25519:").unwrap_or(key_id)
}

fn add(batch: &mut Batch, server_name: &ServerName, rng: &dyn Rng, waits: bool, now_ms: i64) -> Result<ServerSigner> {
    let seed: [u8; 32] = rng::bytes(rng);
    let key_id = format!("a{}", rng::name(rng, 5));
    let signer = ServerSigner::from_seed(server_name.to_owned(), &seed, &key_id).map_err(Error::internal)?;
    server_keys::insert(batch, (&key_id, seed, signer.key_pair().public_key()), waits, now_ms);
    Ok(signer)
}

async fn waiting(store: &Store, server_name: &ServerName) -> Result<Option<ServerSigner>> {
    let found = store.read(|snapshot| async move { Ok::<_, Error>(server_keys::waiting(&snapshot).await?) }).await?;
    found.map(|(key_id, seed)| signer(server_name, &key_id, &seed)).transpose()
}

fn signer(server_name: &ServerName, key_id: &str, seed: &[u8]) -> Result<ServerSigner> {
    let seed: [u8; 32] = seed.try_into().map_err(|_| Error::internal("the stored signing key is damaged"))?;
    ServerSigner::from_seed(server_name.to_owned(), &seed, key_id).map_err(Error::internal)
}

async fn read(store: &Store, server_name: &ServerName) -> Result<Option<State>> {
    let found = store.read(|snapshot| async move {
        Ok::<_, Error>((server_keys::current(&snapshot).await?, server_keys::retired(&snapshot).await?))
    });
    let (current, retired) = found.await?;
    let Some((key_id, seed)) = current else { return Ok(None) };
    let signer = signer(server_name, &key_id, &seed)?;
    let retired = retired.into_iter().take(RETIRED).map(|key| {
        let told = json!({ "key": BASE64_STANDARD_NO_PAD.encode(&key.public_key), "expired_ts": key.retired_ts });
        (format!("ed25519:{}", key.key_id), told)
    });
    Ok(Some(State { signer: Arc::new(signer), retired: retired.collect() }))
}

fn object(value: serde_json::Value) -> Result<CanonicalJsonObject> {
    match CanonicalJsonValue::try_from(value).map_err(Error::internal)? {
        CanonicalJsonValue::Object(object) => Ok(object),
        _ => Err(Error::internal("a list of keys is an object")),
    }
}
