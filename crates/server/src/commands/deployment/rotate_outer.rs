//! `domicile deployment rotate-outer`

use std::{fs, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use domicile_core::{
    calendar::minute,
    clock::{Clock as _, HOUR_MS, SystemClock},
};
use domicile_residency::deployment::{PublicKey, edit};
use serde::Deserialize;
use serde_json::json;

use super::super::{
    cell::{Document, changed, signing, tell},
    document_file,
};

/// Bytes of the longest request.
const BYTES: u64 = 16 * 1024;

/// Which key takes the place of which.
#[derive(Debug, Args)]
pub(crate) struct RotateOuter {
    /// What `domicile federation rotate-key --json` wrote at the gateway.
    next: PathBuf,
    /// For how many hours from now the old key may still sign: the gateway must have started with the new document by then. What it signed
    /// until then counts for good.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=720))]
    hours: u16,
    #[command(flatten)]
    document: Document,
}

#[derive(Deserialize)]
struct Next {
    old: String,
    new: String,
    key: String,
    waits: bool,
}

pub(super) fn run(command: &RotateOuter) -> anyhow::Result<()> {
    let RotateOuter { next, hours, document } = command;
    let Next { old, new, key, .. } = read(next)?;
    let key = PublicKey::parse(&key).with_context(|| format!("{}: `key`", next.display()))?;
    let end_ms = SystemClock.now_ms().saturating_add(i64::from(*hours) * HOUR_MS);
    let before = document_file::read(&document.file)?;
    let (text, found) = changed(document, edit::rotate_outer_key(&before, &old, (&new, &key), end_ms))?;
    document_file::write(&document.file, &text)?;
    let end = minute(end_ms);
    let then = format!(
        "{new} takes the place of {old} in serial {serial} of {file}. Next:\n\
         {sign}\
         2. Give the document to a cell, which tells the others: the gateway signs with the new key as soon as it has it. Do it \
         before {end} (UTC): other servers believe nothing that is signed with the old key later.",
        serial = found.serial,
        file = document.file.display(),
        sign = signing(document, "1. "),
    );
    tell(document, &found, json!({ "old": old, "new": new, "expired_ts": end_ms }), &then)
}

fn read(path: &std::path::Path) -> anyhow::Result<Next> {
    let what = || format!("cannot read {}", path.display());
    let is_not = || format!("{} is not what `domicile federation rotate-key --json` writes", path.display());
    if fs::metadata(path).with_context(what)?.len() > BYTES {
        bail!(is_not());
    }
    let next: Next = serde_json::from_str(&fs::read_to_string(path).with_context(what)?).with_context(is_not)?;
    if !next.waits {
        bail!("{}: that server is no cell of a deployment, and signs with {} already", path.display(), next.new);
    }
    Ok(next)
}
