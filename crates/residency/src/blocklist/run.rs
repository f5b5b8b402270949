//! A register as it was read this time: all of its parts together, and whether it is whole, so that what is missing in it may be believed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    listing::{Broad, Key, Listing},
    part::Part,
    problem::Problem,
};

/// How far ahead of our clock a register's time may be, in milliseconds: clocks differ, and some authorities forget their offset.
const AHEAD_MS: i64 = 24 * 3_600_000;
/// What part of its entries a register may lose from one time to the next, as a divisor: a half.
const SHRUNK_BY: u64 = 2;
/// Registers with fewer entries are too small to judge by that.
const SMALL: u64 = 100;

/// What is known beside the register itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Circumstances {
    /// The time, in milliseconds since the epoch.
    pub now_ms: i64,
    /// How old it may be, in milliseconds; none: any age.
    pub max_age_ms: Option<i64>,
    /// When whoever served it says that it was changed, in milliseconds since the epoch.
    pub served_ms: Option<i64>,
    /// How many entries it had before.
    pub entries_before: Option<u64>,
}

/// Something about a register that an operator must know, apart from what is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Warning {
    /// Some of it cannot be read.
    Damaged {
        /// The part.
        part: String,
        /// The line, from 1; 0 if the whole part is meant.
        line: u64,
        /// Where the line begins.
        byte: u64,
        /// What is wrong with it.
        reason: String,
        /// How many problems the part has.
        count: u64,
    },
    /// It has not been changed for longer than it may.
    Stale {
        /// When it was changed, in milliseconds since the epoch.
        updated_ms: i64,
    },
    /// It says that it was changed in the future, so it cannot be told whether it is stale.
    Ahead {
        /// When it says it was changed.
        updated_ms: i64,
    },
    /// It has lost a large part of its entries at once.
    Shrunk {
        /// How many entries it had.
        before: u64,
        /// How many it has.
        now: u64,
    },
    /// It has an entry so wide that it says nothing about anybody.
    Broad {
        /// The first of them.
        #[serde(flatten)]
        first: Broad,
        /// How many there are.
        count: u64,
    },
    /// More was met than is kept.
    Overfull {
        /// How much more.
        more: u64,
    },
}

impl Warning {
    /// Whether what is missing in such a register cannot be believed to be gone.
    pub fn is_about_wholeness(&self) -> bool {
        !matches!(self, Self::Broad { .. })
    }

    /// A word for it, for counting.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Damaged { .. } => "damaged",
            Self::Stale { .. } => "stale",
            Self::Ahead { .. } => "ahead",
            Self::Shrunk { .. } => "shrunk",
            Self::Broad { .. } => "broad",
            Self::Overfull { .. } => "overfull",
        }
    }

    fn damaged(part: &str, problem: &Problem, count: u64) -> Self {
        Self::Damaged {
            part: part.to_owned(),
            line: problem.place.line,
            byte: problem.place.byte,
            reason: problem.fault.to_string(),
            count,
        }
    }
}

/// A register as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// What of ours stands in it or near what stands in it.
    pub listings: BTreeMap<Key, Listing>,
    /// Its entries.
    pub entries: u64,
    /// Names, pages and addresses in them.
    pub pieces: u64,
    /// Pieces that name nothing.
    pub odd: u64,
    /// When it was last changed, in milliseconds since the epoch; of several parts the oldest.
    pub updated_ms: Option<i64>,
    /// What must be known about it.
    pub warnings: Vec<Warning>,
}

impl Run {
    /// Puts parts together, and judges the whole.
    pub fn new(parts: Vec<Part>, circumstances: Circumstances) -> Self {
        let Circumstances { now_ms, max_age_ms, served_ms, entries_before } = circumstances;
        let mut run = Self::default();
        let (mut broad, mut broad_count, mut more) = (None, 0, 0);
        for part in parts {
            let found = part.found;
            run.entries += found.entries;
            run.pieces += found.pieces;
            run.odd += found.odd_count;
            if let Some(updated) = part.head.updated_ms {
                run.updated_ms = Some(run.updated_ms.map_or(updated, |oldest| oldest.min(updated)));
            }
            if let Some(first) = found.problems.first.first() {
                run.warnings.push(Warning::damaged(&part.name, first, found.problems.count));
            }
            more += found.more;
            broad_count += found.broad_count;
            broad = broad.or_else(|| found.broad.into_iter().next());
            for (key, listing) in found.listings {
                let kept = run.listings.entry(key).or_insert_with(|| listing.clone());
                if listing.how < kept.how {
                    *kept = listing;
                }
            }
        }
        run.updated_ms = run.updated_ms.or(served_ms);
        if let Some(updated_ms) = run.updated_ms {
            if updated_ms > now_ms.saturating_add(AHEAD_MS) {
                run.warnings.push(Warning::Ahead { updated_ms });
            } else if max_age_ms.is_some_and(|most| now_ms.saturating_sub(updated_ms) > most) {
                run.warnings.push(Warning::Stale { updated_ms });
            }
        }
        if let Some(before) = entries_before.filter(|before| *before >= SMALL && run.entries < before / SHRUNK_BY) {
            run.warnings.push(Warning::Shrunk { before, now: run.entries });
        }
        if more > 0 {
            run.warnings.push(Warning::Overfull { more });
        }
        if let Some(first) = broad {
            run.warnings.push(Warning::Broad { first, count: broad_count });
        }
        run
    }

    /// Whether what is missing in it may be believed to be gone.
    pub fn is_whole(&self) -> bool {
        !self.warnings.iter().any(Warning::is_about_wholeness)
    }
}
