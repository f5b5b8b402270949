//! The deployment document as a file.

use std::{fs, io::Write as _, path::Path};

use anyhow::{Context as _, bail};
use domicile_residency::deployment::{Deployment, parse, sign};

/// Reads the text of a document.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let found =
        fs::metadata(path).with_context(|| format!("cannot read the deployment document {}", path.display()))?;
    if found.len() > sign::BYTES as u64 {
        bail!("{}: {}", path.display(), sign::Unsigned::TooLarge);
    }
    fs::read_to_string(path).with_context(|| format!("cannot read the deployment document {}", path.display()))
}

/// What a text says; everything that is wrong is told at once.
pub(super) fn parsed(path: &Path, text: &str) -> anyhow::Result<Deployment> {
    let name = path.display().to_string();
    parse::read(&name, text).map_err(|problems| anyhow::anyhow!("the deployment document is wrong:\n{problems}"))
}

/// Writes a document whole: another program that reads it meanwhile sees the old one or the new one.
pub(super) fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut name = path.file_name().with_context(|| format!("{} is no file's name", path.display()))?.to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let writing = || {
        let mut file = fs::File::create(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    writing().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a new document, never over another.
pub(super) fn write_new(path: &Path, text: &str) -> anyhow::Result<()> {
    if path.exists() {
        bail!("{} is there already: choose another file, or change that one with `domicile cell`", path.display());
    }
    write(path, text)
}
