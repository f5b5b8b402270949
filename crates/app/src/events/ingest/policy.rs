//! The check by the room's policy server (server-server, *Policy servers*): an event that it has not signed is kept, but not shown.

use std::sync::Arc;

use domicile_room::event::{
    Pdu,
    policy_server::{KEY_ID, PolicyServer},
};
use ruma::{api::federation::policy::sign_event, events::StateEventType};
use serde_json::value::RawValue;

use super::{Ingest, Round};
use crate::{
    Result,
    federation::peers::ORDINARY,
    rooms::{Room, RoomView},
};

impl Ingest {
    /// The room's policy server: it counts while somebody of it is in the room.
    async fn policy_server(&self, view: &RoomView) -> Result<Option<PolicyServer>> {
        let kind = StateEventType::from("m.room.policy").to_string();
        let Some(key_num) = self.keys.find(&kind, "").await? else { return Ok(None) };
        let Some(event_num) = view.state.get(&key_num).copied() else { return Ok(None) };
        let Some(policy) = PolicyServer::of(&self.events.get(event_num).await?.pdu) else { return Ok(None) };
        let locality = self.users.localities().of_server(policy.via());
        let there = match locality {
            domicile_core::locality::Locality::Here => view.has_local_members(),
            domicile_core::locality::Locality::Elsewhere(destination) => {
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
        let json = RawValue::from_string(String::from_utf8_lossy(pdu.json()).into_owned()).ok()?;
        let asked = self.peers.ask(policy.via(), sign_event::v1::Request::new(json), ORDINARY).await;
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
