//! Backups of the running cell, encrypted to keys that need not be here.

use std::{path::PathBuf, sync::Arc};

use domicile_core::{clock::Clock, error::ErrorKind, rng::Rng};
use domicile_store::{
    Batch, Blobs, Keystore, Store,
    backup::{self, Backup, BackupError, BackupOptions, Recipient},
    numbers::Sequence,
    table::backups,
};

use crate::{Error, Result};

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

/// Makes backups.
pub struct Backups {
    parts: BackupParts,
}

impl Backups {
    /// Over its parts.
    pub fn new(parts: BackupParts) -> Self {
        Self { parts }
    }

    /// Makes a backup in a folder, for the owners of the public keys.
    pub async fn create(&self, folder: PathBuf, recipients: &[String]) -> Result<Backup> {
        let parts = &self.parts;
        let recipients = recipients.iter().map(|text| Recipient::parse(text)).collect::<std::result::Result<_, _>>();
        let options = BackupOptions {
            folder,
            work: parts.work.clone(),
            recipients: recipients.map_err(told)?,
            server_name: parts.server_name.clone(),
            now_ms: parts.clock.now_ms(),
            expires_ts: None,
        };
        let progress = Arc::new(|step| tracing::info!(?step, "backup"));
        let rng = Arc::clone(&parts.rng);
        let made =
            backup::create(&parts.store, &parts.keystore, &parts.blobs, options, rng, progress).await.map_err(told)?;
        self.note(&made).await?;
        Ok(made)
    }

    /// Adds a backup to the inventory, which audits show.
    async fn note(&self, made: &Backup) -> Result<()> {
        let row = backups::Backup {
            backup_num: self.parts.store.number(Sequence::Backup).await?,
            created_ts: made.manifest.created_ts,
            data: made.data.display().to_string(),
            keystore: made.keystore.display().to_string(),
            byte_size: i64::try_from(made.bytes).unwrap_or(i64::MAX),
            expires_ts: made.manifest.expires_ts,
        };
        let mut batch = Batch::new();
        backups::insert(&mut batch, row);
        self.parts.store.write(batch).await?;
        Ok(())
    }
}

/// Only the operator asks, who may know everything that went wrong.
fn told(error: BackupError) -> Error {
    match error {
        BackupError::Store(error) => error.into(),
        other => ErrorKind::BadRequest.with(format!("The backup was not made: {other}")).into(),
    }
}
