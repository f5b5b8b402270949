//! The public directory: pages of it, and which rooms are in it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domicile_core::{error::ErrorKind, ids::RoomNum, locality::is_cell};
use domicile_store::{
    Store,
    table::{
        public_rooms::{self, Place, PublicRoom, Wanted},
        rooms,
    },
};
use ruma::{
    OwnedRoomId, OwnedServerName, RoomId, ServerName,
    api::federation::directory::get_public_rooms_filtered,
    directory::{PublicRoomsChunk, PublicRoomsChunkInit, RoomNetwork, RoomTypeFilter},
    events::StateEventType,
};

use super::{Rooms, Summaries};
use crate::{
    Error, Result,
    accounts::{Session, Users},
    error::forbidden,
    events::send::Sender,
    federation::{Bounds, PeerError, Peers},
};

/// Rooms of a page for who names no limit, and at most.
const PAGE: (usize, usize) = (100, 500);
/// What a page of another server's directory may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(20), bytes: 4 * 1024 * 1024 };
/// What a page of another cell's may cost.
const CELL_BOUNDS: Bounds = Bounds { time: Duration::from_secs(4), ..BOUNDS };
/// Cells that do not answer, for which one page waits.
const SILENT: usize = 2;
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
    /// How many rooms the directory has, if that is known: of a deployment of several cells it is not.
    pub total: Option<u64>,
}

/// The public directory.
pub struct PublicRooms {
    store: Store,
    users: Arc<Users>,
    rooms: Arc<Rooms>,
    sender: Arc<Sender>,
    summaries: Arc<Summaries>,
    peers: Arc<Peers>,
}

impl PublicRooms {
    /// Over a store; other servers' directories are asked of them.
    pub fn new(
        store: Store,
        users: Arc<Users>,
        rooms: Arc<Rooms>,
        sender: Arc<Sender>,
        summaries: Arc<Summaries>,
        peers: Arc<Peers>,
    ) -> Self {
        Self { store, users, rooms, sender, summaries, peers }
    }

    /// A page for somebody who asks here, of the directory of `server`, or of the whole deployment, if that is not named.
    pub async fn page(&self, server: Option<&ServerName>, request: PublicRoomsRequest) -> Result<PublicRoomsPage> {
        let elsewhere = server.filter(|server| !self.users.localities().is_ours(server));
        if elsewhere.is_some_and(is_cell) {
            return Err(ErrorKind::NotFound.with("There is no such server.").into());
        }
        if elsewhere.is_none() && request.network.is_some() {
            return Ok(PublicRoomsPage { rooms: Vec::new(), next: None, previous: None, total: Some(0) });
        }
        let limit = check(&request)?;
        match elsewhere {
            Some(server) => {
                self.page_of(server, request, limit, BOUNDS).await.map_err(|error| error.told(server).into())
            }
            None => self.of_deployment(request, limit).await,
        }
    }

    /// A page of this cell's own rooms, for another server or cell. What may not cross is not in it, and cannot be searched for.
    pub async fn page_for(&self, peer: &ServerName, request: PublicRoomsRequest) -> Result<PublicRoomsPage> {
        let limit = check(&request)?;
        let searches = request.search.as_ref().is_some_and(|search| !search.trim().is_empty());
        let listed = self.users.localities().listed_to(peer);
        if request.network.is_some() || !listed.rooms || (searches && !listed.names) {
            return Ok(PublicRoomsPage { rooms: Vec::new(), next: None, previous: None, total: Some(0) });
        }
        let mut page = self.own(request, limit).await?;
        if self.users.localities().cells().is_some() {
            page.rooms = self.as_told(peer.to_owned(), page.rooms, searches).await?;
        }
        Ok(page)
    }

    /// Rooms of the list as somebody elsewhere may be told of them. Of those that were searched for, none is left that may have been found by what is not told.
    async fn as_told(
        &self,
        peer: OwnedServerName,
        rooms: Vec<PublicRoomsChunk>,
        searches: bool,
    ) -> Result<Vec<PublicRoomsChunk>> {
        let (summaries, localities) = (Arc::clone(&self.summaries), self.users.localities_shared());
        let read = self.store.read(move |snapshot| async move {
            let mut shown = Vec::with_capacity(rooms.len());
            for mut room in rooms {
                let Some(row) = rooms::by_id(&snapshot, room.room_id.as_str()).await? else { continue };
                let Some(told) = summaries.told_to(&snapshot, &row, (&localities, &peer)).await? else { continue };
                if searches && !told.is_found() {
                    continue;
                }
                room.name = room.name.filter(|_| told.name);
                room.topic = room.topic.filter(|_| told.topic);
                room.avatar_url = room.avatar_url.filter(|_| told.avatar);
                room.canonical_alias = room.canonical_alias.filter(|_| told.alias);
                shown.push(room);
            }
            Ok::<_, Error>(shown)
        });
        read.await
    }

    /// This cell's rooms, and then those of the other cells, one cell's after another's. One that does not answer is passed over.
    async fn of_deployment(&self, request: PublicRoomsRequest, limit: usize) -> Result<PublicRoomsPage> {
        let others = self.users.localities().other_cells();
        if others.is_empty() {
            return self.own(request, limit).await;
        }
        let (mut place, mut since) = request.since.clone().map_or(Ok((0, None)), cell_place)?;
        if place == 0 {
            let mut page = self.own(PublicRoomsRequest { since, ..request.clone() }, limit).await?;
            page.total = None;
            if page.next.is_none() {
                page.next = Some(cell_token(1, ""));
            }
            if !page.rooms.is_empty() {
                return Ok(page);
            }
            (place, since) = (1, None);
        }
        let mut silent = 0;
        while let Some(cell) = others.get(place - 1) {
            let wanted = PublicRoomsRequest { since: since.take(), ..request.clone() };
            let following = (place < others.len()).then(|| cell_token(place + 1, ""));
            match self.page_of(cell, wanted, limit, CELL_BOUNDS).await {
                Ok(mut page) => {
                    page.rooms = self.unlisted(page.rooms).await?;
                    (page.total, page.previous) = (None, None);
                    // A cell leaves out what may not be told: an empty page of it need not be its last.
                    let has_more = page.next.is_some();
                    page.next = page.next.map(|next| cell_token(place, &next)).or(following);
                    if !page.rooms.is_empty() || has_more || page.next.is_none() {
                        return Ok(page);
                    }
                }
                Err(error) => {
                    tracing::info!(%error, "a cell's rooms are not in the list");
                    silent += 1;
                    // Nobody waits for many cells at once: the next page goes on.
                    if silent == SILENT && following.is_some() {
                        return Ok(PublicRoomsPage { rooms: Vec::new(), next: following, previous: None, total: None });
                    }
                }
            }
            place += 1;
        }
        Ok(PublicRoomsPage { rooms: Vec::new(), next: None, previous: None, total: None })
    }

    /// Those rooms of another cell's list that are not in this one's: they are shown once.
    async fn unlisted(&self, rooms: Vec<PublicRoomsChunk>) -> Result<Vec<PublicRoomsChunk>> {
        let ids: Vec<String> = rooms.iter().map(|room| room.room_id.to_string()).collect();
        let listed = self.store.read(move |snapshot| async move {
            let mut listed = HashSet::new();
            for room_id in ids {
                if public_rooms::has(&snapshot, &room_id).await? {
                    listed.insert(room_id);
                }
            }
            Ok::<_, Error>(listed)
        });
        let listed = listed.await?;
        Ok(rooms.into_iter().filter(|room| !listed.contains(room.room_id.as_str())).collect())
    }

    /// A page of this cell's own rooms.
    async fn own(&self, request: PublicRoomsRequest, limit: usize) -> Result<PublicRoomsPage> {
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
        Ok(PublicRoomsPage { rooms, next, previous, total: u64::try_from(total).ok() })
    }

    /// A page of another server's directory.
    async fn page_of(
        &self,
        server: &ServerName,
        request: PublicRoomsRequest,
        limit: usize,
        bounds: Bounds,
    ) -> std::result::Result<PublicRoomsPage, PeerError> {
        let mut wanted = get_public_rooms_filtered::v1::Request::new();
        wanted.limit = u32::try_from(limit).ok().map(Into::into);
        wanted.since = request.since;
        wanted.filter.generic_search_term = request.search.filter(|search| !search.is_empty());
        wanted.filter.room_types = request.room_types.into_iter().map(RoomTypeFilter::from).collect();
        if let Some(network) = request.network {
            wanted.room_network = RoomNetwork::ThirdParty(network);
        }
        let answer = self.peers.ask(server, wanted, bounds).await?;
        let mut rooms = answer.chunk;
        rooms.truncate(PAGE.1);
        let total = answer.total_room_count_estimate.map_or(rooms.len() as u64, Into::into);
        Ok(PublicRoomsPage { rooms, next: answer.next_batch, previous: answer.prev_batch, total: Some(total) })
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

/// Looks at what is asked; gives how many rooms a page has.
fn check(request: &PublicRoomsRequest) -> Result<usize> {
    if request.search.as_ref().is_some_and(|search| search.len() > SEARCH_BYTES || search.contains('\0')) {
        let told = format!("`generic_search_term` has at most {SEARCH_BYTES} bytes.");
        return Err(ErrorKind::InvalidParam.with(told).into());
    }
    if request.room_types.iter().flatten().any(|kind| kind.contains('\0')) {
        return Err(ErrorKind::InvalidParam.with("A room type has a NUL character in it.").into());
    }
    Ok(request.limit.map_or(PAGE.0, |limit| usize::try_from(limit).unwrap_or(PAGE.1)).clamp(1, PAGE.1))
}

/// Which of the other cells goes on, from 1, and with which of its tokens; 0 is this one.
fn cell_place(token: String) -> Result<(usize, Option<String>)> {
    let Some(rest) = token.strip_prefix('c') else { return Ok((0, Some(token))) };
    let bad = || Error::from(ErrorKind::InvalidParam.with("`since` is no token of this server."));
    let (place, since) = rest.split_once('_').ok_or_else(bad)?;
    let place: usize = place.parse().map_err(|_| bad())?;
    if place == 0 {
        return Err(bad());
    }
    Ok((place, Some(since.to_owned()).filter(|since| !since.is_empty())))
}

fn cell_token(place: usize, since: &str) -> String {
    format!("c{place}_{since}")
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
