//! Words: what has to be done again with an account where an older backup is restored. Whoever does such a thing adds one to the batch that does it.

use domicile_core::ids::UserNum;
use domicile_store::{Batch, table::restore_words};

/// What is done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The person was erased.
    Erased,
    /// The account was ended.
    Deactivated,
    /// A device is gone; the detail is its id.
    Device,
    /// The password is another one; the detail is its hash.
    Password,
    /// The account was locked or unlocked; the detail is since when, or nothing.
    Locked,
    /// The account was suspended or is not any more; the same.
    Suspended,
}

impl Kind {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Erased, "erased"),
        (Self::Deactivated, "deactivated"),
        (Self::Device, "device"),
        (Self::Password, "password"),
        (Self::Locked, "locked"),
        (Self::Suspended, "suspended"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    /// The kind of a word; none of one that a newer program wrote.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }
}

/// Adds a word to the batch that does what it says.
pub(crate) fn note(batch: &mut Batch, user_num: UserNum, kind: Kind, detail: &str) {
    // What was said of the person before does not matter any more.
    if kind == Kind::Erased {
        restore_words::forget(batch, user_num);
    }
    restore_words::add(batch, user_num, kind.word(), detail);
}

/// The detail of a lock or a suspension.
pub(crate) fn since(at_ts: Option<i64>) -> String {
    at_ts.map(|at_ts| at_ts.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_word() {
        for (kind, word) in Kind::ALL {
            assert_eq!((Kind::parse(word), kind.word()), (Some(kind), word));
        }
        assert_eq!(Kind::parse("something newer"), None);
    }
}
