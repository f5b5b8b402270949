//! The one place that opens outgoing connections.
