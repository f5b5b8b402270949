//! A persistent map from state key number to event number, whose versions share structure.
//!
//! A version is the number of its root node; 0 is the empty map. Nodes never change. A change writes the nodes on the path from the root to
//! one leaf, three or four nodes of 16 children or up to 32 entries, whatever the size of the map; everything else is shared with the version
//! before. The path of a key comes from a hash of its number, so numbers that were given in a row spread evenly.
//!
//! Nothing here reads from disk: a function that lacks nodes says which, the caller fetches them into the [`NodeCache`] and calls again.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;

/// Entries of a leaf before it is split.
const LEAF: usize = 32;
/// Bits of the hash that choose a child.
const BITS: u32 = 4;

/// A node, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// Keys and events, by key.
    Leaf(Vec<(i64, i64)>),
    /// Child nodes by the next bits of the hash; 0 where there is none.
    Inner([i64; 16]),
}

/// A key, its event in one version and its event in another.
pub type Change = (i64, Option<i64>, Option<i64>);

/// Nodes at hand.
pub trait Nodes {
    /// A node, if it is at hand.
    fn node(&self, node_num: i64) -> Option<Arc<Node>>;
}

/// The simplest set of nodes.
pub type NodeCache = HashMap<i64, Arc<Node>>;

impl Nodes for NodeCache {
    fn node(&self, node_num: i64) -> Option<Arc<Node>> {
        self.get(&node_num).cloned()
    }
}

/// The nodes that are needed and not at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub Vec<i64>);

/// Bytes that are no node.
#[derive(Debug, thiserror::Error)]
#[error("a node of a state tree cannot be read")]
pub struct Unreadable;

impl Node {
    /// The stored form.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(128);
        match self {
            Self::Leaf(entries) => {
                out.push(0);
                let mut before = 0;
                for (key, event) in entries {
                    varint(&mut out, key - before);
                    varint(&mut out, *event);
                    before = *key;
                }
            }
            Self::Inner(children) => {
                out.push(1);
                for child in children {
                    varint(&mut out, *child);
                }
            }
        }
        Bytes::from(out)
    }

    /// The node of a stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let (tag, mut rest) = bytes.split_first().ok_or(Unreadable)?;
        let mut numbers = Vec::with_capacity(2 * LEAF);
        while !rest.is_empty() {
            numbers.push(read_varint(&mut rest).ok_or(Unreadable)?);
        }
        match tag {
            0 if numbers.len().is_multiple_of(2) => {
                let mut key = 0;
                let entries = numbers.chunks_exact(2).map(|pair| {
                    key += pair[0];
                    (key, pair[1])
                });
                Ok(Self::Leaf(entries.collect()))
            }
            1 => Ok(Self::Inner(numbers.try_into().map_err(|_| Unreadable)?)),
            _ => Err(Unreadable),
        }
    }
}

/// The event of a key.
pub fn get(root: i64, key: i64, nodes: &impl Nodes) -> Result<Option<i64>, Missing> {
    let (mut at, mut level) = (root, 0);
    while at != 0 {
        match &*nodes.node(at).ok_or_else(|| Missing(vec![at]))? {
            Node::Leaf(entries) => {
                return Ok(entries.binary_search_by_key(&key, |entry| entry.0).ok().map(|index| entries[index].1));
            }
            Node::Inner(children) => at = children[child_index(key, level)],
        }
        level += 1;
    }
    Ok(None)
}

/// All keys and events.
pub fn all(root: i64, nodes: &impl Nodes) -> Result<Vec<(i64, i64)>, Missing> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    let mut todo = vec![root];
    while let Some(at) = todo.pop() {
        if at == 0 {
            continue;
        }
        match nodes.node(at) {
            None => missing.push(at),
            Some(node) => match &*node {
                Node::Leaf(entries) => found.extend_from_slice(entries),
                Node::Inner(children) => todo.extend_from_slice(children),
            },
        }
    }
    if missing.is_empty() { Ok(found) } else { Err(Missing(missing)) }
}

/// The entries in which `new` differs from `old`: key, event before, event after. What both share is not looked at.
pub fn diff(old: i64, new: i64, nodes: &impl Nodes) -> Result<Vec<Change>, Missing> {
    let mut missing = Vec::new();
    let mut changes = Vec::new();
    let mut todo = vec![(old, new)];
    while let Some((old, new)) = todo.pop() {
        if old == new {
            continue;
        }
        let (Some(old), Some(new)) = (fetch(old, nodes, &mut missing), fetch(new, nodes, &mut missing)) else {
            continue;
        };
        match (&*old, &*new) {
            (Node::Inner(old), Node::Inner(new)) => todo.extend(old.iter().copied().zip(new.iter().copied())),
            (old, new) => match (entries(old, nodes), entries(new, nodes)) {
                (Ok(old), Ok(new)) => compare(&old, &new, &mut changes),
                (old, new) => {
                    missing.extend([old.err(), new.err()].into_iter().flatten().flat_map(|missing| missing.0));
                }
            },
        }
    }
    changes.sort_unstable();
    if missing.is_empty() { Ok(changes) } else { Err(Missing(missing)) }
}

fn fetch(at: i64, nodes: &impl Nodes, missing: &mut Vec<i64>) -> Option<Arc<Node>> {
    if at == 0 {
        return Some(Arc::new(Node::Leaf(Vec::new())));
    }
    let node = nodes.node(at);
    if node.is_none() {
        missing.push(at);
    }
    node
}

fn entries(node: &Node, nodes: &impl Nodes) -> Result<Vec<(i64, i64)>, Missing> {
    let mut found = match node {
        Node::Leaf(entries) => return Ok(entries.clone()),
        Node::Inner(children) => {
            let mut found = Vec::new();
            let mut missing = Vec::new();
            for child in children {
                match all(*child, nodes) {
                    Ok(entries) => found.extend(entries),
                    Err(more) => missing.extend(more.0),
                }
            }
            if !missing.is_empty() {
                return Err(Missing(missing));
            }
            found
        }
    };
    found.sort_unstable();
    Ok(found)
}

fn compare(old: &[(i64, i64)], new: &[(i64, i64)], changes: &mut Vec<Change>) {
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let (a, b) = (left.peek().copied(), right.peek().copied());
        match (a, b) {
            (None, None) => return,
            (Some(a), Some(b)) if a.0 == b.0 => {
                if a.1 != b.1 {
                    changes.push((a.0, Some(a.1), Some(b.1)));
                }
                left.next();
                right.next();
            }
            (Some(a), b) if b.is_none_or(|b| a.0 < b.0) => {
                changes.push((a.0, Some(a.1), None));
                left.next();
            }
            (_, Some(b)) => {
                changes.push((b.0, None, Some(b.1)));
                right.next();
            }
            (Some(_), None) => {
                left.next();
            }
        }
    }
}

/// A new version in which `key` has `event`: its root, and the nodes to be stored under numbers that `number` gives.
pub fn insert(
    root: i64,
    key: i64,
    event: i64,
    nodes: &impl Nodes,
    number: &mut dyn FnMut() -> i64,
) -> Result<(i64, Vec<(i64, Node)>), Missing> {
    let mut path: Vec<([i64; 16], usize)> = Vec::new();
    let mut at = root;
    let mut leaf = Vec::new();
    while at != 0 {
        match &*nodes.node(at).ok_or_else(|| Missing(vec![at]))? {
            Node::Leaf(entries) => {
                leaf.clone_from(entries);
                break;
            }
            Node::Inner(children) => {
                let index = child_index(key, level(path.len()));
                path.push((*children, index));
                at = children[index];
            }
        }
    }
    match leaf.binary_search_by_key(&key, |entry| entry.0) {
        Ok(index) => leaf[index].1 = event,
        Err(index) => leaf.insert(index, (key, event)),
    }
    let mut written = Vec::with_capacity(4);
    let mut top = plant(leaf, level(path.len()), number, &mut written);
    while let Some((mut children, index)) = path.pop() {
        children[index] = top;
        top = number();
        written.push((top, Node::Inner(children)));
    }
    Ok((top, written))
}

/// Stores entries as one leaf, or as an inner node over several where they are too many.
pub(super) fn plant(
    entries: Vec<(i64, i64)>,
    at: u32,
    number: &mut dyn FnMut() -> i64,
    written: &mut Vec<(i64, Node)>,
) -> i64 {
    // Below 64 bits of hash nothing can be told apart any more.
    if entries.len() <= LEAF || (at + 1) * BITS > 64 {
        let node_num = number();
        written.push((node_num, Node::Leaf(entries)));
        return node_num;
    }
    let mut parts: [Vec<(i64, i64)>; 16] = std::array::from_fn(|_| Vec::new());
    for entry in entries {
        parts[child_index(entry.0, at)].push(entry);
    }
    let children = parts.map(|part| if part.is_empty() { 0 } else { plant(part, at + 1, number, written) });
    let node_num = number();
    written.push((node_num, Node::Inner(children)));
    node_num
}

fn level(depth: usize) -> u32 {
    u32::try_from(depth).unwrap_or(u32::MAX)
}

pub(super) fn child_index(key: i64, level: u32) -> usize {
    let hash = key.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from((hash >> (64 - BITS * (level % 16 + 1))) & 15).unwrap_or(0)
}

fn varint(out: &mut Vec<u8>, number: i64) {
    let mut rest = number.unsigned_abs();
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or(0));
}

fn read_varint(bytes: &mut &[u8]) -> Option<i64> {
    let (mut number, mut shift) = (0_u64, 0_u32);
    loop {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return i64::try_from(number).ok();
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests;
