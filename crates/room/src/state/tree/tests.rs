//! Versions share what they do not change.

use std::collections::BTreeMap;

use super::*;

struct Trees {
    nodes: NodeCache,
    next: i64,
    bytes: usize,
}

impl Trees {
    fn new() -> Self {
        Self { nodes: NodeCache::new(), next: 1, bytes: 0 }
    }

    fn insert(&mut self, root: i64, key: i64, event: i64) -> i64 {
        let next = &mut self.next;
        let mut number = || {
            *next += 1;
            *next
        };
        let (root, written) = insert(root, key, event, &self.nodes, &mut number).unwrap();
        for (node_num, node) in written {
            let bytes = node.encode();
            self.bytes += bytes.len();
            assert_eq!(Node::decode(&bytes).unwrap(), node);
            self.nodes.insert(node_num, Arc::new(node));
        }
        root
    }
}

#[test]
fn every_version_keeps_what_it_had() {
    let (mut trees, mut model, mut root) = (Trees::new(), BTreeMap::new(), 0);
    let mut versions = Vec::new();
    for step in 0..3_000_i64 {
        let key = (step * 7_919) % 1_000 + 1;
        root = trees.insert(root, key, step + 1);
        model.insert(key, step + 1);
        if step % 500 == 0 {
            versions.push((root, model.clone()));
        }
    }
    for (root, model) in &versions {
        let mut found = all(*root, &trees.nodes).unwrap();
        found.sort_unstable();
        assert_eq!(found, model.iter().map(|(key, event)| (*key, *event)).collect::<Vec<_>>());
        assert_eq!(get(*root, 8, &trees.nodes).unwrap(), model.get(&8).copied());
    }
    let (old, new) = (&versions[1], &versions[3]);
    let expected: Vec<_> = new
        .1
        .iter()
        .filter(|(key, event)| old.1.get(key) != Some(event))
        .map(|(key, event)| (*key, old.1.get(key).copied(), Some(*event)))
        .collect();
    assert_eq!(diff(old.0, new.0, &trees.nodes).unwrap(), expected);
    assert_eq!(diff(new.0, new.0, &trees.nodes).unwrap(), vec![]);
}

#[test]
fn a_change_among_10_000_entries_is_small_and_shallow() {
    let (mut trees, mut root) = (Trees::new(), 0);
    for key in 1..=10_000 {
        root = trees.insert(root, key, 5_000_000 + key);
    }
    let before = trees.bytes;
    for key in 1..=100 {
        root = trees.insert(root, key * 97, 9_000_000 + key);
    }
    let each = (trees.bytes - before) / 100;
    assert!(each < 800, "{each} bytes for a change");
    for key in [1, 5_000, 9_999] {
        let mut reads = 0;
        let mut at_hand = NodeCache::new();
        while let Err(Missing(wanted)) = get(root, key, &at_hand) {
            reads += 1;
            for num in wanted {
                at_hand.insert(num, Arc::clone(&trees.nodes[&num]));
            }
        }
        assert!(reads <= 4, "{reads} reads");
    }
}
