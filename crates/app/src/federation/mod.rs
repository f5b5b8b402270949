//! Other servers and other cells: whom we talk to, asking them, what they tell, their keys and ours.

mod bell;
mod destinations;
pub mod inbound;
pub mod outbound;
pub mod own_keys;
pub mod peers;
pub mod policy;
mod resting;
pub mod server_keys;

pub use bell::OutboundBell;
pub use destinations::Destinations;
pub use inbound::{
    Inbound,
    edus::{Edus, EdusParts},
};
pub use outbound::Outbound;
pub use own_keys::OwnKeys;
pub use peers::{Bounds, PeerError, Peers};
pub use policy::Policy;
pub use server_keys::{KeyUse, Notary, ServerKeys};
