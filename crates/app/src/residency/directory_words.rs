//! What the cells that hold the directory say to each other.

use domicile_residency::directory::{Entry, Tip};
use serde::{Deserialize, Serialize};

use super::hash_keys::ToldKeys;

/// Where a follower is told what the decider has written.
pub const FOLLOW: &str = "/_domicile/inner/v1/names/follow";
/// Where holders of the directory are asked by a decider that begins.
pub const BEGIN: &str = "/_domicile/inner/v1/names/begin";
/// Where they give it what it lacks.
pub const ENTRIES: &str = "/_domicile/inner/v1/names/entries";

/// What the decider tells a follower.
#[derive(Debug, Serialize, Deserialize)]
pub struct Push {
    /// The end of the log before these entries.
    pub after: Tip,
    /// The entries.
    pub entries: Vec<Entry>,
    /// How many entries the decider has.
    pub head: u64,
    /// The keys of the hashes.
    #[serde(flatten)]
    pub keys: ToldKeys,
}

/// What a follower has then.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reached {
    /// The end of its log.
    pub tip: Tip,
    /// Its log is another one than the decider's.
    pub forked: bool,
    /// It is hashing its log anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_changing: bool,
}

/// The decider of a term begins.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begin {
    /// The document that names it, with the root key's signature.
    pub document: String,
}

/// What a holder has.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begun {
    /// The end of its log.
    pub tip: Tip,
    /// The keys of the hashes.
    #[serde(flatten)]
    pub keys: ToldKeys,
    /// Whether it had heard of this term before: then the decider may have written in it already.
    pub was_begun: bool,
}

/// A question for entries.
#[derive(Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// After this number.
    pub after: u64,
}

/// Entries of the log, a page at most.
#[derive(Debug, Serialize, Deserialize)]
pub struct Entries {
    /// The entries.
    pub entries: Vec<Entry>,
}
