//! Events: read once from disk, kept parsed, sent, and waited for.

pub mod aggregate;
pub mod cache;
mod early_redactions;
mod echoes;
pub mod ingest;
mod insert;
pub mod present;
pub mod send;
mod shown_names;
pub mod wake;

pub use aggregate::Bundles;
pub use cache::{Events, Stored};
pub use early_redactions::EarlyRedactions;
pub use echoes::Echoes;
pub use ingest::{Ingest, IngestParts};
pub(crate) use insert::insert_told;
pub use present::{Form, Presenter, Reader};
pub use shown_names::{Shown, ShownNames};
