//! The one place that opens outgoing connections.

pub mod client;
mod connect;
pub mod guard;
pub mod push_gateway;
pub mod unix;

pub use client::{Client, ClientError, ClientSettings};
pub use connect::ConnectError;
pub use guard::Guard;
