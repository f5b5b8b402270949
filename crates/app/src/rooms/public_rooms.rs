//! The public directory: pages of it, and which rooms are in it.

use std::{sync::Arc, time::Duration};

use domicile_core::{error::ErrorKind, ids::RoomNum, locality::is_cell};
use domicile_store::{
    Store,
    table::public_rooms::{self, Place, PublicRoom, Wanted},
};
use ruma::{
    OwnedRoomId, RoomId, ServerName,
    api::federation::directory::get_public_rooms_filtered,
    directory::{PublicRoomsChunk, PublicRoomsChunkInit, RoomNetwork, RoomTypeFilter},
    events::StateEventType,
};

use super::Rooms;
use crate::{
    Error, Result,
    accounts::{Session, Users},
    error::forbidden,
    events::send::Sender,
    federation::{Bounds, Peers},
};

/// Rooms of a page for who names no limit, and at most.
const PAGE: (usize, usize) = (100, 500);
/// What a page of another server's directory may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(20), bytes: 4 * 1024 * 1024 };
/// Longest text that is searched for, in bytes.
const SEARCH_BYTES: usize = 512;

/// Which page of the directory.
#[derive(Clone, Debug, Default)]
pub struct PublicRoomsRequest {
    /// Rooms at most.
    pub limit: Option<u64>,
    /// Where it begins, as an earlier page said.
    pub since: Option<String>,
    /// A text of name, topic or alias.
    pub search: Option<String>,
    /// The types, none being rooms without one; an empty list is all.
    pub room_types: Vec<Option<String>>,
    /// Only rooms of this bridged network are wanted. There are none here.
    pub network: Option<String>,
}

/// A page of the directory.
#[derive(Debug)]
pub struct PublicRoomsPage {
    /// The rooms, the largest first.
    pub rooms: Vec<PublicRoomsChunk>,
    /// Where it goes on.
    pub next: Option<String>,
    /// Where the page before it is.
    pub previous: Option<String>,
    /// How many rooms the directory has.
    pub total: u64,
}

/// The public directory.
pub struct PublicRooms {
    store: Store,
    users: Arc<Users>,
    rooms: Arc<Rooms>,
    sender: Arc<Sender>,
    peers: Arc<Peers>,
}

impl PublicRooms {
    /// Over a store; other servers' directories are asked of them.
    pub fn new(store: Store, users: Arc<Users>, rooms: Arc<Rooms>, sender: Arc<Sender>, peers: Arc<Peers>) -> Self {
        Self { store, users, rooms, sender, peers }
    }

    /// A page of the directory of `server`, which is this one if it is not named.
    pub async fn page(&self, server: Option<&ServerName>, request: PublicRoomsRequest) -> Result<PublicRoomsPage> {
        let elsewhere = server.filter(|server| !self.users.localities().is_ours(server));
        if elsewhere.is_some_and(is_cell) {
            return Err(ErrorKind::NotFound.with("There is no such server.").into());
        }
        if elsewhere.is_none() && request.network.is_some() {
            return Ok(PublicRoomsPage { rooms: Vec::new(), next: None, previous: None, total: 0 });
        }
        if request.search.as_ref().is_some_and(|search| search.len() > SEARCH_BYTES || search.contains('\0')) {
            let told = format!("`generic_search_term` has at most {SEARCH_BYTES} bytes.");
            return Err(ErrorKind::InvalidParam.with(told).into());
        }
        if request.room_types.iter().flatten().any(|kind| kind.contains('\0')) {
            return Err(ErrorKind::InvalidParam.with("A room type has a NUL character in it.").into());
        }
        let limit = request.limit.map_or(PAGE.0, |limit| usize::try_from(limit).unwrap_or(PAGE.1)).clamp(1, PAGE.1);
        if let Some(server) = elsewhere {
            return self.page_of(server, request, limit).await;
        }
        let (place, backward) = request.since.as_deref().map_or(Ok((Place::START, false)), parse_token)?;
        let rows = i64::try_from(limit + 1).unwrap_or(i64::MAX);
        let (mut found, total) = self
            .store
            .read(move |snapshot| async move {
                let search = request.search.unwrap_or_default().trim().to_lowercase();
                let types: Vec<&str> =
                    request.room_types.iter().map(|kind| kind.as_deref().unwrap_or_default()).collect();
                let wanted = Wanted { room_types: (!types.is_empty()).then_some(types), search: &search };
                let found = if backward {
                    public_rooms::before(&snapshot, place, &wanted, rows).await?
                } else {
                    public_rooms::after(&snapshot, place, &wanted, rows).await?
                };
                Ok::<_, Error>((found, public_rooms::count(&snapshot).await?))
            })
            .await?;
        let more = found.len() > limit;
        found.truncate(limit);
        if backward {
            found.reverse();
        }
        let (has_next, has_previous) = if backward { (true, more) } else { (more, place != Place::START) };
        let next = found.last().filter(|_| has_next).map(|(_, room)| token('n', room));
        let previous = found.first().filter(|_| has_previous).map(|(_, room)| token('p', room));
        let rooms = found.into_iter().map(|(room_id, room)| chunk(room_id, room)).collect::<Result<_>>()?;
        Ok(PublicRoomsPage { rooms, next, previous, total: u64::try_from(total).unwrap_or(0) })
    }

    /// A page of another server's directory.
    async fn page_of(&self, server: &ServerName, request: PublicRoomsRequest, limit: usize) -> Result<PublicRoomsPage> {
        let mut wanted = get_public_rooms_filtered::v1::Request::new();
        wanted.limit = u32::try_from(limit).ok().map(Into::into);
        wanted.since = request.since;
        wanted.filter.generic_search_term = request.search.filter(|search| !search.is_empty());
        wanted.filter.room_types = request.room_types.into_iter().map(RoomTypeFilter::from).collect();
        if let Some(network) = request.network {
            wanted.room_network = RoomNetwork::ThirdParty(network);
        }
        let answer = self.peers.ask(server, wanted, BOUNDS).await.map_err(|error| error.told(server))?;
        let mut rooms = answer.chunk;
        rooms.truncate(PAGE.1);
        let total = answer.total_room_count_estimate.map_or(rooms.len() as u64, Into::into);
        Ok(PublicRoomsPage { rooms, next: answer.next_batch, previous: answer.prev_batch, total })
    }

    /// Whether a room is in the directory.
    pub async fn is_listed(&self, room_id: &RoomId) -> Result<bool> {
        Ok(self.rooms.get(room_id).await?.view().is_public)
    }

    /// Puts a room into the directory or takes it out. Whoever may set its canonical alias may.
    pub async fn list(&self, by: &Session, room_id: &RoomId, listed: bool) -> Result<()> {
        let room = self.rooms.get(room_id).await?;
        let view = room.view();
        let may = view.facts.power_levels.user_can_send_state(&by.user_id, StateEventType::RoomCanonicalAlias);
        if !view.is_joined(by.user_num) || !may {
            return Err(forbidden(
                "Only who may set the room's canonical alias may change its place in the directory.",
            ));
        }
        if view.is_public != listed {
            self.sender.list(&room, listed).await?;
        }
        Ok(())
    }
}

fn token(direction: char, room: &PublicRoom) -> String {
    format!("{direction}{}_{}", room.joined, room.room_num.0)
}

fn parse_token(token: &str) -> Result<(Place, bool)> {
    let bad = || Error::from(ErrorKind::InvalidParam.with("`since` is no token of this server."));
    let backward = token.starts_with('p');
    let (joined, room_num) = token.strip_prefix(['n', 'p']).and_then(|rest| rest.split_once('_')).ok_or_else(bad)?;
    let joined = joined.parse().map_err(|_| bad())?;
    let room_num = RoomNum(room_num.parse().map_err(|_| bad())?);
    Ok((Place { joined, room_num }, backward))
}

fn chunk(room_id: String, room: PublicRoom) -> Result<PublicRoomsChunk> {
    let mut chunk = PublicRoomsChunk::from(PublicRoomsChunkInit {
        num_joined_members: u32::try_from(room.joined).unwrap_or(u32::MAX).into(),
        room_id: OwnedRoomId::try_from(room_id).map_err(Error::internal)?,
        world_readable: room.world_readable,
        guest_can_join: room.guest_can_join,
    });
    chunk.name = room.name;
    chunk.topic = room.topic;
    chunk.canonical_alias = room.canonical_alias.and_then(|alias| alias.try_into().ok());
    chunk.avatar_url = room.avatar_url.map(Into::into);
    chunk.join_rule = room.join_rule.as_str().into();
    chunk.room_type = (!room.room_type.is_empty()).then(|| room.room_type.as_str().into());
    Ok(chunk)
}
