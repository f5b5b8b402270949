//! Backup and restore of a cell: the database and the media in one file, the keystore in another, both encrypted to keys that need not be
//! on the machine.
//!
//! The files are of the age format (`age -d -i key.txt … | tar t` lists one). The keystore is apart so that its backups can be kept for a
//! shorter time: once the last of them is gone, what was erased is gone from every older backup of the data as well.
//!
//! Tokens and one-time keys are in no backup: one that was used or revoked since must not come back. After a restore people sign in again,
//! their clients make new one-time keys, and everybody looks at everybody's devices anew. A restored cell is fenced (`table/fence.rs`) until it has
//! found out what it has missed.

mod age;
mod archive;
mod bech32;
mod forget;
mod package;
mod postgres;
mod sqlite;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use domicile_core::rng::{self, Rng};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Blobs, Keystore, KeystoreOptions, Store, StoreError, StoreOptions, migrate::MIGRATIONS, seal::Secret};

pub use age::{Identity, Recipient};
pub use forget::LEFT_OUT;
pub use package::{Package, Packed, unpack};

/// The form of the archive that this program writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// An error of a backup or a restore.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file could not be read or written.
    #[error("{what}: {source}")]
    File {
        /// What was attempted, with the path.
        what: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// What was given cannot be used; the text says why.
    #[error("{0}")]
    Wrong(String),
    /// A program that was called for help failed.
    #[error("{program} failed: {said}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What it said.
        said: String,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    fn file(what: &str, source: std::io::Error) -> Self {
        Self::File { what: what.to_owned(), source }
    }

    fn path(what: &str, path: &Path, source: std::io::Error) -> Self {
        Self::File { what: format!("{what} {}", path.display()), source }
    }
}

impl From<rusqlite::Error> for BackupError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// How far a backup or a restore is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The database is being copied.
    Database,
    /// So many files of media, and bytes of them, are done.
    Media {
        /// Files.
        files: u64,
        /// Bytes.
        bytes: u64,
    },
    /// The keystore is being copied.
    Keystore,
}

/// Is told how far it is. Called from another thread.
pub type OnProgress = Arc<dyn Fn(Progress) + Send + Sync>;

/// What to back up, and where to.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// The folder for the two files.
    pub folder: PathBuf,
    /// A folder on the server's own disk for the copy of the database while it is being encrypted: the data folder.
    pub work: PathBuf,
    /// Whose keys open it.
    pub recipients: Vec<Recipient>,
    /// Stands in the manifest.
    pub server_name: String,
    /// The time, in milliseconds since the epoch.
    pub now_ms: i64,
    /// When the backup should be deleted, for the inventory.
    pub expires_ts: Option<i64>,
}

/// What a backup says about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the archive.
    pub format: u32,
    /// `sqlite` or `postgresql`.
    pub engine: String,
    /// Whose it is.
    pub server_name: String,
    /// When it was made, in milliseconds since the epoch.
    pub created_ts: i64,
    /// When it should be deleted.
    pub expires_ts: Option<i64>,
    /// Changes of the schema that the database has.
    pub migrations: usize,
    /// The classes of data in it.
    pub classes: Vec<String>,
}

/// A finished backup.
#[derive(Clone, Debug, Serialize)]
pub struct Backup {
    /// The database and the media.
    pub data: PathBuf,
    /// The keys.
    pub keystore: PathBuf,
    /// Bytes of both.
    pub bytes: u64,
    /// Files of media in it.
    pub media_files: u64,
    /// What it says about itself.
    pub manifest: Manifest,
}

/// Makes a consistent copy of a running cell.
pub async fn create(
    store: &Store,
    keystore: &Keystore,
    blobs: &Blobs,
    options: BackupOptions,
    rng: Arc<dyn Rng>,
    progress: OnProgress,
) -> Result<Backup, BackupError> {
    if options.recipients.is_empty() {
        return Err(BackupError::Wrong(
            "a backup needs a public key to be encrypted to; make one with `domicile backup key` or age-keygen, and keep its secret \
             half away from this machine"
                .to_owned(),
        ));
    }
    let manifest = Manifest {
        format: FORMAT,
        engine: engine_name(store.options()).to_owned(),
        server_name: options.server_name.clone(),
        created_ts: options.now_ms,
        expires_ts: options.expires_ts,
        migrations: MIGRATIONS.len(),
        classes: classes(),
    };
    progress(Progress::Database);
    let copy = archive::Temporary::new(&options.work, rng.as_ref())?;
    match store.options() {
        StoreOptions::Sqlite { path, .. } => {
            let (from, to) = (path.clone(), copy.path().to_owned());
            blocking(move || sqlite::copy(&from, &to)).await?;
        }
        StoreOptions::Postgres { url, .. } => postgres::dump(url, copy.path()).await?,
    }
    let (media, for_data, rngs) = (blobs.clone(), (options.clone(), manifest.clone()), Arc::clone(&rng));
    let report = Arc::clone(&progress);
    let (data, media_files) = blocking(move || {
        let (options, manifest) = for_data;
        archive::write(&options, &manifest, copy.path(), media.root(), rngs.as_ref(), report.as_ref())
    })
    .await?;
    // After the data: a person who came meanwhile has a key here and no rows there, and not the other way round.
    progress(Progress::Keystore);
    let keys = KeystoreFile::of(keystore.export().await?);
    let (for_keys, at) = (options.clone(), Arc::clone(&rng));
    let keystore = blocking(move || archive::write_small(&for_keys, "keys", &keys.to_json()?, at.as_ref())).await?;
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
    Ok(Backup { bytes: size(&data) + size(&keystore), data, keystore, media_files, manifest })
}

/// What to restore, and where to.
#[derive(Debug)]
pub struct RestoreOptions {
    /// The file with the database and the media.
    pub data: PathBuf,
    /// The file with the keys. Without it nothing that was sealed can be opened: names and addresses of devices, and all media.
    pub keystore: Option<PathBuf>,
    /// What opens them.
    pub identity: Identity,
    /// Where the database goes. There must be none.
    pub store: StoreOptions,
    /// Where the keys go. There must be none.
    pub keystore_into: KeystoreOptions,
    /// Where the media go. There must be none.
    pub media: PathBuf,
    /// A folder on the server's own disk for what is being unpacked: the data folder.
    pub work: PathBuf,
    /// The time, in milliseconds since the epoch.
    pub now_ms: i64,
}

/// What was restored.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// What the backup says about itself.
    pub manifest: Manifest,
    /// Files of media.
    pub media_files: u64,
    /// Keys of people.
    pub keys: usize,
}

/// Restores a backup into an empty place. The server must not be running there.
pub async fn restore(
    options: RestoreOptions,
    rng: Arc<dyn Rng>,
    progress: OnProgress,
) -> Result<Restored, BackupError> {
    let RestoreOptions { data, keystore, identity, store, keystore_into, media, work, now_ms } = options;
    archive::check_empty(&media)?;
    if let StoreOptions::Sqlite { path, .. } = &store {
        sqlite::check_absent(path)?;
    }
    if let StoreOptions::Postgres { url, .. } = &store {
        postgres::check_empty(url).await?;
    }
    let keys = match keystore {
        Some(path) => KeystoreFile::from_json(&archive::read_small(&path, &identity)?)?.into_keys()?,
        None => Vec::new(),
    };
    let target = Keystore::open(keystore_into, Arc::clone(&rng), now_ms).await?;
    if target.export().await?.len() > 1 {
        return Err(BackupError::Wrong(
            "there are keys in the keystore already: restore into an empty place".to_owned(),
        ));
    }
    progress(Progress::Database);
    let copy = match &store {
        // Beside its place, so that it can be put there in one step.
        StoreOptions::Sqlite { path, .. } => archive::Temporary::at(path.with_extension("restoring")),
        StoreOptions::Postgres { .. } => archive::Temporary::new(&work, rng.as_ref())?,
    };
    let engine = engine_name(&store);
    let (into, report) = (copy.path().to_owned(), Arc::clone(&progress));
    let (manifest, media_files) =
        blocking(move || archive::unpack(&data, &identity, engine, &into, &media, report.as_ref())).await?;
    let incarnation = rng::name(rng.as_ref(), 22);
    let life = forget::NewLife { incarnation, backup_ts: manifest.created_ts, restored_ts: now_ms };
    match store {
        StoreOptions::Sqlite { path, .. } => blocking(move || sqlite::put_in_place(&copy, &path, &life)).await?,
        StoreOptions::Postgres { url, .. } => postgres::load(&url, copy.path(), &life).await?,
    }
    progress(Progress::Keystore);
    let count = keys.len();
    target.import(keys).await?;
    target.close().await;
    Ok(Restored { manifest, media_files, keys: count })
}

fn engine_name(options: &StoreOptions) -> &'static str {
    match options {
        StoreOptions::Sqlite { .. } => "sqlite",
        StoreOptions::Postgres { .. } => "postgresql",
    }
}

fn classes() -> Vec<String> {
    let mut classes: Vec<_> =
        crate::catalogue::tables().iter().flat_map(|table| table.columns).map(|column| column.class).collect();
    classes.sort();
    classes.dedup();
    classes.into_iter().map(|class| class.name().to_owned()).collect()
}

/// The content of the second file.
#[derive(Serialize, Deserialize)]
struct KeystoreFile {
    format: u32,
    /// Number and key, in Base64.
    keys: Vec<(i64, String)>,
}

impl KeystoreFile {
    fn of(keys: Vec<(i64, Secret)>) -> Self {
        let encoded = |(number, key): (i64, Secret)| (number, BASE64_STANDARD_NO_PAD.encode(key.as_slice()));
        Self { format: FORMAT, keys: keys.into_iter().map(encoded).collect() }
    }

    fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, BackupError> {
        serde_json::to_vec(self).map(Zeroizing::new).map_err(|error| BackupError::Wrong(error.to_string()))
    }

    fn from_json(json: &[u8]) -> Result<Self, BackupError> {
        let file: Self = serde_json::from_slice(json)
            .map_err(|_| BackupError::Wrong("this is not the file with the keys of a backup".to_owned()))?;
        match file.format {
            FORMAT => Ok(file),
            other => {
                Err(BackupError::Wrong(format!("the keys' file has the form {other}, this program reads {FORMAT}")))
            }
        }
    }

    fn into_keys(self) -> Result<Vec<(i64, Secret)>, BackupError> {
        self.keys
            .iter()
            .map(|(number, key)| {
                let key = BASE64_STANDARD_NO_PAD.decode(key).map(Zeroizing::new).ok();
                let key = key.and_then(|key| key.as_slice().try_into().ok());
                let key = key.ok_or_else(|| BackupError::Wrong(format!("the key of number {number} is none")))?;
                Ok((*number, Zeroizing::new(key)))
            })
            .collect()
    }
}

/// Runs file work off the async threads.
async fn blocking<T: Send + 'static>(
    task: impl FnOnce() -> Result<T, BackupError> + Send + 'static,
) -> Result<T, BackupError> {
    let ended = tokio::task::spawn_blocking(task).await;
    ended.map_err(|_| BackupError::Wrong("the backup's thread ended before its time".to_owned()))?
}
