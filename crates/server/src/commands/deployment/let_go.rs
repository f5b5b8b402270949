//! `domicile deployment let-go`

use std::{fs, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use domicile_residency::directory::Emergency;

use super::super::{key_file, say};

/// Bytes of the longest request.
const BYTES: u64 = 16 * 1024;

/// What is signed with what.
#[derive(Debug, Args)]
pub(crate) struct LetGo {
    /// What `domicile directory transfer` wrote.
    request: PathBuf,
    /// The file with the root key.
    #[arg(long, default_value = "root.key")]
    root_key: PathBuf,
}

pub(super) fn run(command: &LetGo) -> anyhow::Result<()> {
    let LetGo { request, root_key } = command;
    let what = || format!("cannot read {}", request.display());
    if fs::metadata(request).with_context(what)?.len() > BYTES {
        bail!("{} is too large to be what `domicile directory transfer` writes", request.display());
    }
    let text = fs::read_to_string(request).with_context(what)?;
    let wanted: Emergency = serde_json::from_str(&text)
        .with_context(|| format!("{} is not what `domicile directory transfer` writes", request.display()))?;
    let signed = wanted.sign(&key_file::read(root_key)?)?;
    say(&serde_json::to_string(&signed)?)
}
