//! What talks to other servers.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use domicile_app::{
    federation::{Check, Gate, Inbound, Notary, OutboundBell, OuterSide, OwnKeys, Peers, Policy, ServerKeys, Ways},
    gateway::Gateway,
    residency::Localities,
};
use domicile_core::locality::CellName;
use domicile_egress::{FederationClient, Proxy, Trust};
use domicile_store::Store;
use ruma::{OwnedServerName, ServerName};

use super::{Surroundings, deployment::OwnLink, gateway};

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
    /// By what they are reached, if not directly.
    pub proxy: Option<Proxy>,
    /// Where large answers lie while they are read, in files without names.
    pub folder: PathBuf,
}

pub(super) struct Federation {
    pub(super) own_keys: Arc<OwnKeys>,
    pub(super) peers: Arc<Peers>,
    pub(super) server_keys: Arc<ServerKeys>,
    pub(super) notary: Arc<Notary>,
    pub(super) inbound: Arc<Inbound>,
    pub(super) check: Arc<Check>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) gate: Option<Gate>,
}

pub(super) async fn wire(
    settings: FederationSettings,
    trust: &Trust,
    store: &Store,
    server_name: &ServerName,
    surroundings: &Surroundings,
    bell: &Arc<OutboundBell>,
    (cells, localities): (Option<&OwnLink>, &Arc<Localities>),
) -> anyhow::Result<Federation> {
    let (clock, rng) = (|| Arc::clone(&surroundings.clock), || Arc::clone(&surroundings.rng));
    let outer = cells.map(|cells| {
        let own = Arc::clone(&cells.own);
        own.signer().map(|signer| OuterSide { signer, own })
    });
    let outer = outer.transpose().context("the cell's key")?;
    let link = || cells.map(|cells| Arc::clone(&cells.link));
    let own_keys =
        OwnKeys::open(store.clone(), clock(), rng(), server_name.to_owned(), settings.key_validity_ms, outer);
    let own_keys = Arc::new(own_keys.await.context("the server's signing keys")?);
    let gate = cells.map(|cells| Gate { own: Arc::clone(&cells.own), own_keys: Arc::clone(&own_keys) });
    tell_unknown(gate.as_ref());
    let policy = Arc::new(match &gate {
        Some(gate) => settings.policy.of_cell(gate.clone()),
        None => settings.policy,
    });
    let client = FederationClient::new(trust, Arc::clone(&surroundings.dns), clock(), rng(), &settings.folder);
    let check = Check::new(client.clone(), Arc::clone(&own_keys), Arc::clone(&policy), clock());
    let gateway = cells
        .map(|cells| gateway::wire(store, surroundings, (cells, localities), (client.clone(), &own_keys, &policy)));
    let ways = cells
        .zip(gateway.as_ref())
        .map(|(cells, gateway)| Ways { link: Arc::clone(&cells.link), outward: Arc::clone(&gateway.outward) });
    let peers = Arc::new(Peers::new(client, Arc::clone(&own_keys), Arc::clone(&policy), ways));
    let keys = ServerKeys::new(store.clone(), clock(), Arc::clone(&own_keys), Arc::clone(&peers), settings.notaries);
    let inbound = Inbound::new(Arc::clone(&own_keys), policy, keys.clone(), settings.at_once, Arc::clone(bell), link());
    Ok(Federation {
        own_keys,
        peers,
        notary: Notary::new(keys.clone()),
        server_keys: Arc::new(keys),
        inbound: Arc::new(inbound),
        check: Arc::new(check),
        gateway: Arc::new(gateway.map_or_else(Gateway::default, Gateway::new)),
        gate,
    })
}

/// Tells the operator of a gateway that its key for other servers is not in the document, and what to do.
pub fn tell_unknown(gate: Option<&Gate>) {
    let Some(Gate { own_keys, .. }) = gate.filter(|gate| gate.is_unknown()) else { return };
    let (id, key) = (own_keys.outer().key_id().to_owned(), own_keys.outer().public_key());
    let cell = own_keys.cell().map(CellName::as_str).unwrap_or_default();
    tracing::error!(
        "this cell is a gateway, and the deployment document does not name its key for other servers, so it stays closed: \
         add [[outer_key]] with id = \"{id}\" and key = \"ed25519:{key}\" and cell = \"{cell}\", sign the document and give it to a cell"
    );
}
