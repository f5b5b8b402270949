//! Many changes of a state tree at once: every node on the way is written once, however many of the changes go through it.

use super::tree::{Missing, Node, Nodes, child_index, plant};

/// A new version in which each key of `changes` has its event, or is gone: its root, and the nodes to be stored under numbers that `number`
/// gives. Of changes of one key the last counts.
pub fn change(
    root: i64,
    changes: &[(i64, Option<i64>)],
    nodes: &impl Nodes,
    number: &mut dyn FnMut() -> i64,
) -> Result<(i64, Vec<(i64, Node)>), Missing> {
    // Numbers are only taken when nothing is missing any more.
    let mut missing = Vec::new();
    look(root, 0, changes, nodes, &mut missing);
    if !missing.is_empty() {
        return Err(Missing(missing));
    }
    let mut written = Vec::new();
    let root = change_at(root, 0, changes, nodes, number, &mut written)?;
    Ok((root, written))
}

/// Which nodes on the way of the changes are not at hand.
fn look(at: i64, level: u32, changes: &[(i64, Option<i64>)], nodes: &impl Nodes, missing: &mut Vec<i64>) {
    if at == 0 || changes.is_empty() {
        return;
    }
    let Some(node) = nodes.node(at) else {
        missing.push(at);
        return;
    };
    if let Node::Inner(children) = &*node {
        for (child, part) in children.iter().zip(parts(changes, level)) {
            look(*child, level + 1, &part, nodes, missing);
        }
    }
}

fn change_at(
    at: i64,
    level: u32,
    changes: &[(i64, Option<i64>)],
    nodes: &impl Nodes,
    number: &mut dyn FnMut() -> i64,
    written: &mut Vec<(i64, Node)>,
) -> Result<i64, Missing> {
    if changes.is_empty() {
        return Ok(at);
    }
    let node = if at == 0 { None } else { Some(nodes.node(at).ok_or_else(|| Missing(vec![at]))?) };
    let mut entries = match node.as_deref() {
        None => Vec::new(),
        Some(Node::Leaf(entries)) => entries.clone(),
        Some(Node::Inner(children)) => {
            let mut new = [0; 16];
            for (index, part) in parts(changes, level).into_iter().enumerate() {
                new[index] = change_at(children[index], level + 1, &part, nodes, number, written)?;
            }
            if new == *children || new == [0; 16] {
                return Ok(if new == *children { at } else { 0 });
            }
            let node_num = number();
            written.push((node_num, Node::Inner(new)));
            return Ok(node_num);
        }
    };
    let before = entries.clone();
    for (key, event) in changes {
        match (entries.binary_search_by_key(key, |entry| entry.0), event) {
            (Ok(index), Some(event)) => entries[index].1 = *event,
            (Ok(index), None) => drop(entries.remove(index)),
            (Err(index), Some(event)) => entries.insert(index, (*key, *event)),
            (Err(_), None) => {}
        }
    }
    if entries == before {
        return Ok(at);
    }
    Ok(if entries.is_empty() { 0 } else { plant(entries, level, number, written) })
}

fn parts(changes: &[(i64, Option<i64>)], level: u32) -> [Vec<(i64, Option<i64>)>; 16] {
    let mut parts: [Vec<(i64, Option<i64>)>; 16] = std::array::from_fn(|_| Vec::new());
    for change in changes {
        parts[child_index(change.0, level)].push(*change);
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;
    use crate::state::tree::{NodeCache, all, diff, get};

    struct Trees {
        nodes: NodeCache,
        next: i64,
        written: usize,
    }

    impl Trees {
        fn change(&mut self, root: i64, changes: &[(i64, Option<i64>)]) -> i64 {
            let next = &mut self.next;
            let mut number = || {
                *next += 1;
                *next
            };
            let (root, written) = change(root, changes, &self.nodes, &mut number).unwrap();
            self.written += written.len();
            self.nodes.extend(written.into_iter().map(|(node_num, node)| (node_num, Arc::new(node))));
            root
        }
    }

    #[test]
    fn many_changes_at_once_are_those_one_by_one() {
        let mut trees = Trees { nodes: NodeCache::new(), next: 0, written: 0 };
        let (mut model, mut root) = (BTreeMap::new(), 0);
        for round in 0..40_i64 {
            let changes: Vec<(i64, Option<i64>)> = (0..=(round * 20))
                .map(|step| {
                    let key = (step * 7_919 + round * 31) % 3_000 + 1;
                    (key, ((step + round) % 5 != 0).then_some(round * 10_000 + step))
                })
                .collect();
            let before = root;
            let old = model.clone();
            for (key, event) in &changes {
                match event {
                    Some(event) => drop(model.insert(*key, *event)),
                    None => drop(model.remove(key)),
                }
            }
            root = trees.change(root, &changes);
            let mut found = all(root, &trees.nodes).unwrap();
            found.sort_unstable();
            assert_eq!(found, model.iter().map(|(key, event)| (*key, *event)).collect::<Vec<_>>());
            let changed = diff(before, root, &trees.nodes).unwrap();
            for (key, was, is) in changed {
                assert_eq!((was, is), (old.get(&key).copied(), model.get(&key).copied()), "key {key}");
            }
        }
        assert_eq!(trees.change(root, &[]), root);
        let key = *model.keys().next().unwrap();
        assert_eq!(trees.change(root, &[(key, get(root, key, &trees.nodes).unwrap())]), root, "nothing changes");
        let gone: Vec<_> = model.keys().map(|key| (*key, None)).collect();
        assert_eq!(trees.change(root, &gone), 0);
    }

    #[test]
    fn a_whole_room_is_written_once() {
        let mut trees = Trees { nodes: NodeCache::new(), next: 0, written: 0 };
        let all: Vec<_> = (1..=50_000).map(|key| (key, Some(key + 1_000_000))).collect();
        trees.change(0, &all);
        assert!(trees.written < 6_000, "{} nodes", trees.written);
    }
}
