//! Other servers and other cells.

mod bell;
mod destinations;
pub mod outbound;

pub use bell::OutboundBell;
pub use destinations::Destinations;
pub use outbound::Outbound;
