//! Servers that talk to each other.

#[path = "federation/asking.rs"]
mod asking;
#[path = "federation/keys.rs"]
mod keys;
#[path = "federation/operations.rs"]
mod operations;
#[path = "federation/reading.rs"]
mod reading;
#[path = "federation/requests.rs"]
mod requests;
#[path = "federation/rooms.rs"]
mod rooms;
#[path = "federation/together.rs"]
mod together;
