//! What `cargo metadata` says about the workspace and its dependencies.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::command;

/// Every package of the lock file.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    pub(super) source: Option<String>,
    pub(super) dependencies: Vec<Dependency>,
}

/// One line of a `Cargo.toml`'s dependencies.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// `None`, `dev` or `build`.
    pub(super) kind: Option<String>,
    pub(super) features: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<NodeDep>,
}

#[derive(Debug, Deserialize)]
struct NodeDep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Debug, Deserialize)]
struct DepKind {
    kind: Option<String>,
}

impl Metadata {
    pub(super) fn read() -> Result<Self> {
        let json = command::read(command::cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
        serde_json::from_str(&json).context("understanding what `cargo metadata` says")
    }

    /// The workspace's own packages.
    pub(super) fn own(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }

    /// The chain of names by which `from` comes to need `to` in the product (not only in its tests), if it does.
    pub(super) fn way(&self, from: &Package, to: &str) -> Option<Vec<&str>> {
        let names: BTreeMap<&str, &str> = self.packages.iter().map(|p| (p.id.as_str(), p.name.as_str())).collect();
        let nodes: BTreeMap<&str, &Node> = self.resolve.nodes.iter().map(|node| (node.id.as_str(), node)).collect();
        let mut queue = VecDeque::from([vec![from.id.as_str()]]);
        let mut seen = BTreeSet::from([from.id.as_str()]);
        while let Some(way) = queue.pop_front() {
            let last = *way.last()?;
            if names.get(last) == Some(&to) {
                return Some(way.into_iter().filter_map(|id| names.get(id).copied()).collect());
            }
            for dep in nodes.get(last).map_or(&[][..], |node| &node.deps) {
                if dep.dep_kinds.iter().any(|kind| kind.kind.is_none()) && seen.insert(&dep.pkg) {
                    queue.push_back([way.as_slice(), &[dep.pkg.as_str()]].concat());
                }
            }
        }
        None
    }
}
