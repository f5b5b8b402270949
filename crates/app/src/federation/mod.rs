//! Other servers and other cells: whom we talk to, asking them, their keys and ours, what is told and heard.

mod bell;
pub mod check;
pub mod completion;
mod destinations;
pub mod history;
pub mod inbound;
mod kept;
mod large_answer;
mod one_at_a_time;
pub mod outbound;
pub mod own_keys;
pub mod peers;
pub mod policy;
pub mod profiles;
pub mod readers;
pub mod remote_rooms;
pub mod remote_spaces;
pub mod resident;
mod resting;
pub mod room_events;
pub mod room_states;
pub mod server_keys;
pub mod sight;
pub mod spaces;
pub mod stripped;
pub mod third_party_invites;
pub mod transactions;

pub use bell::OutboundBell;
pub use check::Check;
pub use completion::Completion;
pub use destinations::Destinations;
pub use history::History;
pub use inbound::{
    Inbound,
    edus::{Edus, EdusParts},
};
pub use kept::Kept;
pub(crate) use large_answer::{LargeAnswer, Listed};
pub use one_at_a_time::OneAtATime;
pub use outbound::Outbound;
pub use own_keys::{OuterSide, OwnKeys, Rotation};
pub use peers::{Bounds, PeerError, Peers, Ways};
pub use policy::{Gate, Policy};
pub use profiles::RemoteProfiles;
pub use readers::{Readers, ServerReader};
pub use remote_rooms::{RemoteRooms, RemoteRoomsParts};
pub use remote_spaces::RemoteSpaces;
pub use resident::{Invite, Resident, ResidentParts};
pub use room_events::RoomEvents;
pub use room_states::RoomStates;
pub use server_keys::{KeyUse, Notary, ServerKeys};
pub use sight::{ServerEyes, Sights};
pub use spaces::Spaces;
pub use third_party_invites::ThirdPartyInvites;
pub use transactions::{TAKEN, TakenAnswer, TakenQuestion, Transactions};
