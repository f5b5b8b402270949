//! How far the restoring of a cell is, as it stands in the database.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What a restored cell does before it opens, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The cell that decides names is brought the tickets of the others' people: which names were taken, and who has moved.
    Directory,
    /// Erasures and revocations since the backup are done again.
    Words,
    /// Vaults of people whom the directory has elsewhere go.
    Homes,
    /// Rooms become what they are in other cells.
    Rooms,
    /// Vaults of those who have moved in since the backup come.
    Vaults,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::Directory, Self::Words, Self::Homes, Self::Rooms, Self::Vaults];

    /// What it is, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Directory => "names and moves that the directory has lost",
            Self::Words => "erasures and revocations since the backup",
            Self::Homes => "people who have moved away since the backup",
            Self::Rooms => "what was said in rooms since the backup",
            Self::Vaults => "people who have moved in since the backup",
        }
    }
}

/// How far a step is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepState {
    /// What was done: words, people, rooms.
    #[serde(default)]
    pub done: u64,
    /// Cells that have told all that they know.
    #[serde(default)]
    pub cells: BTreeSet<String>,
    /// When it ended, in milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_ts: Option<i64>,
    /// Why it does not go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How far the restoring is. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// When the backup was made.
    pub backup_ts: i64,
    /// When it was restored.
    pub restored_ts: i64,
    /// How far the stream had come in the backup.
    pub upto: i64,
    /// Whether the stream goes on in a new span.
    #[serde(default)]
    pub raised: bool,
    /// What was done.
    #[serde(default)]
    pub steps: BTreeMap<Step, StepState>,
    /// Cells that are not waited for, by the operator's word: what they know of is not done again.
    #[serde(default)]
    pub without: BTreeSet<String>,
    /// Who said so, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifted: Option<Lifted>,
}

/// An operator's word that some cells are not waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifted {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When, in milliseconds since the epoch.
    pub at_ts: i64,
}

impl State {
    /// How far a step is.
    pub fn step(&mut self, step: Step) -> &mut StepState {
        self.steps.entry(step).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_restore_writes_is_read() {
        // As `store/src/backup/forget.rs` writes it.
        let mut state: State = serde_json::from_str(r#"{"backup_ts":5,"restored_ts":7,"upto":41}"#).unwrap();
        assert_eq!((state.backup_ts, state.restored_ts, state.upto, state.raised), (5, 7, 41, false));
        state.step(Step::Rooms).done = 3;
        state.step(Step::Rooms).cells.insert("eu1".to_owned());
        let again: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        assert_eq!(again, state);
    }
}
