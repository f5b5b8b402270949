//! Joining a room through a server that is in it (server-server, *Joining Rooms*).

use std::{collections::HashSet, sync::Arc, time::Duration};

use domicile_core::{error::ErrorKind, locality::is_cell};
use domicile_room::event::Pdu;
use domicile_store::table::events::Status;
use ruma::{
    OwnedServerName, RoomId, RoomVersionId, ServerName,
    api::federation::membership::{create_join_event, prepare_join_event},
    events::room::member::MembershipState,
};
use serde_json::{Map, Value, value::RawValue};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{Failures, RemoteRooms, TIME, copy::Joining, rules_of, supported};
use crate::{
    Result,
    accounts::Session,
    federation::{LargeAnswer, Listed, PeerError, peers::ORDINARY},
    rooms::Room,
};

/// How long a join waits for members that the first answer left out.
const GRACE: Duration = Duration::from_secs(1);
/// How long one waits each time until a cell has heard of an invite that came from elsewhere.
const HEARS: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_millis(400), Duration::from_millis(800), Duration::from_millis(1_600)];
/// Servers that may be said to be in a room.
const MOST_SERVERS: usize = 10_000;

/// Lists in what a server answers that let a join in (server-server, `PUT /_matrix/federation/v2/send_join/{roomId}/{eventId}`).
const LISTS: &[&str] = &["state", "auth_chain"];

/// What it answers.
struct Answer {
    state: Listed,
    auth_chain: Listed,
    event: Option<Box<RawValue>>,
    members_omitted: bool,
    servers_in_room: Option<Vec<String>>,
}

impl Answer {
    fn read(mut answer: LargeAnswer) -> std::result::Result<Self, PeerError> {
        Ok(Self {
            state: answer.needed_list("state")?,
            auth_chain: answer.needed_list("auth_chain")?,
            event: answer.member("event")?,
            members_omitted: answer.member("members_omitted")?.unwrap_or_default(),
            servers_in_room: answer.member("servers_in_room")?,
        })
    }
}

/// A join that a server has let in, with what it tells of the room.
struct LetIn {
    version: RoomVersionId,
    event: Pdu,
    answer: Answer,
    /// Held until the room is here, by the first of those who enter it at the same time.
    entering: Option<OwnedMutexGuard<()>>,
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
                if let Err(refused) = self.users.localities().may_tell(&server, &by.user_id, &content) {
                    failures.refused(refused);
                    continue;
                }
                match self.join_when_heard(by, room_id, &server, &content).await? {
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

    /// One server. A cell that is in the room may hear of an invite from elsewhere later than whom it invites: it is asked again for a moment.
    async fn join_when_heard(
        &self,
        by: &Session,
        room_id: &RoomId,
        server: &ServerName,
        content: &Map<String, Value>,
    ) -> Result<std::result::Result<LetIn, PeerError>> {
        let refused = |answer: &_| matches!(answer, Err(PeerError::Matrix { status: 403, .. }));
        let mut answer = self.join_through(by, room_id, server, content).await;
        if !is_cell(server) || !refused(&answer) {
            return Ok(answer);
        }
        if self.inviting_server(by, room_id).await?.is_none_or(|inviting| inviting == *server) {
            return Ok(answer);
        }
        for pause in HEARS {
            tokio::time::sleep(pause).await;
            answer = self.join_through(by, room_id, server, content).await;
            if !refused(&answer) {
                break;
            }
        }
        Ok(answer)
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
        // Whoever hears of the join tells this server at once what is said.
        let entering = self.entering.of(room_id.to_owned()).try_lock_owned().ok();
        request.omit_members = omit_members;
        let answer = Answer::read(self.peers.ask_large(server, request, LISTS).await?)?;
        if answer.members_omitted && !omit_members {
            return Err(PeerError::Nonsense("it leaves out the members, which nobody asked it to".to_owned()));
        }
        Ok(LetIn { version, event, answer, entering })
    }

    /// The turn of somebody who is about to enter a room, if anybody is: others have heard of it, and the room is not here yet.
    pub(in crate::federation) fn entering(&self, room_id: &RoomId) -> Option<Arc<Mutex<()>>> {
        self.entering.at_work(&room_id.to_owned())
    }

    /// Checks what a server tells of a room, and takes a copy. The inner error: what the server told is of no use.
    async fn enter(
        &self,
        by: &Session,
        room_id: &RoomId,
        server: &ServerName,
        let_in: LetIn,
    ) -> Result<std::result::Result<Arc<Room>, String>> {
        let LetIn { version, event, answer, entering } = let_in;
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
        let told = self.ingest.keep_told(&info, answer.auth_chain, answer.state, None).await?;
        if told.wrong > 0 {
            tracing::info!(%server, %room_id, wrong = told.wrong, "a room's state has events that are wrong");
        }
        let (mut auths, mut lent) = (Vec::new(), Vec::new());
        for id in event.auth_events() {
            let Some(auth) = self.events.by_id(id).await?.filter(|auth| auth.room.room_num == info.room_num) else {
                continue;
            };
            auths.push(auth.event_num);
            if partial.is_some() && !auth.status.has(Status::REJECTED) {
                lent.push(Arc::clone(&auth.pdu));
            }
        }
        if let Err(reason) = self.ingest.stands(&info, &event, &told.state, &lent).await? {
            return Ok(Err(reason));
        }
        if let Err(refused) = self.may_be_in(&told).await {
            self.take_leave(by, room_id, server).await;
            return Err(refused);
        }
        let joining = Joining { event, told, auths, partial };
        let is_partial = joining.partial.is_some();
        let room = self.take_copy(by, info, joining).await?;
        drop(entering);
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
