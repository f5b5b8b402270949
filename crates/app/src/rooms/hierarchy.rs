//! The tree of rooms under a space (client-server, *Discovering rooms within spaces*), a page at a time.
//!
//! A walk goes depth first and remembers where it stopped, so that a page costs what it shows and not what came before it.

use std::{sync::Arc, time::Duration};

use domicile_core::{
    error::ErrorKind,
    ids::{EventNum, KeyNum, NodeNum, RoomNum, UserNum},
    rng::{self, Rng},
};
use domicile_store::{
    Snapshot,
    table::{rooms, state},
};
use imbl::{HashSet, Vector};
use quick_cache::sync::Cache;
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedRoomId, OwnedServerName, RoomId, ServerName,
    events::space::child::HierarchySpaceChildEvent, room::RoomSummary, serde::Raw,
};
use serde::Deserialize;
use serde_json::{json, value::RawValue};
use tokio::time::Instant;

use super::{Summaries, summary::Summary};
use crate::{
    Error, Result,
    accounts::Session,
    error::forbidden,
    events::Stored,
    federation::{RemoteSpaces, remote_spaces::RemoteSpace},
};

/// Rooms of a page for who names no limit, and at most.
const PAGE: (usize, usize) = (50, 100);
/// Rooms that are looked at for one page, those included that the reader may not see.
const LOOKED_AT: usize = 500;
/// Deepest level that a walk goes to.
const DEEPEST: u64 = 50;
/// Children of one space that a walk visits, and rooms that wait to be visited by one walk.
const LARGEST: usize = 2_000;
/// Walks that are remembered.
const WALKS: usize = 1_000;
/// Letters of a token.
const TOKEN_LENGTH: usize = 24;
/// Servers that are asked about a room that is not here.
const VIA: usize = 3;
/// When a page asks nobody else any more: what is left comes with the next.
const PATIENCE: Duration = Duration::from_secs(8);

/// Which page of which tree.
#[derive(Clone, Debug)]
pub struct HierarchyRequest {
    /// The space.
    pub room_id: OwnedRoomId,
    /// Where it begins, as an earlier page said.
    pub from: Option<String>,
    /// Rooms at most.
    pub limit: Option<u64>,
    /// Levels at most.
    pub max_depth: Option<u64>,
    /// Whether only suggested rooms are wanted.
    pub suggested_only: bool,
}

/// A room of the tree.
#[derive(Debug)]
pub struct HierarchyRoom {
    /// The room in short.
    pub summary: RoomSummary,
    /// Its children as stripped state events with their time.
    pub children: Vec<Box<RawValue>>,
}

/// A page of the tree.
#[derive(Debug)]
pub struct HierarchyPage {
    /// The rooms.
    pub rooms: Vec<HierarchyRoom>,
    /// Where it goes on.
    pub next: Option<String>,
}

/// A room that a walk comes to, how deep it is, and which servers are said to be in it.
#[derive(Clone)]
struct Ahead {
    room_id: OwnedRoomId,
    depth: u64,
    via: Arc<[OwnedServerName]>,
}

/// Where a walk stands.
#[derive(Clone)]
struct Walk {
    user_num: UserNum,
    root: OwnedRoomId,
    max_depth: u64,
    suggested_only: bool,
    /// The rooms to visit, the next one last.
    waiting: Vector<Ahead>,
    visited: HashSet<OwnedRoomId>,
}

/// How far one page of a walk has come.
#[derive(Default)]
struct Visit {
    found: Vec<HierarchyRoom>,
    looked: usize,
    limit: usize,
}

struct Child {
    room_id: OwnedRoomId,
    order: Option<String>,
    ts: MilliSecondsSinceUnixEpoch,
    via: Arc<[OwnedServerName]>,
    stripped: Box<RawValue>,
}

/// The state keys of a space's children in one state.
type ChildKeys = Arc<[KeyNum]>;

/// Walks through spaces.
pub struct Hierarchies {
    summaries: Arc<Summaries>,
    rng: Arc<dyn Rng>,
    remote: Arc<RemoteSpaces>,
    walks: Cache<String, Arc<Walk>>,
    children: Cache<(RoomNum, NodeNum), ChildKeys>,
}

impl Visit {
    fn is_over(&self) -> bool {
        self.found.len() == self.limit || self.looked == LOOKED_AT
    }
}

impl Hierarchies {
    /// Over summaries; rooms that are not here are asked for elsewhere.
    pub fn new(summaries: Arc<Summaries>, rng: Arc<dyn Rng>, remote: Arc<RemoteSpaces>) -> Self {
        Self { summaries, rng, remote, walks: Cache::new(WALKS), children: Cache::new(WALKS) }
    }

    /// A page of the tree under a room.
    pub async fn page(self: &Arc<Self>, by: &Session, request: HierarchyRequest) -> Result<HierarchyPage> {
        let limit = request.limit.map_or(PAGE.0, |limit| usize::try_from(limit).unwrap_or(PAGE.1));
        if limit == 0 {
            return Err(ErrorKind::InvalidParam.with("`limit` must be greater than 0.").into());
        }
        let first = request.from.is_none();
        let mut walk = self.walk(by, request)?;
        let mut visit = Visit { limit: limit.min(PAGE.1), ..Visit::default() };
        let end = Instant::now() + PATIENCE;
        loop {
            let this = Arc::clone(self);
            let here = self.summaries.store().read(move |snapshot| async move {
                let elsewhere = this.visit(&snapshot, &mut walk, &mut visit).await?;
                Ok::<_, Error>((walk, visit, elsewhere))
            });
            let elsewhere;
            (walk, visit, elsewhere) = here.await?;
            let Some(ahead) = elsewhere else { break };
            if Instant::now() >= end {
                walk.visited.remove(&ahead.room_id);
                walk.waiting.push_back(ahead);
                break;
            }
            if let Some(room) = self.visit_elsewhere(&mut walk, &ahead).await? {
                visit.found.push(room);
            }
        }
        let rooms = visit.found;
        if first && rooms.first().is_none_or(|room| room.summary.room_id != walk.root) {
            return Err(forbidden("There is no such room, or you may not see it."));
        }
        let next = (!walk.waiting.is_empty()).then(|| rng::name(&*self.rng, TOKEN_LENGTH));
        if let Some(token) = &next {
            self.walks.insert(token.clone(), Arc::new(walk));
        }
        Ok(HierarchyPage { rooms, next })
    }

    fn walk(&self, by: &Session, request: HierarchyRequest) -> Result<Walk> {
        let HierarchyRequest { room_id, from, max_depth, suggested_only, .. } = request;
        let max_depth = max_depth.unwrap_or(DEEPEST).min(DEEPEST);
        let Some(token) = from else {
            // Who made a room is likely to be in it.
            let via = room_id.server_name().map(ToOwned::to_owned).into_iter().collect();
            let waiting = Vector::unit(Ahead { room_id: room_id.clone(), depth: 0, via });
            let visited = HashSet::new();
            return Ok(Walk { user_num: by.user_num, root: room_id, max_depth, suggested_only, waiting, visited });
        };
        let known = self.walks.get(&token).filter(|walk| walk.user_num == by.user_num && walk.root == room_id);
        let walk = known.ok_or_else(|| ErrorKind::InvalidParam.with("`from` is not known here: begin again."))?;
        if walk.max_depth != max_depth || walk.suggested_only != suggested_only {
            let told = "`max_depth` and `suggested_only` cannot change from page to page.";
            return Err(ErrorKind::InvalidParam.with(told).into());
        }
        Ok(Walk::clone(&walk))
    }

    /// Visits rooms as long as they are here. Gives the first that is not.
    async fn visit(&self, snapshot: &Snapshot, walk: &mut Walk, visit: &mut Visit) -> Result<Option<Ahead>> {
        while !visit.is_over() {
            let Some(ahead) = walk.waiting.pop_back() else { break };
            if walk.visited.insert(ahead.room_id.clone()).is_some() {
                continue;
            }
            visit.looked += 1;
            let row = rooms::by_id(snapshot, ahead.room_id.as_str()).await?;
            let Some(row) = row.filter(|row| row.has_copy) else { return Ok(Some(ahead)) };
            let summary = self.summaries.load(snapshot, &row).await?;
            let membership = self.summaries.membership(snapshot, Some(walk.user_num), row.room_num).await?;
            if !self.summaries.may_see(snapshot, Some(walk.user_num), &summary, membership).await? {
                continue;
            }
            let children = match summary.room_type.as_deref() {
                Some("m.space") => self.children(snapshot, &row, walk.suggested_only).await?,
                _ => Vec::new(),
            };
            walk.go_on(&children, ahead.depth);
            let children = children.into_iter().map(|child| child.stripped).collect();
            visit.found.push(HierarchyRoom { summary: summary.to_matrix(), children });
        }
        Ok(None)
    }

    /// Visits a room that is not here.
    async fn visit_elsewhere(&self, walk: &mut Walk, ahead: &Ahead) -> Result<Option<HierarchyRoom>> {
        let (summary, space) = match self.remote.leaf(&ahead.room_id) {
            Some(summary) => (RoomSummary::clone(&summary), None),
            None => match self.remote.get(&ahead.room_id, &ahead.via, walk.suggested_only).await {
                Some(space) => (space.room.clone(), Some(space)),
                None => return Ok(None),
            },
        };
        if !self.summaries.may_see_elsewhere(walk.user_num, &summary).await? {
            return Ok(None);
        }
        let children = space.as_ref().map_or_else(Vec::new, |space| children_of(space, walk.suggested_only));
        // Nobody of this server can get into them.
        for room_id in space.iter().flat_map(|space| &space.inaccessible) {
            walk.visited.insert(room_id.clone());
        }
        walk.go_on(&children, ahead.depth);
        let children = children.into_iter().map(|child| child.stripped).collect();
        Ok(Some(HierarchyRoom { summary, children }))
    }

    /// A room of a tree, and the rooms that it names as its children in their order.
    pub(crate) async fn room(
        &self,
        snapshot: &Snapshot,
        row: &rooms::Room,
        summary: Summary,
        suggested_only: bool,
    ) -> Result<(HierarchyRoom, Vec<OwnedRoomId>)> {
        let children = match summary.room_type.as_deref() {
            Some("m.space") => self.children(snapshot, row, suggested_only).await?,
            _ => Vec::new(),
        };
        let named = children.iter().map(|child| child.room_id.clone()).collect();
        let children = children.into_iter().map(|child| child.stripped).collect();
        Ok((HierarchyRoom { summary: summary.to_matrix(), children }, named))
    }

    /// The children of a space in their order.
    async fn children(&self, snapshot: &Snapshot, row: &rooms::Room, suggested_only: bool) -> Result<Vec<Child>> {
        let (events, trees) = self.summaries.parts();
        let mut nums: Vec<EventNum> = Vec::new();
        for key_num in self.child_keys(snapshot, row).await?.iter() {
            nums.extend(trees.get(snapshot, row.state_root, *key_num).await?);
        }
        nums.truncate(LARGEST);
        let mut children: Vec<Child> = Vec::new();
        for event in events.load(snapshot, &nums).await? {
            children.extend(child(&event, suggested_only));
        }
        in_order(&mut children);
        Ok(children)
    }

    async fn child_keys(&self, snapshot: &Snapshot, row: &rooms::Room) -> Result<ChildKeys> {
        let state = (row.room_num, row.state_root);
        if let Some(keys) = self.children.get(&state) {
            return Ok(keys);
        }
        let (_, trees) = self.summaries.parts();
        let all = trees.all(snapshot, row.state_root).await?;
        let keys = state::keys_of_kind(snapshot, "m.space.child", all.into_iter().map(|(key_num, _)| key_num)).await?;
        let keys: ChildKeys = keys.into_iter().map(|(key_num, _)| key_num).collect();
        self.children.insert(state, Arc::clone(&keys));
        Ok(keys)
    }
}

impl Walk {
    /// Lets the children of a room wait, the first of them last.
    fn go_on(&mut self, children: &[Child], depth: u64) {
        if depth >= self.max_depth {
            return;
        }
        for child in children.iter().rev() {
            if self.waiting.len() < LARGEST && !self.visited.contains(&child.room_id) {
                let via = Arc::clone(&child.via);
                self.waiting.push_back(Ahead { room_id: child.room_id.clone(), depth: depth + 1, via });
            }
        }
    }
}

/// Those with an order come first.
fn in_order(children: &mut [Child]) {
    children.sort_by(|a, b| {
        let key = |child: &Child| (child.order.is_none(), child.order.clone(), child.ts, child.room_id.clone());
        key(a).cmp(&key(b))
    });
}

/// A child that a state event names.
fn child(event: &Stored, suggested_only: bool) -> Option<Child> {
    let ts = event.pdu.origin_server_ts();
    let room_id = event.pdu.state_key()?;
    let stripped = json!({
        "type": "m.space.child", "state_key": room_id, "sender": event.pdu.sender(), "content": event.pdu.content(),
        "origin_server_ts": ts,
    });
    let stripped = domicile_room::create::raw(&stripped);
    child_of(room_id, event.pdu.content(), ts, stripped, suggested_only)
}

/// The children of a space elsewhere, in their order.
fn children_of(space: &RemoteSpace, suggested_only: bool) -> Vec<Child> {
    #[derive(Deserialize)]
    struct Stripped<'a> {
        state_key: String,
        origin_server_ts: MilliSecondsSinceUnixEpoch,
        #[serde(borrow)]
        content: &'a RawValue,
    }
    let read = |event: &Raw<HierarchySpaceChildEvent>| {
        let json = event.json().to_owned();
        let Stripped { state_key, origin_server_ts, content } = serde_json::from_str(event.json().get()).ok()?;
        child_of(&state_key, content, origin_server_ts, json, suggested_only)
    };
    let mut children: Vec<Child> = space.children_state.iter().filter_map(read).collect();
    in_order(&mut children);
    children
}

/// A child: without a `via` none is named.
fn child_of(
    room_id: &str,
    content: &RawValue,
    ts: MilliSecondsSinceUnixEpoch,
    stripped: Box<RawValue>,
    suggested_only: bool,
) -> Option<Child> {
    #[derive(Deserialize)]
    struct Content {
        via: Vec<String>,
        #[serde(default)]
        order: serde_json::Value,
        #[serde(default)]
        suggested: serde_json::Value,
    }
    let content: Content = serde_json::from_str(content.get()).ok()?;
    let room_id = <&RoomId>::try_from(room_id).ok()?.to_owned();
    let servers = content.via.iter().filter_map(|name| <&ServerName>::try_from(name.as_str()).ok());
    let via: Arc<[OwnedServerName]> = servers.take(VIA).map(ToOwned::to_owned).collect();
    if via.is_empty() || (suggested_only && content.suggested != true) {
        return None;
    }
    let in_order = |order: &&str| order.len() <= 50 && order.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let order = content.order.as_str().filter(in_order).map(str::to_owned);
    Some(Child { room_id, order, ts, via, stripped })
}
