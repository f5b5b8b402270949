//! `cargo xtask screenshots`: walks through the server's pages in a real Chromium, checks them, and makes the pictures of `docs/screenshots/`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::command;
use crate::provision;
use crate::server::Profile;

/// What to look at.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only pages with this in their name
    #[arg(long)]
    only: Option<String>,
    /// Write the pictures into this folder instead of docs/screenshots
    #[arg(long)]
    into: Option<PathBuf>,
    #[command(flatten)]
    profile: Profile,
}

/// Builds the server with something to show, and has the browser look at it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let chromium = provision::chromium()?;
    let folder = browser()?;
    let built = args.profile.build(&[("domicile-testkit", "showcase")])?;
    let pictures = args.into.clone().unwrap_or_else(|| command::root().join("docs/screenshots"));
    let mut walk = Command::new("node");
    walk.arg(folder.join("src/main.mjs")).arg("--chromium").arg(chromium).arg("--showcase").arg(built.join("showcase"));
    walk.arg("--pictures").arg(pictures);
    if let Some(only) = &args.only {
        walk.args(["--only", only]);
    }
    command::run(&mut walk)
}

/// The folder of the browser's driver, with its packages where Node finds them.
pub(crate) fn browser() -> Result<PathBuf> {
    let folder = command::root().join("clients/browser");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    command::run(&mut npm).context("looking at pages needs Node 20 or newer, with npm; install them")?;
    Ok(folder)
}
