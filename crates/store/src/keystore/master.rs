//! The master key: in a file of its own that only the server's user may read, or given at start and never on disk.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use domicile_core::rng::{self, Rng};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::{
    StoreError,
    seal::{KEY_BYTES, Secret},
};

/// Where the master key comes from.
#[derive(Clone)]
pub enum MasterSource {
    /// A file that the server makes and replaces. Keep it out of the backups of the data.
    File(PathBuf),
    /// Given at start: the current one, and after it the one that it replaces, if that change is not finished.
    Given(Vec<[u8; KEY_BYTES]>),
}

impl std::fmt::Debug for MasterSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Given(_) => f.write_str("Given(secret)"),
        }
    }
}

/// A master key.
#[derive(Clone)]
pub(super) struct Master {
    pub(super) secret: Secret,
    pub(super) created_ts: Option<i64>,
}

impl Master {
    pub(super) fn random(rng: &dyn Rng, created_ts: Option<i64>) -> Self {
        Self { secret: Zeroizing::new(rng::bytes(rng)), created_ts }
    }

    /// Tells master keys apart and says nothing about them.
    pub(super) fn id(&self) -> Vec<u8> {
        Sha256::new().chain_update(b"domicile master key").chain_update(self.secret.as_slice()).finalize()[..8].to_vec()
    }
}

/// The master key, and the one before it while keys are still wrapped under that.
#[derive(Clone)]
pub(super) struct MasterKeys {
    pub(super) current: Master,
    pub(super) old: Option<Master>,
}

impl MasterKeys {
    pub(super) fn replaced_by(&self, next: Master) -> Self {
        Self { current: next, old: Some(self.current.clone()) }
    }
}

/// Reads the master key. A missing file is made anew only for a keystore without keys.
pub(super) fn load(
    source: &MasterSource,
    keystore_is_empty: bool,
    rng: &dyn Rng,
    now_ms: i64,
) -> Result<MasterKeys, StoreError> {
    let path = match source {
        MasterSource::Given(keys) => return given(keys),
        MasterSource::File(path) => path,
    };
    match fs::read_to_string(path) {
        Ok(text) => {
            check_mode(path)?;
            parse(path, &Zeroizing::new(text))
        }
        Err(error) if error.kind() == ErrorKind::NotFound && keystore_is_empty => {
            let keys = MasterKeys { current: Master::random(rng, Some(now_ms)), old: None };
            write(path, &keys)?;
            Ok(keys)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError::Schema(format!(
            "the master key {} is missing, and without it nothing sealed can be opened: put it back from where you keep it",
            path.display()
        ))),
        Err(source) => Err(StoreError::File { what: format!("cannot read the master key {}", path.display()), source }),
    }
}

fn given(keys: &[[u8; KEY_BYTES]]) -> Result<MasterKeys, StoreError> {
    let master = |key: &[u8; KEY_BYTES]| Master { secret: Zeroizing::new(*key), created_ts: None };
    match keys {
        [current] => Ok(MasterKeys { current: master(current), old: None }),
        [current, old] => Ok(MasterKeys { current: master(current), old: Some(master(old)) }),
        _ => Err(StoreError::Schema(format!(
            "{} master keys were given: give one, or the new and the old one",
            keys.len()
        ))),
    }
}

#[cfg(unix)]
fn check_mode(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::PermissionsExt;
    let file = fs::metadata(path)
        .map_err(|source| StoreError::File { what: format!("cannot look at {}", path.display()), source })?;
    if file.permissions().mode().trailing_zeros() >= 6 {
        return Ok(());
    }
    Err(StoreError::Schema(format!(
        "others may read the master key {}: chmod 600 it, and replace it if that may have happened",
        path.display()
    )))
}

#[cfg(not(unix))]
fn check_mode(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

fn parse(path: &Path, text: &str) -> Result<MasterKeys, StoreError> {
    let wrong = || StoreError::Schema(format!("{} is no master key: it was changed or cut short", path.display()));
    let mut keys = text.lines().map(|line| {
        let (created, key) = line.split_once(' ')?;
        let mut secret: Secret = Zeroizing::new([0; KEY_BYTES]);
        // One byte more than a key: a longer text must not pass.
        let mut decoded = Zeroizing::new([0_u8; KEY_BYTES + 1]);
        if BASE64_STANDARD_NO_PAD.decode_slice(key, decoded.as_mut_slice()) != Ok(KEY_BYTES) {
            return None;
        }
        secret.copy_from_slice(&decoded[..KEY_BYTES]);
        Some(Master { secret, created_ts: Some(created.parse().ok()?) })
    });
    let current = keys.next().flatten().ok_or_else(wrong)?;
    let old = keys.next().map(|old| old.ok_or_else(wrong)).transpose()?;
    match keys.next() {
        None => Ok(MasterKeys { current, old }),
        Some(_) => Err(wrong()),
    }
}

/// Writes the file whole or not at all. When this returns, it is on disk.
pub(super) fn write(path: &Path, keys: &MasterKeys) -> Result<(), StoreError> {
    let mut text = Zeroizing::new(String::new());
    for key in [Some(&keys.current), keys.old.as_ref()].into_iter().flatten() {
        let encoded = Zeroizing::new(BASE64_STANDARD_NO_PAD.encode(key.secret.as_slice()));
        text.push_str(&key.created_ts.unwrap_or_default().to_string());
        text.push(' ');
        text.push_str(&encoded);
        text.push('\n');
    }
    let written = || -> std::io::Result<()> {
        let aside = path.with_extension("key.new");
        let mut options = fs::File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => fs::File::open(folder)?.sync_all(),
            None => fs::File::open(".")?.sync_all(),
        }
    };
    written()
        .map_err(|source| StoreError::File { what: format!("cannot write the master key {}", path.display()), source })
}
