//! Domain services, one folder a feature.
//!
//! A service receives what it uses in its constructor, reads from a snapshot, decides, and hands the store one batch. There is no bag of
//! all services here and no cycle among them; the binary wires them.

pub mod account_data;
pub mod accounts;
pub mod admin;
pub mod blocklists;
pub mod calls;
pub mod discovery;
pub mod e2ee;
pub mod entrance;
pub mod ephemeral;
pub mod error;
pub mod events;
pub mod evidence;
pub mod federation;
pub mod front_door;
pub mod gateway;
pub mod jobs;
pub mod media;
pub mod moderation;
pub mod moves;
mod notes;
pub mod probes;
pub mod profile;
pub mod push;
pub mod residency;
pub mod restore;
pub mod rooms;
mod rounds;
pub mod search;
pub mod standing;
pub mod sync;

pub use error::{Error, Result};
