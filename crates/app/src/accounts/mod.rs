//! Accounts: who is who, their devices, sessions and credentials.

pub mod devices;
mod last_seen;
pub mod lifecycle;
pub mod login;
pub mod login_tokens;
pub mod openid;
pub mod passwords;
pub mod rate_limits;
pub mod registration;
pub mod registration_tokens;
pub mod seen_tokens;
pub mod sessions;
pub mod standing;
pub mod uia;
pub mod user_directory;
pub mod users;

pub use devices::{Devices, NewSession, OpenedSession};
pub use lifecycle::Accounts;
pub use login::Logins;
pub use login_tokens::LoginTokens;
pub use openid::OpenIdTokens;
pub use passwords::Passwords;
pub use rate_limits::{Key, Limit, RateLimits};
pub use registration::Registration;
pub use registration_tokens::RegistrationTokens;
pub use seen_tokens::SeenTokens;
pub use sessions::{Session, Sessions};
pub use standing::{Standing, Standings};
pub use uia::Uia;
pub use user_directory::UserDirectory;
pub use users::Users;

use crate::Error;

/// A parameter is wrong.
fn invalid_param(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    domicile_core::error::ErrorKind::InvalidParam.with(why).into()
}
