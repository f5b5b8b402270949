//! Other servers and other cells.

mod bell;
mod destinations;
pub mod remote_rooms;
pub mod resident;
pub mod stripped;
pub mod transactions;

pub use bell::OutboundBell;
pub use destinations::Destinations;
pub use remote_rooms::{RemoteRooms, RemoteRoomsParts};
pub use resident::{Invite, Resident, ResidentParts};
pub use transactions::Transactions;
