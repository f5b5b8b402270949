//! Other servers: whom we talk to, asking them, their keys and ours.

pub mod check;
pub mod inbound;
pub mod own_keys;
pub mod peers;
pub mod policy;
pub mod server_keys;

pub use check::Check;
pub use inbound::Inbound;
pub use own_keys::OwnKeys;
pub use peers::{Bounds, PeerError, Peers};
pub use policy::Policy;
pub use server_keys::{KeyUse, Notary, ServerKeys};
