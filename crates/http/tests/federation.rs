//! Servers that talk to each other.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test whose helper fails has failed")]

#[path = "federation/asking.rs"]
mod asking;
#[path = "federation/e2ee.rs"]
mod e2ee;
#[path = "federation/edus.rs"]
mod edus;
#[path = "federation/gaps.rs"]
mod gaps;
#[path = "federation/graph.rs"]
mod graph;
#[path = "federation/joining.rs"]
mod joining;
#[path = "federation/keys.rs"]
mod keys;
#[path = "federation/large.rs"]
mod large;
#[path = "federation/ledger.rs"]
mod ledger;
#[path = "federation/notary.rs"]
mod notary;
#[path = "federation/operations.rs"]
mod operations;
#[path = "federation/operator.rs"]
mod operator;
#[path = "federation/pair.rs"]
mod pair;
#[path = "federation/partial.rs"]
mod partial;
#[path = "federation/reading.rs"]
mod reading;
#[path = "federation/requests.rs"]
mod requests;
#[path = "federation/rooms.rs"]
mod rooms;
#[path = "federation/tap.rs"]
mod tap;
#[path = "federation/together.rs"]
mod together;
#[path = "federation/unsigned.rs"]
mod unsigned;
