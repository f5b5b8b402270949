//! The graph of events that allow others: auth chains, from memory where possible.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domicile_core::ids::EventNum;
use domicile_store::{Snapshot, table::graph};
use quick_cache::sync::Cache;

use crate::Result;

/// State events whose edges are kept in memory.
const CACHED: usize = 200_000;
/// Events whose edges are read at once.
const AT_ONCE: usize = 2_000;

/// Which events allow which.
pub struct Graph {
    edges: Cache<EventNum, Arc<[EventNum]>>,
}

impl Default for Graph {
    fn default() -> Self {
        Self { edges: Cache::new(CACHED) }
    }
}

impl Graph {
    /// The events that allow each of `nums`. Those that are no state events have none.
    pub async fn auths(&self, snapshot: &Snapshot, nums: &[EventNum]) -> Result<HashMap<EventNum, Arc<[EventNum]>>> {
        let mut found = HashMap::with_capacity(nums.len());
        let mut missing = Vec::new();
        for num in nums {
            match self.edges.get(num) {
                Some(auths) => drop(found.insert(*num, auths)),
                None => missing.push(*num),
            }
        }
        for chunk in missing.chunks(AT_ONCE) {
            for (num, auths) in graph::auth_edges(snapshot, chunk.iter().copied()).await? {
                let auths: Arc<[EventNum]> = auths.into();
                self.edges.insert(num, Arc::clone(&auths));
                found.insert(num, auths);
            }
        }
        Ok(found)
    }

    /// Everything that allows `from`, directly and through others, without `from` itself unless it is among these.
    pub async fn chain(
        &self,
        snapshot: &Snapshot,
        from: impl IntoIterator<Item = EventNum>,
    ) -> Result<HashSet<EventNum>> {
        self.chain_beyond(snapshot, from, |_| false).await
    }

    /// The same, but not beyond events for which `stop` is true; these themselves are left out too.
    pub async fn chain_beyond(
        &self,
        snapshot: &Snapshot,
        from: impl IntoIterator<Item = EventNum>,
        stop: impl Fn(EventNum) -> bool,
    ) -> Result<HashSet<EventNum>> {
        let mut chain = HashSet::new();
        let mut todo: Vec<EventNum> = from.into_iter().collect();
        while !todo.is_empty() {
            let edges = self.auths(snapshot, &todo).await?;
            todo.clear();
            for auths in edges.values() {
                for auth in auths.iter() {
                    if !stop(*auth) && chain.insert(*auth) {
                        todo.push(*auth);
                    }
                }
            }
        }
        Ok(chain)
    }
}
