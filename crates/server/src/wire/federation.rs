//! What talks to other servers.

use std::sync::Arc;

use anyhow::Context;
use domicile_app::federation::{Check, Inbound, Notary, OutboundBell, OwnKeys, Peers, Policy, ServerKeys};
use domicile_egress::{FederationClient, Trust};
use domicile_store::Store;
use ruma::{OwnedServerName, ServerName};

use super::{Surroundings, deployment::OwnLink};

/// The operator's choices about other servers.
#[derive(Clone, Debug)]
pub struct FederationSettings {
    /// Whom we talk to.
    pub policy: Policy,
    /// Who is believed about others' keys.
    pub notaries: Vec<OwnedServerName>,
    /// How long our list of keys is good, in milliseconds.
    pub key_validity_ms: i64,
    /// Requests of one server that are in work at once.
    pub at_once: usize,
}

pub(super) struct Federation {
    pub(super) own_keys: Arc<OwnKeys>,
    pub(super) peers: Arc<Peers>,
    pub(super) server_keys: Arc<ServerKeys>,
    pub(super) notary: Arc<Notary>,
    pub(super) inbound: Arc<Inbound>,
    pub(super) check: Arc<Check>,
}

pub(super) async fn wire(
    settings: FederationSettings,
    trust: &Trust,
    store: &Store,
    server_name: &ServerName,
    surroundings: &Surroundings,
    bell: &Arc<OutboundBell>,
    cells: Option<&OwnLink>,
) -> anyhow::Result<Federation> {
    let (clock, rng) = (|| Arc::clone(&surroundings.clock), || Arc::clone(&surroundings.rng));
    let signer = cells.map(|cells| cells.own.signer()).transpose().context("the cell's key")?;
    let link = || cells.map(|cells| Arc::clone(&cells.link));
    let own_keys =
        OwnKeys::open(store.clone(), clock(), rng(), server_name.to_owned(), settings.key_validity_ms, signer);
    let own_keys = Arc::new(own_keys.await.context("the server's signing keys")?);
    let policy = Arc::new(settings.policy);
    let client = FederationClient::new(trust, Arc::clone(&surroundings.dns), clock(), rng());
    let check = Check::new(client.clone(), Arc::clone(&own_keys), Arc::clone(&policy), clock());
    let peers = Arc::new(Peers::new(client, Arc::clone(&own_keys), Arc::clone(&policy), link()));
    let keys = ServerKeys::new(store.clone(), clock(), Arc::clone(&own_keys), Arc::clone(&peers), settings.notaries);
    let inbound = Inbound::new(Arc::clone(&own_keys), policy, keys.clone(), settings.at_once, Arc::clone(bell), link());
    Ok(Federation {
        own_keys,
        peers,
        notary: Notary::new(keys.clone()),
        server_keys: Arc::new(keys),
        inbound: Arc::new(inbound),
        check: Arc::new(check),
    })
}
