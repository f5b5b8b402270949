//! Servers that talk to each other.

#[path = "federation/keys.rs"]
mod keys;
#[path = "federation/notary.rs"]
mod notary;
#[path = "federation/operator.rs"]
mod operator;
#[path = "federation/requests.rs"]
mod requests;
#[path = "federation/rooms.rs"]
mod rooms;
#[path = "federation/unsigned.rs"]
mod unsigned;
