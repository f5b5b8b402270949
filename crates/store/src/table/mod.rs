//! One file a noun: the statements over its tables, as functions that read from a snapshot or add to a batch.

pub mod aliases;
pub mod devices;
pub mod events;
pub mod memberships;
pub mod profile_fields;
pub mod rooms;
pub mod state;
pub mod tokens;
pub mod transactions;
pub mod users;
