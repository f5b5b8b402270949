//! What of a vault is the same in every cell, so that two cells can tell each other whether they have it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Rows of one class of data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// How many.
    pub rows: u64,
    /// The SHA-256 of all of them, in hexadecimal.
    pub sha256: String,
}

/// Sums by class.
pub type Sums = BTreeMap<String, Sum>;

/// A line for each row of a vault, by class and in order, without what differs between two cells that have the same: places in streams, names of files.
#[derive(Debug)]
pub(super) struct Lines(BTreeMap<&'static str, Vec<String>>);

impl Lines {
    /// Of lines in any order.
    pub(super) fn of(mut lines: BTreeMap<&'static str, Vec<String>>) -> Self {
        for lines in lines.values_mut() {
            lines.sort_unstable();
        }
        Self(lines)
    }

    /// Rows and hashes by class of data.
    pub(super) fn sums(&self) -> Sums {
        let sum = |lines: &[String]| {
            let mut hash = Sha256::new();
            for line in lines {
                hash.update(line.as_bytes());
                hash.update(b"\n");
            }
            Sum { rows: lines.len() as u64, sha256: format!("{:x}", hash.finalize()) }
        };
        self.0.iter().map(|(class, lines)| ((*class).to_owned(), sum(lines))).collect()
    }

    /// Whether all of another is in this, which may have more: others may have sent something meanwhile.
    pub(super) fn has_all(&self, other: &Self) -> bool {
        other.0.iter().all(|(class, lines)| {
            let own = self.0.get(class).map(Vec::as_slice).unwrap_or_default();
            lines.iter().all(|line| own.binary_search(line).is_ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(of: &[(&'static str, &[&str])]) -> Lines {
        Lines::of(
            of.iter().map(|(class, lines)| (*class, lines.iter().map(|line| (*line).to_owned()).collect())).collect(),
        )
    }

    #[test]
    fn what_was_brought_is_all_there_whatever_came_beside_it() {
        let brought = lines(&[("devices", &["b", "a"]), ("settings", &["c"])]);
        assert!(brought.has_all(&brought));
        assert_eq!(brought.sums(), lines(&[("devices", &["a", "b"]), ("settings", &["c"])]).sums());
        let more = lines(&[("devices", &["a", "aa", "b"]), ("settings", &["c"]), ("keys", &["d"])]);
        assert!(more.has_all(&brought) && !brought.has_all(&more));
        assert_ne!(more.sums(), brought.sums());
        assert_eq!(more.sums()["devices"].rows, 3);
        assert!(!lines(&[("settings", &["a", "b", "c"])]).has_all(&brought));
    }
}
