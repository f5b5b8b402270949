//! Comings and goings of this server's people in rooms that other servers hold: joins, refused invites, knocks, and invites of others' people.

mod bring;
mod copy;
mod invite;
mod join;
mod knock;
mod leave;
mod rules;
mod take_back;

use std::{sync::Arc, time::Duration};

use domicile_core::{clock::Clock, error::ErrorKind, rng::Rng};
use domicile_room::event::{
    Pdu,
    template::{Template, Wanted},
};
use domicile_store::Store;
use ruma::{
    OwnedRoomId, OwnedServerName, RoomId, RoomVersionId, ServerName, UserId, events::room::member::MembershipState,
    room_version_rules::RoomVersionRules,
};
use serde_json::{Map, Value, value::RawValue};

use super::{Completion, Destinations, OneAtATime, OwnKeys, PeerError, Peers};
use crate::{
    Error, Result,
    accounts::Users,
    events::{Events, Ingest, send::Sender, wake::Wakers},
    rooms::{Rooms, StateKeys, StateTrees},
};

/// Servers that are tried one after another.
const SERVERS: usize = 10;
/// How long all of them together may take to give an answer.
const TIME: Duration = Duration::from_mins(4);

/// Room versions in which this server's people can be.
pub const SUPPORTED: [&str; 12] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];

/// Rooms of other servers.
pub struct RemoteRooms {
    store: Store,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    peers: Arc<Peers>,
    own_keys: Arc<OwnKeys>,
    users: Arc<Users>,
    rooms: Arc<Rooms>,
    events: Arc<Events>,
    keys: Arc<StateKeys>,
    trees: Arc<StateTrees>,
    sender: Arc<Sender>,
    ingest: Arc<Ingest>,
    completion: Arc<Completion>,
    destinations: Arc<Destinations>,
    wakers: Arc<Wakers>,
    /// Rooms that somebody is about to enter.
    entering: OneAtATime<OwnedRoomId>,
}

/// What it is made of.
pub struct RemoteRoomsParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Asks other servers.
    pub peers: Arc<Peers>,
    /// Our signature.
    pub own_keys: Arc<OwnKeys>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// Rooms in memory.
    pub rooms: Arc<Rooms>,
    /// Events in memory.
    pub events: Arc<Events>,
    /// Interned state keys.
    pub keys: Arc<StateKeys>,
    /// State trees.
    pub trees: Arc<StateTrees>,
    /// Makes events.
    pub sender: Arc<Sender>,
    /// Takes events of other servers.
    pub ingest: Arc<Ingest>,
    /// Makes rooms whole that were joined without their members.
    pub completion: Arc<Completion>,
    /// Other servers and cells.
    pub destinations: Arc<Destinations>,
    /// Who waits.
    pub wakers: Arc<Wakers>,
}

impl RemoteRooms {
    /// Of its parts.
    pub fn new(parts: RemoteRoomsParts) -> Self {
        let RemoteRoomsParts {
            store,
            clock,
            rng,
            peers,
            own_keys,
            users,
            rooms,
            events,
            keys,
            trees,
            sender,
            ingest,
            completion,
            destinations,
            wakers,
        } = parts;
        Self {
            store,
            clock,
            rng,
            peers,
            own_keys,
            users,
            rooms,
            events,
            keys,
            trees,
            sender,
            ingest,
            completion,
            destinations,
            wakers,
            entering: OneAtATime::default(),
        }
    }

    /// The servers that may be asked about a room, each once and none of them ourselves. Cells that are in it come first: who comes in by another
    /// server's hand, other cells would not hear of, since to other servers the deployment is one.
    async fn sources(&self, room_id: &RoomId, via: &[OwnedServerName]) -> Vec<OwnedServerName> {
        let mut sources: Vec<OwnedServerName> = self.peers.cells_in(room_id).await;
        let of_room = room_id.server_name().map(ServerName::to_owned);
        // Where the deployment itself is named, that is its other cells.
        let ours = |server: &OwnedServerName| self.users.localities().is_ours(server);
        let cells = via.iter().chain(&of_room).any(ours).then(|| self.users.localities().other_cells());
        for server in via.iter().cloned().chain(of_room).chain(cells.into_iter().flatten()) {
            if server != *self.users.server_name() && !sources.contains(&server) {
                sources.push(server);
            }
        }
        sources.truncate(SERVERS);
        sources
    }

    /// The event that another server has drafted, if it is what we asked for.
    fn take_up(
        &self,
        event: &RawValue,
        rules: &RoomVersionRules,
        room_id: &RoomId,
        user_id: &UserId,
        membership: MembershipState,
        content: Map<String, Value>,
    ) -> std::result::Result<Pdu, String> {
        let wanted = Wanted { room_id, user_id, membership, content };
        let template = Template::read(event.get().as_bytes(), &wanted, self.clock.now_ms(), rules)
            .map_err(|error| error.to_string())?;
        let opaque = domicile_core::rng::name(&*self.rng, 18);
        template.build(&opaque, rules, &self.own_keys.current()).map_err(|error| error.to_string())
    }
}

/// The rules of a room version, if this server knows it.
fn rules_of(version: &RoomVersionId) -> Result<RoomVersionRules> {
    let unsupported = || ErrorKind::UnsupportedRoomVersion.with(format!("Room version {version} is not known here."));
    let rules = version.rules().filter(|_| SUPPORTED.contains(&version.as_str()));
    Ok(rules.ok_or_else(unsupported)?)
}

/// The versions that other servers are told.
fn supported() -> Vec<RoomVersionId> {
    SUPPORTED.iter().filter_map(|version| RoomVersionId::try_from(*version).ok()).collect()
}

/// What a user is told when no server let them in. What a server said is worth more than that others did not answer.
struct Failures {
    told: Option<Error>,
    refused: Option<Error>,
}

impl Failures {
    fn none() -> Self {
        Self { told: None, refused: None }
    }

    /// A server that the rules of the deployment do not let be told this: whoever asks can say less.
    fn refused(&mut self, error: Error) {
        self.refused.get_or_insert(error);
    }

    fn add(&mut self, server: &ServerName, error: PeerError) {
        tracing::debug!(%server, %error, "a server did not do what a user asked of a room");
        let said = matches!(error, PeerError::Matrix { .. });
        if said || self.told.is_none() {
            self.told = Some(error.told(server).into());
        }
    }

    fn nonsense(&mut self, server: &ServerName, reason: String) {
        self.add(server, PeerError::Nonsense(reason));
    }

    fn told(self, room_id: &RoomId) -> Error {
        let nobody = || {
            let text = format!("There is no room {room_id} here, and no other server is named that could be asked.");
            ErrorKind::NotFound.with(text).into()
        };
        self.refused.or(self.told).unwrap_or_else(nobody)
    }
}
