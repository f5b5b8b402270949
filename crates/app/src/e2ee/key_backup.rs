//! Key backup: a user's message keys, sealed by their clients, in numbered versions of which the last is the current one.
//!
//! The server cannot open them. It keeps the better of two keys for the same session, and counts.

mod keys;
mod versions;

use domicile_core::{error::ErrorKind, ids::UserNum};
use domicile_store::{Snapshot, Store, table::key_backup};
use ruma::{UInt, api::client::backup::BackupAlgorithm, serde::Raw};

use crate::{Error, Result, error::not_found};

pub use keys::{Sessions, Which};

/// Keeps backups of message keys.
pub struct KeyBackup {
    store: Store,
}

/// A version as clients see it.
#[derive(Clone, Debug)]
pub struct Info {
    /// How its keys are sealed, and what clients need for that.
    pub algorithm: Raw<BackupAlgorithm>,
    /// Another one after each change of the keys.
    pub etag: String,
    /// How many keys it holds.
    pub count: UInt,
    /// Its name.
    pub version: String,
}

/// What a version is like after a change of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Another one after each change of the keys.
    pub etag: String,
    /// How many keys it holds.
    pub count: UInt,
}

impl KeyBackup {
    /// Backups over a store.
    pub fn new(store: Store) -> Self {
        Self { store }
    }
}

fn no_version() -> Error {
    not_found("There is no such version of the key backup.")
}

fn count(number: i64) -> Result<UInt> {
    UInt::try_from(number).map_err(Error::internal)
}

/// A version's number; a name that is none is nobody's.
fn number(version: &str) -> Result<i64> {
    version.parse().map_err(|_| no_version())
}

/// A version that exists.
async fn existing(snapshot: &Snapshot, user_num: UserNum, version: &str) -> Result<key_backup::Version> {
    key_backup::by_number(snapshot, user_num, number(version)?).await?.ok_or_else(no_version)
}

/// The current version, if it is the one that the client means: keys must not go where nobody looks for them.
async fn current(snapshot: &Snapshot, user_num: UserNum, version: &str) -> Result<key_backup::Version> {
    let current = key_backup::current(snapshot, user_num).await?.ok_or_else(no_version)?;
    if current.version.to_string() != version {
        let mut error = ErrorKind::WrongRoomKeysVersion
            .with(format!("The current version of the key backup is {}: read it anew.", current.version));
        error.current_version = Some(current.version.to_string());
        return Err(error.into());
    }
    Ok(current)
}
