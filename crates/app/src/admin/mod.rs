//! What the operator asks of the server.

mod backups;
mod health;
mod operator_sessions;
pub mod operators;
pub(crate) mod second;

pub use backups::{BackupParts, Backups, Listed as ListedBackup, Wanted as WantedBackup};
pub use health::Health;
pub use operator_sessions::{OperatorSession, OperatorSessions};
pub use operators::Operators;
