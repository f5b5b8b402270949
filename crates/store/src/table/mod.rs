//! One file a noun: the statements over its tables, as functions that read from a snapshot or add to a batch.

pub mod devices;
pub mod tokens;
pub mod users;
