//! Events: parsed once, built and signed in one pass, shown to clients.

pub mod build;
pub mod client_json;
pub mod json;
pub mod pdu;
pub mod receive;
pub mod redact;
pub mod relation;
pub mod sign;
pub mod validate;

pub use build::{BuildError, EventDraft, Place, build};
pub use client_json::ClientEvent;
pub use pdu::{Pdu, PduError, Relation};
pub use sign::ServerSigner;
