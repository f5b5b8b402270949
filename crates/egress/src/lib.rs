//! The one place that opens outgoing connections.

pub mod unix;
