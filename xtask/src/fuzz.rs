//! `cargo xtask fuzz`: lists the fuzz targets, or runs one until it finds something.
//!
//! The same checks run in every `cargo xtask test` with the corpus and random mutations of it.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::command;

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The target; without one the targets are listed
    target: Option<String>,
}

/// Lists or runs.
pub(crate) fn run(args: &Args) -> Result<()> {
    let folder = command::root().join("fuzz/targets");
    let mut targets = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
        targets.extend(entry?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    targets.sort();
    match &args.target {
        None => {
            println!("{}", targets.join("\n"));
            Ok(())
        }
        Some(target) if targets.contains(target) => {
            command::run(Command::new("cargo").args(["+nightly", "fuzz", "run", target]).current_dir(command::root()))
                .context("this takes a nightly toolchain and `cargo install cargo-fuzz`")
        }
        Some(target) => bail!("there is no fuzz target `{target}`; there are: {}", targets.join(", ")),
    }
}
