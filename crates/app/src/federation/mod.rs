//! Other servers and other cells.

mod bell;
mod destinations;

pub use bell::OutboundBell;
pub use destinations::Destinations;
