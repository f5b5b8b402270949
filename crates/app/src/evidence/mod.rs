//! Evidence: what an auditor, a person and the operator can check about where data is, and what happened to it.
//!
//! Documents are signed with a key of their own and chained: each names the hash of the one before it. `docs/evidence.md` says what each
//! statement means and what is not covered.

pub mod access_log;
pub mod audit;
pub mod deployment;
pub mod documents;
pub mod erasure;
pub mod export;
pub mod folder;
mod key;
pub mod ledger;
mod marks;
pub mod program;
mod proven;
pub mod reading;
pub mod verify;
pub mod witness;

pub use access_log::AccessLog;
pub use audit::{Audits, AuditsParts};
pub use documents::{Documents, Signed};
pub use erasure::{Erasures, ErasuresParts};
pub use export::{Exports, ExportsParts};
pub use folder::Folder;
pub use key::AuditKey;
pub use ledger::Ledger;
pub use program::Declared;
pub use witness::{Witness, WitnessParts};

use serde::Serialize;

/// On what a statement rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// This cell looked.
    Measured,
    /// Another cell looked.
    Observed,
    /// The operator says so; no program can see it.
    Declared,
}
