//! Other servers and other cells.

mod bell;
mod destinations;
pub mod residents;
pub mod room_events;
pub mod room_states;
pub mod sight;
pub mod spaces;
pub mod third_party_invites;

pub use bell::OutboundBell;
pub use destinations::Destinations;
pub use residents::{Resident, Residents};
pub use room_events::RoomEvents;
pub use room_states::RoomStates;
pub use sight::{ServerEyes, Sights};
pub use spaces::Spaces;
pub use third_party_invites::ThirdPartyInvites;
