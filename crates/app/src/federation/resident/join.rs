//! Letting somebody of another server in (`send_join`).

use std::{collections::HashSet, sync::Arc};

use domicile_core::{
    ids::{EventNum, UserNum},
    locality::Destination,
};
use domicile_room::event::{Pdu, sign};
use ruma::{
    EventId, OwnedEventId, RoomId, ServerName, api::federation::membership::create_join_event::v2::RoomState,
    events::TimelineEventType,
};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Resident;
use crate::{
    Error, Result,
    error::forbidden,
    events::Stored,
    residency::{Announcement, NewRegions},
    rooms::{Membership, Room, RoomView},
};

/// Members whose names stand for a room's that has none (client-server, `m.heroes`).
const HEROES: usize = 5;

impl Resident {
    /// Takes a join, and tells the state on which it stands with all that allows it. With `omit_members`, the state has no more members than what
    /// the name of the room needs, and the other server fetches the rest when its user is in.
    pub async fn send_join(
        &self,
        origin: &ServerName,
        room_id: &RoomId,
        event_id: &EventId,
        pdu: Box<RawValue>,
        omit_members: bool,
    ) -> Result<RoomState> {
        let room = self.room(room_id, origin).await?;
        let before = room.view();
        let pdu = self.let_in(&room, event_id, pdu).await?;
        let announcement = self.before_copy(&room, origin).await?;
        let pdu = self.take_member(&room, origin, event_id, "join", pdu).await?;
        let missing = || Error::internal("a join that was taken is not there");
        let stored = self.events.by_id(pdu.event_id()).await?.ok_or_else(missing)?;
        if let Some((new_regions, announcement)) = announcement {
            new_regions.announce(announcement).await;
        }
        let mut answer = RoomState::new();
        let (state, auth_chain) = if omit_members {
            answer.members_omitted = true;
            answer.servers_in_room = Some(self.servers(&before).await?);
            self.state_without_members(origin, &stored, &before).await?
        } else {
            self.state_before(origin, &stored).await?
        };
        answer.state = state;
        answer.auth_chain = auth_chain;
        answer.event = Some(json(&pdu)?);
        Ok(answer)
    }

    /// What people in a room are to be told before a cell gets a copy of it, if it is one and the first of its region.
    async fn before_copy(&self, room: &Room, origin: &ServerName) -> Result<Option<(Arc<NewRegions>, Announcement)>> {
        let Some(cells) = self.users.localities().cells() else { return Ok(None) };
        let Destination::Cell(cell) = Destination::of_peer(origin) else { return Ok(None) };
        let announcement = cells.new_regions.before(vec![room.info.room_num], &cell).await?;
        Ok(announcement.map(|announcement| (Arc::clone(&cells.new_regions), announcement)))
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

    /// The servers with members in a room, this one too.
    async fn servers(&self, view: &RoomView) -> Result<Vec<String>> {
        let mut servers = vec![self.users.server_name().to_string()];
        for (destination_num, joined) in &view.destinations {
            if *joined > 0
                && let Destination::Server(name) = self.destinations.name(*destination_num).await?
            {
                servers.push(name.to_string());
            }
        }
        servers.sort_unstable();
        Ok(servers)
    }

    /// The state before an event, and all that allows it.
    async fn state_before(
        &self,
        origin: &ServerName,
        event: &Arc<Stored>,
    ) -> Result<(Vec<Box<RawValue>>, Vec<Box<RawValue>>)> {
        let (trees, root) = (Arc::clone(&self.trees), event.state_by_graph());
        let read = self.store.read(move |snapshot| async move {
            let all = trees.all(&snapshot, root).await?;
            Ok::<_, Error>(all.into_iter().map(|(_, event_num)| event_num).collect::<Vec<EventNum>>())
        });
        let state = read.await?;
        self.with_chain(origin, event.event_num, state, false).await
    }

    /// The same without members, but for whoever joins and, where the room has no name, those whose names stand for it.
    async fn state_without_members(
        &self,
        origin: &ServerName,
        event: &Arc<Stored>,
        view: &RoomView,
    ) -> Result<(Vec<Box<RawValue>>, Vec<Box<RawValue>>)> {
        let members: HashSet<EventNum> = view.members.values().map(|member| member.event_num).collect();
        let (trees, events, root) = (Arc::clone(&self.trees), Arc::clone(&self.events), event.state_by_graph());
        let joining = event.pdu.sender().to_owned();
        let read = self.store.read(move |snapshot| async move {
            let all = trees.all(&snapshot, root).await?;
            // The room knows its members as they are now; who joined on another branch is told by the event.
            let others: Vec<EventNum> =
                all.iter().map(|(_, event_num)| *event_num).filter(|num| !members.contains(num)).collect();
            let others = events.load(&snapshot, &others).await?;
            let is_named = others.iter().any(|event| {
                matches!(event.pdu.kind(), TimelineEventType::RoomName | TimelineEventType::RoomCanonicalAlias)
            });
            let kept = others.iter().filter(|event| event.pdu.membership().is_none()).map(|event| event.event_num);
            let in_state: HashSet<EventNum> = all.iter().map(|(_, event_num)| *event_num).collect();
            Ok::<_, Error>((kept.collect::<Vec<EventNum>>(), in_state, is_named))
        });
        let (mut state, in_state, is_named) = read.await?;
        let joining = self.users.num(&joining).await?;
        let own = joining.and_then(|user_num| view.members.get(&user_num)).map(|member| member.event_num);
        let heroes = if is_named { Vec::new() } else { heroes(view, joining) };
        state.extend(own.into_iter().chain(heroes).filter(|event_num| in_state.contains(event_num)));
        self.with_chain(origin, event.event_num, state, true).await
    }

    /// State events, and all that allows them and the event `own`. Where `apart`, no event is told twice.
    async fn with_chain(
        &self,
        origin: &ServerName,
        own: EventNum,
        mut state: Vec<EventNum>,
        apart: bool,
    ) -> Result<(Vec<Box<RawValue>>, Vec<Box<RawValue>>)> {
        state.sort_unstable();
        state.dedup();
        let (graph, events) = (Arc::clone(&self.graph), Arc::clone(&self.events));
        let read = self.store.read(move |snapshot| async move {
            let from: Vec<EventNum> = state.iter().copied().chain([own]).collect();
            let chain: HashSet<EventNum> = graph.chain(&snapshot, from).await?;
            let told = |num: &EventNum| !apart || state.binary_search(num).is_err();
            let mut chain: Vec<EventNum> = chain.into_iter().filter(told).collect();
            chain.sort_unstable();
            Ok::<_, Error>((events.load(&snapshot, &state).await?, events.load(&snapshot, &chain).await?))
        });
        let (state, chain) = read.await?;
        let localities = self.users.localities();
        let served = |event: &Arc<Stored>| localities.served(origin, &event.pdu, &event.room.rules);
        let all = |events: Vec<Arc<Stored>>| events.iter().map(served).collect::<Result<Vec<_>>>();
        Ok((all(state)?, all(chain)?))
    }
}

/// The member events of those whose names stand for a room's: a few who are there, else a few who were.
fn heroes(view: &RoomView, but: Option<UserNum>) -> Vec<EventNum> {
    let others = || view.members.iter().filter(|(user_num, _)| Some(**user_num) != but);
    let present = |membership: Membership| matches!(membership, Membership::Join | Membership::Invite);
    let mut heroes: Vec<(UserNum, EventNum)> = others()
        .filter(|(_, member)| present(member.membership))
        .map(|(user_num, member)| (*user_num, member.event_num))
        .collect();
    if heroes.is_empty() {
        heroes = others().map(|(user_num, member)| (*user_num, member.event_num)).collect();
    }
    heroes.sort_unstable();
    heroes.into_iter().take(HEROES).map(|(_, event_num)| event_num).collect()
}

/// An event as it goes to another server.
pub(super) fn json(pdu: &Pdu) -> Result<Box<RawValue>> {
    pdu.to_raw().map_err(Error::internal)
}
