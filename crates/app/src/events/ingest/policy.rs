//! The check by the room's policy server (server-server, *Policy servers*): an event that it has not signed is kept, but not shown.

use std::{sync::Arc, time::Duration};

use domicile_core::{error::ErrorKind, locality::Locality};
use domicile_room::event::{
    Pdu,
    policy_server::{KEY_ID, PolicyServer},
};
use futures::future::BoxFuture;
use ruma::api::federation::policy::sign_event;

use super::{Ingest, Round};
use crate::{
    Result,
    events::send::PolicySigner,
    federation::Bounds,
    rooms::{Room, RoomInfo, RoomView},
};

/// What a policy server's answer may cost: a room waits for it.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(10), bytes: 64 * 1024 };

impl Ingest {
    /// The room's policy server: it counts while somebody of it is in the room.
    async fn policy_server(&self, view: &RoomView) -> Result<Option<PolicyServer>> {
        let Some(policy) = view.facts.policy.as_deref().and_then(PolicyServer::of) else { return Ok(None) };
        let locality = self.users.localities().of_server(policy.via());
        let there = match locality {
            Locality::Here | Locality::Unknown => view.has_local_members(),
            Locality::Elsewhere(destination) => {
                let destination_num = self.destinations.num(&destination).await?;
                view.destinations.contains_key(&destination_num)
            }
        };
        Ok(there.then_some(policy))
    }

    /// Whether the room's policy server, if it has one, has let the event through; if not, why.
    pub(super) async fn allowed_by_policy_server(
        &self,
        round: &Round<'_>,
        pdu: &Pdu,
    ) -> Result<std::result::Result<(), String>> {
        let Some(policy) = self.policy_server(&round.staging.view).await? else { return Ok(Ok(())) };
        if policy.recommends(pdu, &round.room.info.rules) {
            return Ok(Ok(()));
        }
        Ok(Err(format!("the room's policy server {} has not signed it", policy.via())))
    }

    /// The events with the signatures of the room's policy server, which is asked for those that it has not signed. Nobody waits in the room for it.
    pub async fn with_policy_signatures(&self, room: &Room, pdus: Vec<Arc<Pdu>>) -> Result<Vec<Arc<Pdu>>> {
        let Some(policy) = self.policy_server(&room.view()).await? else { return Ok(pdus) };
        let rules = &room.info.rules;
        let mut signed = Vec::with_capacity(pdus.len());
        for pdu in pdus {
            if policy.recommends(&pdu, rules) || *policy.via() == *self.users.server_name() {
                signed.push(pdu);
                continue;
            }
            let with = self.ask_policy_server(&policy, &pdu).await;
            let with = with.and_then(|signature| policy.add(&pdu, rules, &signature).ok().flatten());
            signed.push(with.map_or(pdu, Arc::new));
        }
        Ok(signed)
    }

    async fn ask_policy_server(&self, policy: &PolicyServer, pdu: &Pdu) -> Option<String> {
        let json = pdu.to_raw().ok()?;
        let asked = self.peers.ask(policy.via(), sign_event::v1::Request::new(json), BOUNDS).await;
        match asked {
            Ok(answer) => {
                let of_server = answer.signatures.get(policy.via())?;
                of_server.iter().find(|(key_id, _)| key_id.as_str() == KEY_ID).map(|(_, signature)| signature.clone())
            }
            Err(error) => {
                tracing::info!(server = %policy.via(), %error, "a room's policy server did not sign an event");
                None
            }
        }
    }
}

impl PolicySigner for Ingest {
    fn sign<'a>(&'a self, info: &'a RoomInfo, view: &'a RoomView, pdu: Arc<Pdu>) -> BoxFuture<'a, Result<Arc<Pdu>>> {
        Box::pin(async move {
            let Some(policy) = self.policy_server(view).await? else { return Ok(pdu) };
            if *policy.via() == *self.users.server_name() || policy.recommends(&pdu, &info.rules) {
                return Ok(pdu);
            }
            let signature = self.ask_policy_server(&policy, &pdu).await;
            let signed = signature.and_then(|signature| policy.add(&pdu, &info.rules, &signature).ok().flatten());
            let refused = || {
                ErrorKind::Forbidden
                    .with(format!("The room's policy server {} does not let this through.", policy.via()))
            };
            Ok(Arc::new(signed.ok_or_else(refused)?))
        })
    }
}
