//! `domicile deployment check`

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;
use domicile_residency::deployment::{PublicKey, accept, parse, sign};
use serde_json::json;

use super::super::{document_file, say};

/// What is checked against what.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The document.
    #[arg(long, default_value = "deployment.toml")]
    file: PathBuf,
    /// The public half of the root key, which must have signed it. Without it, whoever signed is believed and told.
    #[arg(long)]
    root_key: Option<String>,
    /// The document that holds so far: tell whether cells would take the new one in its place.
    #[arg(long)]
    against: Option<PathBuf>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(check: &Check) -> anyhow::Result<()> {
    let Check { file, root_key, against, json } = check;
    let text = document_file::read(file)?;
    let name = file.display().to_string();
    let found = parse::read(&name, sign::unsigned(&text));
    let mut problems: Vec<(String, String)> = Vec::new();
    if let Err(wrong) = &found {
        problems.extend(wrong.all().iter().map(|problem| (problem.place.clone(), problem.what.clone())));
    }
    let root = match root_key {
        Some(text) => Some(PublicKey::parse(text).context("--root-key")?),
        None => sign::signer(&text),
    };
    match root.map(|root| sign::verified(&text, &root)) {
        Some(Ok(_)) => {}
        Some(Err(wrong)) => problems.push((name.clone(), wrong.to_string())),
        None => problems.push((name.clone(), sign::Unsigned::Missing.to_string())),
    }
    if let (Ok(found), Some(against)) = (&found, against) {
        let known = document_file::read(against)?;
        let known = document_file::parsed(against, sign::unsigned(&known))?;
        if let Err(refused) = accept::accept(&known, found) {
            problems.push((name.clone(), refused.to_string()));
        }
    }
    let serial = found.as_ref().ok().map(|found| found.serial);
    let root = root.map(|root| root.to_string());
    if *json {
        let told: Vec<_> = problems.iter().map(|(place, what)| json!({ "place": place, "what": what })).collect();
        say(&json!({ "ok": problems.is_empty(), "serial": serial, "root_key": root, "problems": told }).to_string())?;
    }
    if !problems.is_empty() {
        let told: Vec<String> = problems.iter().map(|(place, what)| format!("{place}: {what}")).collect();
        bail!("the deployment document is wrong:\n{}", told.join("\n"));
    }
    if *json {
        return Ok(());
    }
    say(&format!(
        "{name}: nothing is wrong. Serial {}, signed by {}.",
        serial.unwrap_or_default(),
        root.unwrap_or_default()
    ))
}
