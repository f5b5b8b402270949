//! Versions of a backup: made, read, changed, deleted.

use domicile_core::{error::ErrorKind, ids::UserNum};
use domicile_store::{
    Batch,
    table::key_backup::{self, Version},
};
use ruma::{api::client::backup::BackupAlgorithm, serde::Raw};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Info, KeyBackup, count, existing, no_version, number};
use crate::{Error, Result, e2ee::ATTEMPTS};

/// Largest `auth_data` in bytes.
const AUTH_DATA_BYTES: usize = 65_536;
/// Longest algorithm name in bytes.
const ALGORITHM_BYTES: usize = 255;

/// The algorithm of a version with what clients need for it.
#[derive(Deserialize, Serialize)]
struct Algorithm<'a> {
    algorithm: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    auth_data: &'a RawValue,
}

fn algorithm(raw: &Raw<BackupAlgorithm>) -> Result<Algorithm<'_>> {
    // As ruma knows it, then as it is: what a client of tomorrow adds must come back to it.
    raw.deserialize()
        .map_err(|error| ErrorKind::BadJson.with(format!("The backup's algorithm does not fit: {error}")))?;
    let algorithm: Algorithm<'_> = serde_json::from_str(raw.json().get()).map_err(Error::internal)?;
    if algorithm.algorithm.len() > ALGORITHM_BYTES || algorithm.auth_data.get().len() > AUTH_DATA_BYTES {
        return Err(ErrorKind::TooLarge.with("The backup's algorithm or its auth_data is too large.").into());
    }
    Ok(algorithm)
}

fn info(version: &Version) -> Result<Info> {
    let auth_data = serde_json::from_str(&version.auth_data).map_err(Error::internal)?;
    let algorithm = Algorithm { algorithm: version.algorithm.as_str().into(), auth_data };
    Ok(Info {
        algorithm: Raw::new(&algorithm).map_err(Error::internal)?.cast_unchecked(),
        etag: version.etag.to_string(),
        count: count(version.key_count)?,
        version: version.version.to_string(),
    })
}

impl KeyBackup {
    /// Makes a new version, which is the current one from now on. Gives its name.
    pub async fn create(&self, user_num: UserNum, raw: &Raw<BackupAlgorithm>) -> Result<String> {
        let algorithm = algorithm(raw)?;
        for _ in 0..ATTEMPTS {
            let last =
                self.store.read(move |snapshot| async move { key_backup::last_number(&snapshot, user_num).await });
            let next = last.await? + 1;
            let mut batch = Batch::new();
            key_backup::insert_version(&mut batch, user_num, next, &algorithm.algorithm, algorithm.auth_data.get());
            match self.store.write(batch).await {
                Err(error) if error.is_conflict() => {}
                written => {
                    written?;
                    return Ok(next.to_string());
                }
            }
        }
        Err(Error::internal("others made backup versions each time one was made"))
    }

    /// The current version.
    pub async fn current(&self, user_num: UserNum) -> Result<Info> {
        let found =
            self.store.read(move |snapshot| async move { key_backup::current(&snapshot, user_num).await }).await?;
        info(&found.ok_or_else(no_version)?)
    }

    /// One version.
    pub async fn version(&self, user_num: UserNum, version: String) -> Result<Info> {
        let found =
            self.store.read(move |snapshot| async move { existing(&snapshot, user_num, &version).await }).await?;
        info(&found)
    }

    /// Replaces what clients need to seal for a version. `named` is the version that the body names, which must be the same.
    pub async fn update(
        &self,
        user_num: UserNum,
        version: String,
        named: Option<String>,
        raw: &Raw<BackupAlgorithm>,
    ) -> Result<()> {
        let algorithm = algorithm(raw)?;
        if named.is_some_and(|named| named != version) {
            return Err(ErrorKind::InvalidParam.with("The version in the body is not the one in the path.").into());
        }
        let found =
            self.store.read(move |snapshot| async move { existing(&snapshot, user_num, &version).await }).await?;
        if found.algorithm != algorithm.algorithm {
            let text =
                format!("The version's algorithm is {}, which cannot change: make a new version.", found.algorithm);
            return Err(ErrorKind::InvalidParam.with(text).into());
        }
        let mut batch = Batch::new();
        key_backup::set_auth_data(&mut batch, user_num, found.version, algorithm.auth_data.get());
        match self.store.write(batch).await {
            Err(error) if error.is_conflict() => Err(no_version()),
            written => Ok(written.map(drop)?),
        }
    }

    /// Deletes a version with its keys.
    pub async fn delete(&self, user_num: UserNum, version: &str) -> Result<()> {
        let mut batch = Batch::new();
        key_backup::delete_version(&mut batch, user_num, number(version)?);
        match self.store.write(batch).await {
            Err(error) if error.is_conflict() => return Err(no_version()),
            written => written?,
        };
        self.sweep(user_num).await
    }

    /// Removes the keys of deleted versions, a few at a time. What a crash leaves, the next deletion takes along.
    async fn sweep(&self, user_num: UserNum) -> Result<()> {
        loop {
            let found = self.store.read(move |snapshot| async move { key_backup::leftover(&snapshot, user_num).await });
            let Some(number) = found.await? else { return Ok(()) };
            let mut batch = Batch::new();
            key_backup::remove_some(batch.low_priority(), user_num, number);
            self.store.write(batch).await?;
        }
    }
}
