//! A listing: something of ours that stands in a register, or near what stands there.

use serde::{Deserialize, Serialize};

use super::problem::Place;

/// How an entry meets something of ours, the strongest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Our very name.
    Name,
    /// A mask, or a name with everything below it, that ours fits.
    Mask,
    /// A page of our host. Where it is reached over TLS, what blocks a page blocks the host.
    Url,
    /// Our very address.
    Address,
    /// A network in which our address lies.
    Network,
    /// A name or an address inside of our mask or network.
    Inside,
    /// The name above ours, without saying that what is below it is meant.
    NameAbove,
    /// Our name in an entry that blocks something else, such as a single page without TLS.
    NameBeside,
    /// Our address beside somebody else's name: where that name led when the entry was made. Whoever blocks by addresses blocks us.
    AddressBeside,
}

impl How {
    /// Whether ours is what is blocked. Else it is near it, and may be hit with it.
    pub fn is_listed(self) -> bool {
        self <= Self::Inside
    }

    /// In words, for a person: what ours is to the entry.
    pub fn explained(self) -> &'static str {
        match self {
            Self::Name => "is listed",
            Self::Mask => "is covered by a mask",
            Self::Url => "has a page that is listed",
            Self::Address => "is a listed address",
            Self::Network => "lies in a listed network",
            Self::Inside => "contains something that is listed",
            Self::NameAbove => "stands below a listed name",
            Self::NameBeside => "stands beside what is listed",
            Self::AddressBeside => "shares an address with something that is listed",
        }
    }
}

/// Which listing it is: by this it is known again in a later register.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// What is ours.
    pub own: String,
    /// What the entry names, in its one form; a long address of a page is cut.
    pub matched: String,
    /// Who decided, as the register has it; empty if it does not say.
    pub authority: String,
    /// The decision's number.
    pub number: String,
}

/// Something of ours in a register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Which it is.
    #[serde(flatten)]
    pub key: Key,
    /// How the entry meets ours.
    pub how: How,
    /// The decision's date, as `2026-11-27` where it could be read.
    pub date: String,
    /// Since when it is in the register, as the register has it.
    pub included: String,
    /// The entry's number.
    pub id: String,
    /// By which law, in the register's own code.
    pub entry_type: String,
    /// How it is blocked, in the register's own word.
    pub block_type: String,
    /// How soon, in the register's own code.
    pub urgency: String,
    /// Why, in words.
    pub reason: String,
    /// The part of the register, such as `dump-00.csv`.
    pub part: String,
    /// Where in it.
    #[serde(flatten)]
    pub place: Place,
}

impl Listing {
    /// Whether it says the same as another one of the same key. Entries move about in a register, so the place plays no part.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let said = |listing: &Self| {
            let Self { how, date, included, id, entry_type, block_type, urgency, reason, .. } = listing.clone();
            (how, date, included, id, entry_type, block_type, urgency, reason)
        };
        said(self) == said(other)
    }
}

/// A mask or a network so wide that it says nothing about anybody: told once, not for each of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broad {
    /// It, in its one form.
    pub matched: String,
    /// Who decided.
    pub authority: String,
    /// The decision's number.
    pub number: String,
    /// The part of the register.
    pub part: String,
    /// Where in it.
    #[serde(flatten)]
    pub place: Place,
}
