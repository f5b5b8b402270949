//! The error of every service: what Matrix calls it, or a failure of the server's own.

use domicile_core::error::{ErrorKind, MatrixError};
use domicile_store::StoreError;
use ruma::api::client::uiaa::UiaaInfo;

/// What a service answers when it cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's matter: a Matrix error code and what to tell a person.
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    /// More user-interactive authentication is needed.
    #[error("user-interactive authentication is needed")]
    Uia(Box<UiaaInfo>),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
    /// Something else of the server's own failed; the text is for the log only.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Nul => ErrorKind::BadJson.with("A text in the request has a NUL character in it.").into(),
            error => Self::Store(error),
        }
    }
}

/// What services give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Whether to read again, decide again and write again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_conflict())
    }

    /// Whether the server is stopping.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Store(StoreError::Closed))
    }

    /// Whether it is for want of room on this server's disk.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_full())
    }

    /// A failure of the server's own.
    pub fn internal(what: impl std::fmt::Display) -> Self {
        Self::Internal(what.to_string())
    }
}

/// Nothing is there, or not for this caller.
pub fn not_found(what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    ErrorKind::NotFound.with(what).into()
}

/// The caller may not.
pub fn forbidden(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    ErrorKind::Forbidden.with(why).into()
}
