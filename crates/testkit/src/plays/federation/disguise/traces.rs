//! A search of all that Synapse got for what would tell it of cells.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::super::recorder::Recorder;
use super::super::report::Report;
use super::super::side::Side;
use super::CELLS;
use crate::plays::cells::Deployment;
use crate::plays::plaintext;

/// What stands in requests, events and names that are the cells' own.
const INNER: [&str; 3] = ["/_domicile/inner", ".cell.invalid", "ed25519:cell_"];

/// Looks for every trace, and whether it would have been found.
pub(super) fn play(report: &mut Report, deployment: &Deployment, synapse: &Side<'_>, recorders: [&Recorder; 2]) {
    report.scene("what Synapse knows of the cells");
    report.step("what passed between the two can be read", || recorders.iter().try_for_each(|one| one.is_in_clear()));
    let Some(words) = report.step("what would tell of the cells", || words(deployment)) else { return };
    let places: [(&str, PathBuf); 3] = [
        ("what the deployment answered Synapse", recorders[0].folder().to_owned()),
        ("what the deployment asked and told Synapse", recorders[1].folder().to_owned()),
        ("Synapse's database, files and log", synapse.folder().to_owned()),
    ];
    for (what, folder) in places {
        report.step(&format!("no trace of a cell in {what}"), || nothing(&folder, &words, deployment.name()));
    }
}

/// Names of cells and regions, keys and their ids, addresses. Each of them stands in the cells' own files, or the search would find nothing anywhere.
fn words(deployment: &Deployment) -> Result<Vec<String>> {
    let mut words: Vec<String> = INNER.map(str::to_owned).to_vec();
    for (name, region) in CELLS {
        let cell = deployment.cell(name)?;
        let key = cell.secret_key()?.public();
        let bare = key.to_string().trim_start_matches("ed25519:").to_owned();
        let inner = deployment.inner_url(name)?.trim_start_matches("https://").to_owned();
        let own = [name.to_owned(), region.to_owned(), key.cell_key_id(), bare, inner, cell.clients.to_string()];
        for word in &own {
            let found = plaintext::search_exactly(cell.folder(), std::slice::from_ref(word))?;
            ensure!(!found.found.is_empty(), "`{word}` is not even found in the files of {name} itself");
        }
        words.extend(own);
    }
    Ok(words)
}

/// None of the words is in a file of the folder, where the deployment's name is.
fn nothing(folder: &Path, words: &[String], name: &str) -> Result<()> {
    let control = plaintext::search_exactly(folder, &[name.to_owned()])?;
    ensure!(!control.found.is_empty(), "the search does not even find {name} in {}", folder.display());
    let findings = plaintext::search_exactly(folder, words)?;
    let Some((path, word)) = findings.found.first() else { return Ok(()) };
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let at = memchr::memmem::find(&bytes, word.as_bytes()).unwrap_or_default();
    let around = &bytes[at.saturating_sub(120)..bytes.len().min(at + 120)];
    anyhow::bail!(
        "{} traces in {} files of {} bytes; the first is `{word}` in {}: …{}…",
        findings.found.len(),
        findings.files,
        findings.bytes,
        path.display(),
        String::from_utf8_lossy(around)
    )
}
