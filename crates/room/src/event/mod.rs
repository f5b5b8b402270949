//! Events: parsed once, built and signed in one pass, shown to clients.

pub mod acl;
pub mod build;
pub mod client_json;
pub mod json;
pub mod judged;
pub mod outward;
pub mod pdu;
pub mod policy_server;
pub mod receive;
pub mod redact;
pub mod relation;
pub mod sign;
pub mod template;
pub mod validate;

pub use build::{BuildError, EventDraft, Place, ReferenceHashes, build, build_old};
pub use client_json::ClientEvent;
pub use judged::Judged;
pub use pdu::{DUMMY, Pdu, PduError, Relation};
pub use sign::ServerSigner;
