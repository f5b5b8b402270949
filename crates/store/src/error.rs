//! What can go wrong in the store.

use std::io::ErrorKind;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A guard did not hold, or a row that must be new was there: read again, decide again, write again.
    #[error("somebody else wrote first (guard: {0})")]
    Conflict(&'static str),
    /// The database refused or failed.
    #[error("the database failed: {0}")]
    Database(String),
    /// Nothing more fits on the disk: nothing of this was written, and it can be written when there is room.
    #[error("there is no room left on the disk ({0})")]
    Full(String),
    /// A read was ended because it took too long; the text tells how long that is.
    #[error("a read took longer than {0} and was ended")]
    TooLong(&'static str),
    /// A row did not have the expected shape.
    #[error("a row of the database is not what it should be: {0}")]
    Corrupt(String),
    /// The database's schema does not suit this program.
    #[error("{0}")]
    Schema(String),
    /// A text has a NUL character in it, which `PostgreSQL` cannot store; so that both engines are alike, neither does.
    #[error("a text with a NUL character in it cannot be stored")]
    Nul,
    /// Another process has the database.
    #[error("{0}")]
    Locked(String),
    /// The database was opened to be read.
    #[error("the database was opened only to be read, and nothing is written to it")]
    Reading,
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
    /// A file could not be read or written.
    #[error("{what}: {source}")]
    File {
        /// What was attempted, with the path.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something sealed could not be opened: the key was destroyed, or the bytes were changed.
    #[error("{0} cannot be opened: its key is gone or its bytes were changed")]
    Sealed(&'static str),
}

impl StoreError {
    /// Whether the writer should read again and try once more.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    /// Whether it is for want of room on the disk.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Full(_) => true,
            Self::File { source, .. } => matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded),
            _ => false,
        }
    }

    /// The same failure for one of those whose writes it ended together.
    pub(crate) fn for_another(&self) -> Self {
        match self {
            Self::Full(text) => Self::Full(text.clone()),
            other => Self::Database(other.to_string()),
        }
    }

    /// Whether a person's key is not there: it was destroyed, or there never was one.
    pub fn is_without_key(&self) -> bool {
        matches!(self, Self::Sealed(what) if *what == crate::keystore::MISSING)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error {
            rusqlite::Error::SqliteFailure(failure, message)
                if failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE
                    || failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY
                    || failure.extended_code == rusqlite::ffi::SQLITE_CONSTRAINT_ROWID =>
            {
                drop(message);
                Self::Conflict("a row that must be new is there already")
            }
            // The file that its connections share grows by a page at a time: where that fails, it is for want of room.
            rusqlite::Error::SqliteFailure(failure, message)
                if failure.code == rusqlite::ErrorCode::DiskFull
                    || failure.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE =>
            {
                Self::Full(message.unwrap_or_else(|| failure.to_string()))
            }
            other => Self::Database(other.to_string()),
        }
    }
}
