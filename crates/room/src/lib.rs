//! What an event is and what it may do: pure, without tokio, SQL or a clock.
//!
//! Values go in, decisions come out. Whoever calls reads what is needed beforehand.

pub mod auth;
pub mod create;
pub mod event;
pub mod push_rules;
pub mod state;
pub mod words;
