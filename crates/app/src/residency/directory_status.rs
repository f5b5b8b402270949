//! How the directory stands, as one cell sees it.

use serde::Serialize;

use super::FollowerStatus;

/// How the directory stands, for the operator.
#[derive(Clone, Debug, Serialize)]
pub struct DirectoryStatus {
    /// This cell.
    pub cell: String,
    /// Its region.
    pub region: String,
    /// The number of the document.
    pub serial: u32,
    /// The cell that decides.
    pub decider: String,
    /// Its term.
    pub term: u32,
    /// Whether that is this cell.
    pub decides_here: bool,
    /// Whether this cell has the log, as the one that decides or as one that follows.
    pub holds: bool,
    /// Whether it decides, and has heard what the others have: names are taken.
    pub is_deciding: bool,
    /// Why it does not yet.
    pub waits: Option<String>,
    /// Those who follow, at the cell that decides.
    pub followers: Vec<FollowerStatus>,
    /// How many entries are missing here by what the decider said last, at a cell that follows.
    pub behind: Option<u64>,
    /// When it said that, in milliseconds since the epoch.
    pub heard_ts: Option<i64>,
    /// What is the matter between the cells that hold the directory, in sentences.
    pub troubles: Vec<String>,
    /// People whose homes are known here.
    pub tickets: usize,
    /// Those of them whose home is here.
    pub at_home: usize,
    /// Names that are taken, if the directory is here.
    pub names: Option<i64>,
    /// The number of the log's last entry, if the directory is here.
    pub log_index: Option<u64>,
    /// That entry's hash.
    pub log_hash: Option<String>,
}
