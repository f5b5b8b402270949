//! Processes of a play, which write what they say to a log.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

const LAST_LINES: usize = 8;

/// Has a program read nothing and add what it says to the file `log`.
pub(super) fn logged<'c>(command: &'c mut Command, log: &Path) -> Result<&'c mut Command> {
    let output = File::options().create(true).append(true).open(log);
    let output = output.with_context(|| format!("opening {}", log.display()))?;
    let errors = output.try_clone().context("a second handle on the log")?;
    Ok(command.stdin(Stdio::null()).stdout(output).stderr(errors))
}

/// What a log ends with, for an error: its folder may be gone when that is read.
pub(super) fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

/// Starts such a program.
pub(super) fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    let started = logged(command, log)?.spawn();
    started.with_context(|| format!("starting {}", command.get_program().display()))
}
