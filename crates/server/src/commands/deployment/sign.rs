//! `domicile deployment sign`

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use domicile_residency::deployment::sign;
use serde_json::json;

use super::super::{document_file, key_file, say};

/// What is signed with what.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The document.
    #[arg(long, default_value = "deployment.toml")]
    file: PathBuf,
    /// The file with the root key.
    #[arg(long, default_value = "root.key")]
    root_key: PathBuf,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(command: &Sign) -> anyhow::Result<()> {
    let Sign { file, root_key, json } = command;
    let text = document_file::read(file)?;
    let found = document_file::parsed(file, sign::unsigned(&text))?;
    let root = key_file::read(root_key)?;
    if let Some(before) = sign::signer(&text).filter(|before| *before != root.public()) {
        bail!(
            "{} was signed by {before}, and {} has the key {}: no cell would take it. Use the right root key, or take the last line of the \
             document away if the deployment is to have a new one",
            file.display(),
            root_key.display(),
            root.public()
        );
    }
    if sign::verified(&text, &root.public()).is_err() {
        document_file::write(file, &sign::sign(&text, &root))?;
    }
    if *json {
        return say(&json!({ "serial": found.serial, "root_key": root.public().to_string() }).to_string());
    }
    say(&format!(
        "{} is signed, with serial {}. Put it in place of the old one at one cell, which takes it within seconds and tells the others.",
        file.display(),
        found.serial
    ))
}
