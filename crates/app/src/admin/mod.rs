//! What the operator asks of the server.

mod backups;
mod health;

pub use backups::{BackupParts, Backups};
pub use health::Health;
