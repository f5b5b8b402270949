//! What stands between the cells of a deployment and other people's servers.

use std::sync::Arc;

use domicile_app::{
    federation::{OwnKeys, Policy},
    gateway::{
        GatewayParts, Inward, InwardParts, OuterSignatures, Outward, OutwardParts, RoomIndex, SignaturesParts,
        Speakers, Spool,
    },
    residency::Localities,
};
use domicile_egress::FederationClient;
use domicile_store::Store;

use super::{Surroundings, deployment::OwnLink};

pub(super) fn wire(
    store: &Store,
    surroundings: &Surroundings,
    (cells, localities): (&OwnLink, &Arc<Localities>),
    (client, own_keys, policy): (FederationClient, &Arc<OwnKeys>, &Arc<Policy>),
) -> GatewayParts {
    let (clock, rng) = (|| Arc::clone(&surroundings.clock), || Arc::clone(&surroundings.rng));
    let (own, link) = (|| Arc::clone(&cells.own), || Arc::clone(&cells.link));
    let rooms = Arc::new(RoomIndex::new(store.clone(), clock(), own(), link(), Arc::clone(localities)));
    let speakers = Arc::new(Speakers::new(clock(), own(), Arc::clone(localities)));
    let signatures = Arc::new(OuterSignatures::new(SignaturesParts {
        store: store.clone(),
        own: own(),
        link: link(),
        localities: Arc::clone(localities),
        rooms: Arc::clone(&rooms),
        speakers: Arc::clone(&speakers),
        own_keys: Arc::clone(own_keys),
    }));
    let spool = Arc::new(Spool::new(store.clone(), clock(), rng(), own(), link(), Arc::clone(&rooms)));
    let outward = Arc::new(Outward::new(OutwardParts {
        own: own(),
        link: link(),
        client,
        own_keys: Arc::clone(own_keys),
        policy: Arc::clone(policy),
        localities: Arc::clone(localities),
        rooms: Arc::clone(&rooms),
        speakers,
        signatures: Arc::clone(&signatures),
    }));
    let inward = Arc::new(Inward::new(InwardParts {
        clock: clock(),
        own: own(),
        link: link(),
        localities: Arc::clone(localities),
        rooms: Arc::clone(&rooms),
        signatures,
        spool: Arc::clone(&spool),
    }));
    GatewayParts { outward, inward, rooms, spool }
}
