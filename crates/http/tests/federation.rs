//! Servers that talk to each other.

#[path = "federation/keys.rs"]
mod keys;
#[path = "federation/requests.rs"]
mod requests;
#[path = "federation/rooms.rs"]
mod rooms;
