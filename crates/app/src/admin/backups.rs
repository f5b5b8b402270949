//! Backups of the running cell, encrypted to keys that need not be here.

use std::{path::PathBuf, sync::Arc};

use domicile_core::{
    clock::{Clock, DAY_MS},
    error::ErrorKind,
    rng::Rng,
};
use domicile_store::{
    Batch, Blobs, Keystore, Store, StoreError,
    backup::{self, Backup, BackupError, BackupOptions, Recipient},
    numbers::Sequence,
    table::backups,
};

use serde::Serialize;

use crate::{Error, Result, error::not_found};

/// Backups that are listed: the latest.
const LISTED: i64 = 1_000;

/// What a backup is made of.
pub struct BackupParts {
    /// The database.
    pub store: Store,
    /// The keys of people's own.
    pub keystore: Arc<Keystore>,
    /// Media.
    pub blobs: Blobs,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// A folder on the server's own disk for what is being worked on.
    pub work: PathBuf,
    /// Whose cell it is.
    pub server_name: String,
}

/// A backup that is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The folder for its files.
    pub folder: PathBuf,
    /// The public keys whose owners can open it.
    pub recipients: Vec<String>,
    /// Days after which it should be deleted.
    pub keep_days: Option<u32>,
    /// Where the folder is, or the files will be, in the operator's words: no program sees in which country a disk stands.
    pub place: Option<String>,
}

/// A backup of the inventory.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The backup.
    #[serde(flatten)]
    pub backup: backups::Backup,
    /// Whether it should have been deleted by now.
    pub is_due: bool,
}

/// Makes backups.
pub struct Backups {
    parts: BackupParts,
}

impl Backups {
    /// Over its parts.
    pub fn new(parts: BackupParts) -> Self {
        Self { parts }
    }

    /// Makes a backup in a folder.
    pub async fn create(&self, wanted: Wanted) -> Result<Backup> {
        let parts = &self.parts;
        let recipients = wanted.recipients.iter().map(|text| Recipient::parse(text));
        let recipients = recipients.collect::<std::result::Result<_, _>>();
        let now_ms = parts.clock.now_ms();
        let kept_ms = |days: u32| now_ms.saturating_add(i64::from(days).saturating_mul(DAY_MS));
        let options = BackupOptions {
            folder: wanted.folder,
            work: parts.work.clone(),
            recipients: recipients.map_err(told)?,
            server_name: parts.server_name.clone(),
            now_ms,
            expires_ts: wanted.keep_days.map(kept_ms),
        };
        let progress = Arc::new(|step| tracing::info!(?step, "backup"));
        let rng = Arc::clone(&parts.rng);
        let made =
            backup::create(&parts.store, &parts.keystore, &parts.blobs, options, rng, progress).await.map_err(told)?;
        self.note(&made, wanted.place.unwrap_or_default()).await?;
        Ok(made)
    }

    /// Adds a backup to the inventory, which audits show.
    async fn note(&self, made: &Backup, place: String) -> Result<()> {
        let row = backups::Backup {
            backup_num: self.parts.store.number(Sequence::Backup).await?,
            created_ts: made.manifest.created_ts,
            data: made.data.display().to_string(),
            keystore: made.keystore.display().to_string(),
            byte_size: i64::try_from(made.bytes).unwrap_or(i64::MAX),
            expires_ts: made.manifest.expires_ts,
            place,
            classes: made.manifest.classes.join(","),
            confirmed_ts: None,
            gone_ts: None,
        };
        let mut batch = Batch::new();
        backups::insert(&mut batch, row);
        self.parts.store.write(batch).await?;
        Ok(())
    }

    /// The inventory, the newest first.
    pub async fn list(&self) -> Result<Vec<Listed>> {
        let read = self.parts.store.read(|snapshot| async move { backups::latest(&snapshot, LISTED).await });
        let now_ms = self.parts.clock.now_ms();
        let listed = read.await?.into_iter().map(|backup| {
            let is_due = backup.gone_ts.is_none() && backup.expires_ts.is_some_and(|at| at <= now_ms);
            Listed { backup, is_due }
        });
        Ok(listed.collect())
    }

    /// The operator says that a backup lies where it is meant to: what is kept elsewhere for the case that it were not may go.
    pub async fn confirm(&self, backup_num: i64, place: Option<&str>) -> Result<()> {
        let now_ms = self.parts.clock.now_ms();
        self.say(backup_num, |batch| backups::confirm(batch, backup_num, place, now_ms)).await
    }

    /// The operator says that a backup was deleted.
    pub async fn gone(&self, backup_num: i64) -> Result<()> {
        let now_ms = self.parts.clock.now_ms();
        self.say(backup_num, |batch| backups::gone(batch, backup_num, now_ms)).await
    }

    async fn say(&self, backup_num: i64, what: impl FnOnce(&mut Batch)) -> Result<()> {
        let mut batch = Batch::new();
        what(&mut batch);
        match self.parts.store.write(batch).await {
            Err(StoreError::Conflict(backups::GUARD)) => {
                Err(not_found(format!("There is no backup {backup_num}: `domicile backup list` shows all.")))
            }
            written => Ok(written.map(drop)?),
        }
    }
}

/// Only the operator asks, who may know everything that went wrong.
fn told(error: BackupError) -> Error {
    match error {
        BackupError::Store(error) => error.into(),
        other => ErrorKind::BadRequest.with(format!("The backup was not made: {other}")).into(),
    }
}
