//! What the operator asks of the server.

mod health;

pub use health::Health;
