//! Other servers and other cells: whom we talk to, asking them, their keys and ours, what is told and heard.

mod bell;
mod destinations;
pub mod inbound;
pub mod outbound;
pub mod own_keys;
pub mod peers;
pub mod policy;
pub mod remote_rooms;
pub mod resident;
mod resting;
pub mod server_keys;
pub mod stripped;
pub mod transactions;

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
pub use remote_rooms::{RemoteRooms, RemoteRoomsParts};
pub use resident::{Invite, Resident, ResidentParts};
pub use server_keys::{KeyUse, Notary, ServerKeys};
pub use transactions::Transactions;
