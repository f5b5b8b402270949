//! Letting somebody of another server in (`send_join`).

use std::{collections::HashSet, sync::Arc};

use domicile_core::ids::EventNum;
use domicile_room::event::{Pdu, sign};
use ruma::{EventId, OwnedEventId, RoomId, ServerName, api::federation::membership::create_join_event::v2::RoomState};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Resident;
use crate::{Error, Result, error::forbidden, events::Stored, rooms::Room};

impl Resident {
    /// Takes a join, and tells the state on which it stands with all that allows it.
    pub async fn send_join(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
        pdu: Box<RawValue>,
    ) -> Result<RoomState> {
        let room = self.room(room_id, origin).await?;
        let pdu = self.let_in(&room, event_id, pdu).await?;
        let pdu = self.take_member(&room, origin, event_id, "join", pdu).await?;
        let missing = || Error::internal("a join that was taken is not there");
        let stored = self.events.by_id(pdu.event_id()).await?.ok_or_else(missing)?;
        let (state, auth_chain) = self.state_before(&stored).await?;
        let mut answer = RoomState::new();
        answer.state = state;
        answer.auth_chain = auth_chain;
        answer.event = Some(json(&pdu)?);
        Ok(answer)
    }

    /// Where somebody of this server lets the user into a restricted room: checks that they may, and signs.
    async fn let_in(&self, room: &Arc<Room>, event_id: &EventId, pdu: Box<RawValue>) -> Result<Box<RawValue>> {
        #[derive(Deserialize)]
        struct Event {
            content: Content,
        }
        #[derive(Deserialize)]
        struct Content {
            join_authorised_via_users_server: Option<ruma::OwnedUserId>,
        }
        let rules = &room.info.rules;
        if !rules.authorization.restricted_join_rule {
            return Ok(pdu);
        }
        let via = serde_json::from_str::<Event>(pdu.get()).ok();
        let via = via.and_then(|event| event.content.join_authorised_via_users_server);
        let Some(via) = via.filter(|via| self.users.is_local(via)) else { return Ok(pdu) };
        let id: OwnedEventId = event_id.to_owned();
        let wrong = |error: &dyn std::fmt::Display| {
            Error::from(domicile_core::error::ErrorKind::BadJson.with(format!("The event cannot be read: {error}")))
        };
        let bytes = bytes::Bytes::copy_from_slice(pdu.get().as_bytes());
        let parsed = Pdu::parse(id, bytes, rules).map_err(|error| wrong(&error))?;
        // Who may not come in by their own is told so here; whether `via` may invite is a matter of the room's rules.
        self.members.who_lets_in(room, parsed.sender()).await?;
        let view = room.view();
        let via_num = self.users.num(&via).await?;
        let may_invite =
            via_num.is_some_and(|via| view.is_joined(via)) && view.facts.power_levels.user_can_invite(&via);
        if !may_invite {
            return Err(forbidden("Nobody here can let this user in."));
        }
        let signed = sign::sign_again(&parsed, rules, &self.own_keys.current()).map_err(|error| wrong(&error))?;
        json(&signed)
    }

    /// The state before an event, and all that allows it.
    async fn state_before(&self, event: &Arc<Stored>) -> Result<(Vec<Box<RawValue>>, Vec<Box<RawValue>>)> {
        let (trees, graph, events) = (Arc::clone(&self.trees), Arc::clone(&self.graph), Arc::clone(&self.events));
        let (root, own) = (event.state_by_graph(), event.event_num);
        let read = self.store.read(move |snapshot| async move {
            let state: Vec<EventNum> = trees.all(&snapshot, root).await?.into_iter().map(|(_, num)| num).collect();
            let from: Vec<EventNum> = state.iter().copied().chain([own]).collect();
            let chain: HashSet<EventNum> = graph.chain(&snapshot, from).await?;
            let mut chain: Vec<EventNum> = chain.into_iter().collect();
            chain.sort_unstable();
            Ok::<_, Error>((events.load(&snapshot, &state).await?, events.load(&snapshot, &chain).await?))
        });
        let (state, chain) = read.await?;
        let all = |events: Vec<Arc<Stored>>| events.iter().map(|event| json(&event.pdu)).collect::<Result<Vec<_>>>();
        Ok((all(state)?, all(chain)?))
    }
}

/// An event as it goes to another server.
pub(super) fn json(pdu: &Pdu) -> Result<Box<RawValue>> {
    pdu.to_raw().map_err(Error::internal)
}
