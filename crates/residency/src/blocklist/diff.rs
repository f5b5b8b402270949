//! What is different from the last time.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    listing::{Key, Listing},
    run::Run,
};

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something of ours stands in the register that did not.
    Appeared(Box<Listing>),
    /// The register says something else about it.
    Changed {
        /// What it said.
        before: Box<Listing>,
        /// What it says.
        now: Box<Listing>,
    },
    /// It is gone from the register.
    Disappeared(Box<Listing>),
    /// It is not ours any more, so it is not looked for.
    Forgotten(Key),
}

/// All differences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Each, in the order of keys.
    pub all: Vec<Change>,
    /// Listings that were not met, and are kept because the register was not whole.
    pub held: u64,
}

/// Compares what is known with a register as it was read. From a register that is not whole nothing disappears: what was not met may stand where
/// it could not be read.
pub fn compare(known: &BTreeMap<Key, Listing>, run: &Run, own: &[String]) -> Changes {
    let own: BTreeSet<&str> = own.iter().map(String::as_str).collect();
    let mut changes = Changes::default();
    let keys: BTreeSet<&Key> = known.keys().chain(run.listings.keys()).collect();
    for key in keys {
        match (known.get(key), run.listings.get(key)) {
            (None, Some(now)) => changes.all.push(Change::Appeared(Box::new(now.clone()))),
            (Some(before), Some(now)) if !before.says_the_same(now) => {
                changes.all.push(Change::Changed { before: Box::new(before.clone()), now: Box::new(now.clone()) });
            }
            (Some(_), None) if !own.contains(key.own.as_str()) => changes.all.push(Change::Forgotten(key.clone())),
            (Some(before), None) if run.is_whole() => changes.all.push(Change::Disappeared(Box::new(before.clone()))),
            (Some(_), None) => changes.held += 1,
            (Some(_), Some(_)) | (None, None) => {}
        }
    }
    changes
}
