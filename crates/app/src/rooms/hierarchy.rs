//! The tree of rooms under a space (client-server, *Discovering rooms within spaces*), a page at a time.
//!
//! A walk goes depth first and remembers where it stopped, so that a page costs what it shows and not what came before it.

use std::sync::Arc;

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
use ruma::{MilliSecondsSinceUnixEpoch, OwnedRoomId, RoomId, ServerName};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{Summaries, summary::Summary};
use crate::{Error, Result, accounts::Session, error::forbidden, events::Stored};

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
    pub summary: Summary,
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

/// Where a walk stands.
#[derive(Clone)]
struct Walk {
    user_num: UserNum,
    root: OwnedRoomId,
    max_depth: u64,
    suggested_only: bool,
    /// The rooms to visit, the next one last, and how deep they are.
    waiting: Vector<(OwnedRoomId, u64)>,
    visited: HashSet<OwnedRoomId>,
}

struct Child {
    room_id: OwnedRoomId,
    order: Option<String>,
    ts: MilliSecondsSinceUnixEpoch,
    stripped: Box<RawValue>,
}

/// The state keys of a space's children in one state.
type ChildKeys = Arc<[KeyNum]>;

/// Walks through spaces.
pub struct Hierarchies {
    summaries: Arc<Summaries>,
    rng: Arc<dyn Rng>,
    walks: Cache<String, Arc<Walk>>,
    children: Cache<(RoomNum, NodeNum), ChildKeys>,
}

impl Hierarchies {
    /// Over summaries.
    pub fn new(summaries: Arc<Summaries>, rng: Arc<dyn Rng>) -> Self {
        Self { summaries, rng, walks: Cache::new(WALKS), children: Cache::new(WALKS) }
    }

    /// A page of the tree under a room.
    pub async fn page(self: &Arc<Self>, by: &Session, request: HierarchyRequest) -> Result<HierarchyPage> {
        let limit = request.limit.map_or(PAGE.0, |limit| usize::try_from(limit).unwrap_or(PAGE.1));
        if limit == 0 {
            return Err(ErrorKind::InvalidParam.with("`limit` must be greater than 0.").into());
        }
        let first = request.from.is_none();
        let mut walk = self.walk(by, request)?;
        let this = Arc::clone(self);
        let (rooms, walk) = self
            .summaries
            .store()
            .read(move |snapshot| async move {
                let rooms = this.visit(&snapshot, &mut walk, limit.min(PAGE.1)).await?;
                Ok::<_, Error>((rooms, walk))
            })
            .await?;
        if first && rooms.first().is_none_or(|room| room.summary.info.room_id != walk.root) {
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
            let waiting = Vector::unit((room_id.clone(), 0));
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

    async fn visit(&self, snapshot: &Snapshot, walk: &mut Walk, limit: usize) -> Result<Vec<HierarchyRoom>> {
        let mut found = Vec::new();
        for _ in 0..LOOKED_AT {
            if found.len() == limit {
                break;
            }
            let Some((room_id, depth)) = walk.waiting.pop_back() else { break };
            if walk.visited.insert(room_id.clone()).is_some() {
                continue;
            }
            let row = rooms::by_id(snapshot, room_id.as_str()).await?;
            let Some(row) = row.filter(|row| row.has_copy) else { continue };
            let summary = self.summaries.load(snapshot, &row).await?;
            let membership = self.summaries.membership(snapshot, Some(walk.user_num), row.room_num).await?;
            if !self.summaries.may_see(snapshot, Some(walk.user_num), &summary, membership).await? {
                continue;
            }
            let children = match summary.room_type.as_deref() {
                Some("m.space") => self.children(snapshot, &row, walk.suggested_only).await?,
                _ => Vec::new(),
            };
            if depth < walk.max_depth {
                for child in children.iter().rev() {
                    if walk.waiting.len() < LARGEST && !walk.visited.contains(&child.room_id) {
                        walk.waiting.push_back((child.room_id.clone(), depth + 1));
                    }
                }
            }
            let children = children.into_iter().map(|child| child.stripped).collect();
            found.push(HierarchyRoom { summary, children });
        }
        Ok(found)
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
        Ok((HierarchyRoom { summary, children }, named))
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
        // Those with an order come first.
        children.sort_by(|a, b| {
            let key = |child: &Child| (child.order.is_none(), child.order.clone(), child.ts, child.room_id.clone());
            key(a).cmp(&key(b))
        });
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

/// A child that a state event names: without a `via` it names none.
fn child(event: &Stored, suggested_only: bool) -> Option<Child> {
    #[derive(Deserialize)]
    struct Content {
        via: Vec<String>,
        #[serde(default)]
        order: serde_json::Value,
        #[serde(default)]
        suggested: serde_json::Value,
    }
    let content: Content = event.pdu.content_as()?;
    let room_id = <&RoomId>::try_from(event.pdu.state_key()?).ok()?.to_owned();
    let via_a_server = content.via.iter().any(|server| <&ServerName>::try_from(server.as_str()).is_ok());
    if !via_a_server || (suggested_only && content.suggested != true) {
        return None;
    }
    let in_order = |order: &&str| order.len() <= 50 && order.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
    let ts = event.pdu.origin_server_ts();
    let stripped = json!({
        "type": "m.space.child", "state_key": room_id, "sender": event.pdu.sender(), "content": event.pdu.content(),
        "origin_server_ts": ts,
    });
    Some(Child {
        order: content.order.as_str().filter(in_order).map(str::to_owned),
        room_id,
        ts,
        stripped: domicile_room::create::raw(&stripped),
    })
}
