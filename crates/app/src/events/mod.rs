//! Events: read once from disk, kept parsed, sent, and waited for.

pub mod cache;
pub mod present;
pub mod send;
pub mod wake;

pub use cache::{Events, Stored};
pub use present::{Presenter, Reader};
