//! How the directory stands, as one cell sees it.

use serde::Serialize;

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
