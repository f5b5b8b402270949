//! Processes of a play, which write what they say to a log.

use std::{
    fs::File,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result};

/// Has a program read nothing and add what it says to the file `log`.
pub(super) fn logged<'c>(command: &'c mut Command, log: &Path) -> Result<&'c mut Command> {
    let output = File::options().create(true).append(true).open(log);
    let output = output.with_context(|| format!("opening {}", log.display()))?;
    let errors = output.try_clone().context("a second handle on the log")?;
    Ok(command.stdin(Stdio::null()).stdout(output).stderr(errors))
}

/// Starts such a program.
pub(super) fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    let started = logged(command, log)?.spawn();
    started.with_context(|| format!("starting {}", command.get_program().display()))
}
