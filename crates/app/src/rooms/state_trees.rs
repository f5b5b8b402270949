//! The state trees of all rooms: nodes in memory, the rest fetched when it is needed.

use std::sync::Arc;

use domicile_core::ids::{EventNum, KeyNum, NodeNum};
use domicile_room::state::{
    change,
    tree::{self, Missing, Node, Nodes},
};
use domicile_store::{Batch, Snapshot, Store, numbers::Sequence, table::state};
use parking_lot::Mutex;
use quick_cache::{Weighter, sync::Cache};

use crate::{Error, Result};

/// Numbers that are taken for new nodes at once.
const BLOCK: usize = 1_024;
/// Numbers that one change may need at most: a path and the split of its leaf, many times over.
const RESERVE: i64 = 512;

#[derive(Clone)]
struct ByBytes;

impl Weighter<i64, Arc<Node>> for ByBytes {
    fn weight(&self, _: &i64, node: &Arc<Node>) -> u64 {
        match &**node {
            Node::Leaf(entries) => 64 + 16 * entries.len() as u64,
            Node::Inner(_) => 200,
        }
    }
}

struct AtHand(Cache<i64, Arc<Node>, ByBytes>);

impl Nodes for AtHand {
    fn node(&self, node_num: i64) -> Option<Arc<Node>> {
        self.0.get(&node_num)
    }
}

/// The trees.
pub struct StateTrees {
    store: Store,
    nodes: AtHand,
    numbers: Mutex<(i64, i64)>,
}

impl StateTrees {
    /// The trees of a store, of which at most `cache_bytes` are kept in memory.
    pub fn new(store: Store, cache_bytes: u64) -> Self {
        let items = usize::try_from(cache_bytes / 300).unwrap_or(usize::MAX).max(64);
        Self { store, nodes: AtHand(Cache::with_weighter(items, cache_bytes, ByBytes)), numbers: Mutex::new((0, 0)) }
    }

    /// A new state in which `key_num` has `event_num`; its new nodes are added to the batch.
    pub async fn insert(
        &self,
        batch: &mut Batch,
        root: NodeNum,
        key_num: KeyNum,
        event_num: EventNum,
    ) -> Result<NodeNum> {
        self.reserve().await?;
        loop {
            let step = {
                let mut numbers = self.numbers.lock();
                let mut number = || {
                    numbers.0 += 1;
                    numbers.0 - 1
                };
                tree::insert(root.0, key_num.0, event_num.0, &self.nodes, &mut number)
            };
            match step {
                Ok((root, written)) => {
                    for (node_num, node) in written {
                        state::insert_node(batch, NodeNum(node_num), node.encode());
                        // If the batch fails, nothing ever refers to the number.
                        self.nodes.0.insert(node_num, Arc::new(node));
                    }
                    return Ok(NodeNum(root));
                }
                Err(missing) => self.fetch(missing).await?,
            }
        }
    }

    /// A new state in which each key has its event, or is gone; its new nodes are added to the batch, each once.
    pub async fn change(
        &self,
        batch: &mut Batch,
        root: NodeNum,
        changes: &[(KeyNum, Option<EventNum>)],
    ) -> Result<NodeNum> {
        let changes: Vec<(i64, Option<i64>)> =
            changes.iter().map(|(key_num, event_num)| (key_num.0, event_num.map(|num| num.0))).collect();
        loop {
            // As many numbers as there could be new nodes; those that are left over are nobody's.
            let first = self.store.numbers_in_a_row(Sequence::Node, changes.len() * 8 + 64).await?;
            let mut next = first;
            let mut number = || {
                next += 1;
                next - 1
            };
            match change::change(root.0, &changes, &self.nodes, &mut number) {
                Ok((root, written)) => {
                    for (node_num, node) in written {
                        state::insert_node(batch, NodeNum(node_num), node.encode());
                        self.nodes.0.insert(node_num, Arc::new(node));
                    }
                    return Ok(NodeNum(root));
                }
                Err(missing) => self.fetch(missing).await?,
            }
        }
    }

    /// What differs between two states: key, event in `old`, event in `new`.
    pub async fn differences(
        &self,
        snapshot: &Snapshot,
        old: NodeNum,
        new: NodeNum,
    ) -> Result<Vec<(KeyNum, Option<EventNum>, Option<EventNum>)>> {
        loop {
            match tree::diff(old.0, new.0, &self.nodes) {
                Ok(found) => {
                    return Ok(found
                        .into_iter()
                        .map(|(key, old, new)| (KeyNum(key), old.map(EventNum), new.map(EventNum)))
                        .collect());
                }
                Err(missing) => self.load(snapshot, missing).await?,
            }
        }
    }

    async fn reserve(&self) -> Result<()> {
        let left = {
            let numbers = self.numbers.lock();
            numbers.1 - numbers.0
        };
        if left < RESERVE {
            let first = self.store.numbers_in_a_row(Sequence::Node, BLOCK).await?;
            *self.numbers.lock() = (first, first + i64::try_from(BLOCK).unwrap_or(0));
        }
        Ok(())
    }

    async fn fetch(&self, missing: Missing) -> Result<()> {
        let nums: Vec<NodeNum> = missing.0.into_iter().map(NodeNum).collect();
        let found = self.store.read(move |snapshot| async move { state::nodes(&snapshot, nums).await }).await?;
        self.keep(found)
    }

    fn keep(&self, found: Vec<(NodeNum, bytes::Bytes)>) -> Result<()> {
        if found.is_empty() {
            return Err(Error::internal("a node of a state tree is missing"));
        }
        for (node_num, data) in found {
            let node = Node::decode(&data).map_err(Error::internal)?;
            self.nodes.0.insert(node_num.0, Arc::new(node));
        }
        Ok(())
    }

    async fn load(&self, snapshot: &Snapshot, missing: Missing) -> Result<()> {
        let found = state::nodes(snapshot, missing.0.into_iter().map(NodeNum)).await?;
        self.keep(found)
    }

    /// The event of a key in a state.
    pub async fn get(&self, snapshot: &Snapshot, root: NodeNum, key_num: KeyNum) -> Result<Option<EventNum>> {
        loop {
            match tree::get(root.0, key_num.0, &self.nodes) {
                Ok(found) => return Ok(found.map(EventNum)),
                Err(missing) => self.load(snapshot, missing).await?,
            }
        }
    }

    /// All of a state.
    pub async fn all(&self, snapshot: &Snapshot, root: NodeNum) -> Result<Vec<(KeyNum, EventNum)>> {
        loop {
            match tree::all(root.0, &self.nodes) {
                Ok(found) => {
                    return Ok(found.into_iter().map(|(key, event)| (KeyNum(key), EventNum(event))).collect());
                }
                Err(missing) => self.load(snapshot, missing).await?,
            }
        }
    }

    /// What differs between two states: the events that `new` has and `old` has not.
    pub async fn added(&self, snapshot: &Snapshot, old: NodeNum, new: NodeNum) -> Result<Vec<(KeyNum, EventNum)>> {
        loop {
            match tree::diff(old.0, new.0, &self.nodes) {
                Ok(found) => {
                    let added = found.into_iter().filter_map(|(key, _, event)| Some((KeyNum(key), EventNum(event?))));
                    return Ok(added.collect());
                }
                Err(missing) => self.load(snapshot, missing).await?,
            }
        }
    }
}
