//! Accounts: who is who, their devices, sessions and credentials.

pub mod passwords;
pub mod sessions;
pub mod users;

pub use passwords::Passwords;
pub use sessions::{Session, Sessions};
pub use users::Users;
