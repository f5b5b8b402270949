//! Files with secret keys: made for their owner alone, and read only if nobody else can read them.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use domicile_residency::deployment::SecretKey;

/// Bytes of such a file at most.
const BYTES: u64 = 64 * 1024;

/// Writes a key into a new file of mode 0600. One that is there is never written over: it may be the only copy of a key.
pub(super) fn write(path: &Path, key: &SecretKey, about: &str) -> anyhow::Result<()> {
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = opened.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            anyhow::anyhow!(
                "{} is there already, and may be the only copy of a key: choose another file",
                path.display()
            )
        }
        _ => anyhow::Error::new(error).context(format!("cannot make {}", path.display())),
    })?;
    let text = format!("# {about}\n# Public half: {}\n{}\n", key.public(), *key.to_secret_text());
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a key.
pub(crate) fn read(path: &Path) -> anyhow::Result<SecretKey> {
    let found = fs::metadata(path).with_context(|| format!("cannot read the key file {}", path.display()))?;
    if found.mode() & 0o077 != 0 {
        bail!("other accounts of this machine may read {}: close it with `chmod 600 {0}`", path.display());
    }
    if found.len() > BYTES {
        bail!("{} is too large to be a key file", path.display());
    }
    let text =
        zeroize::Zeroizing::new(fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?);
    SecretKey::parse(&text).with_context(|| format!("{} is no key file of Domicile's", path.display()))
}
