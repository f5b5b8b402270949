//! Rooms of which there is no copy here, in short, with their children: asked of servers that are said to be in them.

use std::{sync::Arc, time::Duration};

use domicile_core::{
    clock::{Clock, MINUTE_MS},
    locality::is_cell,
};
use ruma::{
    OwnedRoomId, OwnedServerName, RoomId, ServerName, api::federation::space::get_hierarchy::v1::Request,
    events::space::child::HierarchySpaceChildEvent, room::RoomSummary, serde::Raw,
};

use super::{Bounds, Kept, PeerError, Peers};
use crate::residency::Localities;

/// What an answer may cost.
const BOUNDS: Bounds = Bounds { time: Duration::from_secs(5), bytes: 8 * 1024 * 1024 };
/// Servers that are asked for one room.
const SERVERS: usize = 3;
/// Cells that are asked for one, and those that do not answer, after which nobody waits for more.
const CELLS: (usize, usize) = (16, 2);
/// Answers that are remembered.
const KEPT: usize = 1_000;
/// Rooms that are remembered from answers about their parents.
const SUMMARIES_KEPT: usize = 20_000;
/// For how long, in milliseconds; and for how long that nobody answered.
const LIVES_MS: (i64, i64) = (5 * MINUTE_MS, MINUTE_MS);
/// Children of a space that are looked at.
const CHILDREN: usize = 2_000;

/// A room elsewhere with its children.
#[derive(Debug)]
pub struct RemoteSpace {
    /// The room.
    pub room: RoomSummary,
    /// Its children as stripped state events.
    pub children_state: Vec<Raw<HierarchySpaceChildEvent>>,
    /// Children that nobody of this server can get into.
    pub inaccessible: Vec<OwnedRoomId>,
}

/// Asks for rooms elsewhere.
pub struct RemoteSpaces {
    peers: Arc<Peers>,
    localities: Arc<Localities>,
    kept: Kept<(OwnedRoomId, bool), Option<Arc<RemoteSpace>>>,
    summaries: Kept<OwnedRoomId, Arc<RoomSummary>>,
}

impl RemoteSpaces {
    /// Asks through `peers`.
    pub fn new(peers: Arc<Peers>, localities: Arc<Localities>, clock: Arc<dyn Clock>) -> Self {
        Self {
            peers,
            localities,
            kept: Kept::new(Arc::clone(&clock), KEPT),
            summaries: Kept::new(clock, SUMMARIES_KEPT),
        }
    }

    /// A room in short, if an answer about a parent told of it, or somebody who is asked now knows it.
    pub async fn summary(&self, room_id: &RoomId, via: &[OwnedServerName]) -> Option<Arc<RoomSummary>> {
        if let Some(known) = self.summaries.get(room_id) {
            return Some(known);
        }
        self.get(room_id, via, false).await?;
        self.summaries.get(room_id)
    }

    /// A room in short, if it is known already that it is no space: then there is nothing more to ask.
    pub fn leaf(&self, room_id: &RoomId) -> Option<Arc<RoomSummary>> {
        let is_space = |room: &RoomSummary| room.room_type.as_ref().is_some_and(|kind| kind.as_str() == "m.space");
        self.summaries.get(room_id).filter(|room| !is_space(room))
    }

    /// A room with its children, of the first of a few servers that knows it.
    pub async fn get(
        &self,
        room_id: &RoomId,
        via: &[OwnedServerName],
        suggested_only: bool,
    ) -> Option<Arc<RemoteSpace>> {
        let key = (room_id.to_owned(), suggested_only);
        if let Some(known) = self.kept.get(&key) {
            return known;
        }
        let mut found = None;
        // Where the deployment itself is named, or nobody, that is its other cells.
        if via.is_empty() || via.iter().any(|server_name| self.localities.is_ours(server_name)) {
            found = self.of_cells(room_id, suggested_only).await;
        }
        let others = via.iter().filter(|name| !is_cell(name) && !self.localities.is_ours(name));
        for server_name in others.take(SERVERS) {
            if found.is_some() {
                break;
            }
            found = self.ask(server_name, room_id, suggested_only).await.ok().flatten();
        }
        let life_ms = if found.is_some() { LIVES_MS.0 } else { LIVES_MS.1 };
        self.kept.put(key, found.clone(), life_ms);
        found
    }

    /// A room that another cell has. What it tells is remembered in memory, for minutes, as what other servers tell.
    async fn of_cells(&self, room_id: &RoomId, suggested_only: bool) -> Option<Arc<RemoteSpace>> {
        let mut cells = self.peers.cells_in(room_id).await;
        for cell in self.localities.other_cells() {
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        let mut silent = 0;
        for cell in cells.iter().take(CELLS.0) {
            match self.ask(cell, room_id, suggested_only).await {
                Ok(Some(found)) => return Some(found),
                Err(error) if error.is_down() => silent += 1,
                _ => {}
            }
            if silent == CELLS.1 {
                break;
            }
        }
        None
    }

    async fn ask(
        &self,
        server_name: &ServerName,
        room_id: &RoomId,
        suggested_only: bool,
    ) -> Result<Option<Arc<RemoteSpace>>, PeerError> {
        let mut request = Request::new(room_id.to_owned());
        request.suggested_only = suggested_only;
        let answer = self.peers.ask(server_name, request, BOUNDS).await;
        let answer = answer.inspect_err(|error| tracing::debug!(%error, "a room elsewhere is not told"))?;
        let mut children_state = answer.room.children_state;
        if answer.room.summary.room_id != room_id {
            return Ok(None);
        }
        children_state.truncate(CHILDREN);
        let told = answer.children.into_iter().take(CHILDREN).chain([answer.room.summary.clone()]);
        for summary in told {
            self.summaries.put(summary.room_id.clone(), Arc::new(summary), LIVES_MS.0);
        }
        Ok(Some(Arc::new(RemoteSpace {
            room: answer.room.summary,
            children_state,
            inaccessible: answer.inaccessible_children,
        })))
    }
}
