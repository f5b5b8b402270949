//! Joining a room through a server that is in it (server-server, *Joining Rooms*).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use domicile_core::{error::ErrorKind, ids::EventNum, locality::is_cell};
use domicile_room::{
    auth::{self, StateMap},
    event::Pdu,
};
use domicile_store::table::events::Status;
use ruma::{
    OwnedEventId, OwnedServerName, RoomId, RoomVersionId, ServerName,
    api::federation::membership::{create_join_event, prepare_join_event},
    events::{StateEventType, TimelineEventType, room::member::MembershipState},
};
use serde_json::{Map, Value};

use super::{Failures, RemoteRooms, TIME, copy::Joining, rules_of, supported};
use crate::{
    Result,
    accounts::Session,
    federation::{
        PeerError,
        peers::{LARGE, ORDINARY},
    },
    rooms::{Room, RoomInfo},
};

/// How long a join waits for members that the first answer left out.
const GRACE: Duration = Duration::from_secs(1);
/// Servers that may be said to be in a room.
const MOST_SERVERS: usize = 10_000;

/// A join that a server has let in, with what it tells of the room.
struct LetIn {
    version: RoomVersionId,
    event: Pdu,
    answer: create_join_event::v2::RoomState,
}

impl RemoteRooms {
    /// Joins a room through one of the servers that may be in it. `content` is what the member event says.
    pub async fn join(
        &self,
        by: &Session,
        room_id: &RoomId,
        via: &[OwnedServerName],
        content: Map<String, Value>,
    ) -> Result<Arc<Room>> {
        let mut failures = Failures::none();
        let joining = async {
            for server in self.sources(room_id, via).await {
                match self.join_through(by, room_id, &server, &content).await {
                    Ok(let_in) => match self.enter(by, room_id, &server, let_in).await {
                        Ok(Ok(room)) => return Ok(Some(room)),
                        Ok(Err(reason)) => failures.nonsense(&server, reason),
                        Err(error) => return Err(error),
                    },
                    // Where a cell that is in the room says no by the deployment's rules, nobody outside may be asked instead.
                    Err(error @ PeerError::Matrix { status: 403, .. }) if is_cell(&server) => {
                        return Err(error.told(&server).into());
                    }
                    Err(error) => failures.add(&server, error),
                }
            }
            Ok(None)
        };
        match tokio::time::timeout(TIME, joining).await {
            Ok(Ok(Some(room))) => Ok(room),
            Ok(Err(error)) => Err(error),
            Ok(Ok(None)) => Err(failures.told(room_id)),
            Err(_) => Err(ErrorKind::BadGateway.with("The servers of the room took too long: try again.").into()),
        }
    }

    /// One server: its draft, our signature, its answer.
    async fn join_through(
        &self,
        by: &Session,
        room_id: &RoomId,
        server: &ServerName,
        content: &Map<String, Value>,
    ) -> std::result::Result<LetIn, PeerError> {
        let mut request = prepare_join_event::v1::Request::new(room_id.to_owned(), by.user_id.clone());
        request.ver = supported();
        let draft = self.peers.ask(server, request, ORDINARY).await?;
        let version = draft.room_version.unwrap_or(RoomVersionId::V1);
        let rules = rules_of(&version).map_err(|error| PeerError::Nonsense(error.to_string()))?;
        let event = self
            .take_up(&draft.event, &rules, room_id, &by.user_id, MembershipState::Join, content.clone())
            .map_err(PeerError::Nonsense)?;
        let json = event.to_raw().map_err(|error| PeerError::Request(error.to_string()))?;
        let mut request = create_join_event::v2::Request::new(room_id.to_owned(), event.event_id().to_owned(), json);
        // What may be said depends on the regions of the members where there are several cells: they must be known first.
        let omit_members = self.users.localities().cells().is_none();
        request.omit_members = omit_members;
        let answer = self.peers.ask(server, request, LARGE).await?;
        if answer.room_state.members_omitted && !omit_members {
            return Err(PeerError::Nonsense("it leaves out the members, which nobody asked it to".to_owned()));
        }
        Ok(LetIn { version, event, answer: answer.room_state })
    }

    /// Checks what a server tells of a room, and takes a copy. The inner error: what the server told is of no use.
    async fn enter(
        &self,
        by: &Session,
        room_id: &RoomId,
        server: &ServerName,
        let_in: LetIn,
    ) -> Result<std::result::Result<Arc<Room>, String>> {
        let LetIn { version, event, answer } = let_in;
        let info = self.known(room_id, &version).await?;
        let event = match answer.event {
            // With the signature of who let the user in, if the room is restricted.
            Some(signed) => match self.ingest.verify_one(&info.rules, room_id, signed).await? {
                Ok(received) if received.pdu.event_id() == event.event_id() => received.pdu,
                Ok(_) => return Ok(Err("it answered with another event than ours".to_owned())),
                Err(reason) => return Ok(Err(format!("the event that it signed is wrong: {reason}"))),
            },
            None => event,
        };
        let event = Arc::new(event);
        let partial = answer.members_omitted.then(|| servers_of(server, answer.servers_in_room.unwrap_or_default()));
        let state = self.ingest.verify(&info.rules, room_id, answer.state).await?;
        let chain = self.ingest.verify(&info.rules, room_id, answer.auth_chain).await?;
        let told = state.len();
        let state: Vec<Arc<Pdu>> =
            state.into_iter().filter_map(|event| event.ok().map(|received| Arc::new(received.pdu))).collect();
        if state.len() < told {
            tracing::info!(%server, %room_id, wrong = told - state.len(), "a room's state has events that are wrong");
        }
        let ids: Vec<OwnedEventId> = state.iter().map(|pdu| pdu.event_id().to_owned()).collect();
        let chain = chain.into_iter().filter_map(|event| event.ok().map(|received| Arc::new(received.pdu)));
        let kept = self.ingest.keep_outliers(&info, chain.chain(state).collect()).await?;
        let mut by_pair: HashMap<(StateEventType, String), Arc<Pdu>> = HashMap::with_capacity(ids.len());
        let mut state = Vec::with_capacity(ids.len());
        let mut seen = HashSet::new();
        for (event_num, pdu, status) in ids.iter().filter_map(|id| kept.get(id)) {
            let Some(state_key) = pdu.state_key() else { continue };
            if status.has(Status::REJECTED) || !seen.insert(pdu.event_id().to_owned()) {
                continue;
            }
            let pair = (pdu.kind().to_string().into(), state_key.to_owned());
            if by_pair.insert(pair, Arc::clone(pdu)).is_some() {
                return Ok(Err(format!("its state has {} {state_key:?} twice", pdu.kind())));
            }
            state.push((*event_num, Arc::clone(pdu)));
        }
        let is_allowed = |(_, pdu, status): &(EventNum, Arc<Pdu>, Status)| {
            (partial.is_some() && !status.has(Status::REJECTED)).then(|| Arc::clone(pdu))
        };
        let auths = event.auth_events().iter().filter_map(|id| kept.get(id));
        let members: Vec<Arc<Pdu>> = auths.clone().filter_map(is_allowed).collect();
        if let Err(reason) = check(&info, &event, &by_pair, &members) {
            return Ok(Err(reason));
        }
        if let Err(refused) = self.may_be_in(&by_pair) {
            self.take_leave(by, room_id, server).await;
            return Err(refused);
        }
        let auths = auths.map(|(event_num, ..)| *event_num).collect();
        let joining = Joining { event, state, auths, partial };
        drop((kept, by_pair, seen, members));
        let is_partial = joining.partial.is_some();
        let room = self.take_copy(by, info, joining).await?;
        if is_partial {
            self.completion.begin(room.info.room_num);
            // Where the rest comes at once, nobody need ever see the room without it.
            self.rooms.wait_for_members(&room, GRACE).await;
        }
        Ok(Ok(room))
    }
}

/// The servers that are said to be in a room, the one that says so first.
fn servers_of(first: &ServerName, told: Vec<String>) -> Vec<OwnedServerName> {
    let mut servers = vec![first.to_owned()];
    let told = told.into_iter().take(MOST_SERVERS).filter_map(|name| OwnedServerName::try_from(name).ok());
    let mut known: HashSet<OwnedServerName> = HashSet::from([first.to_owned()]);
    servers.extend(told.filter(|name| known.insert(name.clone())));
    servers
}

/// Whether the state that a server tells is one on which our join stands. Of members that it leaves out, what allows the join speaks.
fn check(
    info: &RoomInfo,
    event: &Pdu,
    state: &HashMap<(StateEventType, String), Arc<Pdu>>,
    members: &[Arc<Pdu>],
) -> std::result::Result<(), String> {
    let create = state.get(&(StateEventType::RoomCreate, String::new()));
    let create = create.ok_or("its state has no create event")?;
    if *create.kind() != TimelineEventType::RoomCreate {
        return Err("its state has no create event".to_owned());
    }
    let version = auth::room_version(create).unwrap_or(RoomVersionId::V1);
    if version != info.version {
        return Err(format!("the room's version is {version}, and it said {}", info.version));
    }
    let keys = auth::auth_event_keys(event.kind(), event.sender(), event.state_key(), event.content(), &info.rules)
        .map_err(|error| error.to_string())?;
    let mut allowing = StateMap::from([((StateEventType::RoomCreate, String::new()), Arc::clone(create))]);
    for key in keys {
        let left_out = || {
            let says = |pdu: &&Arc<Pdu>| pdu.membership().is_some() && pdu.state_key() == Some(key.1.as_str());
            members.iter().find(says).filter(|_| key.0 == StateEventType::RoomMember)
        };
        if let Some(pdu) = state.get(&key).or_else(left_out) {
            allowing.insert(key, Arc::clone(pdu));
        }
    }
    auth::allowed_by_state(event, &info.rules, &allowing).map_err(|error| format!("our join does not stand: {error}"))
}
