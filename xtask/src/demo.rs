//! `cargo xtask demo`: shows what Domicile is for, in three minutes, to whoever watches.
//!
//! Two cells, people with matrix-sdk, a closed border, a move, a theft. Each claim is checked before it is shown; one that does not hold makes the
//! command fail. The play is `crates/testkit/src/plays/cells/demo`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::e2e;
use crate::server::Profile;

/// How to show it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The quickly built programs instead of those that are shipped
    #[arg(long)]
    debug: bool,
    /// A folder with `domicile` and `cells` that are built already
    #[arg(long, conflicts_with = "debug")]
    programs: Option<PathBuf>,
    /// A driver of matrix-sdk that is built already; building it takes some minutes
    #[arg(long)]
    matrix_sdk_driver: Option<PathBuf>,
    /// Keep the cells' data, the logs and the clients' stores in this folder
    #[arg(long)]
    keep: Option<PathBuf>,
}

/// Builds everybody, and shows it.
pub(crate) fn run(args: &Args) -> Result<()> {
    let driver = e2e::matrix_sdk_driver(args.matrix_sdk_driver.as_deref())?;
    let programs = if let Some(programs) = &args.programs {
        programs.clone()
    } else {
        let profile = if args.debug { Profile::debug() } else { Profile::release() };
        profile.build(&[("domicile-server", "domicile"), ("domicile-testkit", "cells")])?
    };
    let mut cells = Command::new(programs.join("cells"));
    cells.arg("demo").arg("--server-binary").arg(programs.join("domicile")).arg("--matrix-sdk-driver").arg(driver);
    if let Some(folder) = &args.keep {
        cells.arg("--keep").arg(folder);
    }
    let status = cells.status().with_context(|| format!("starting {}", programs.join("cells").display()))?;
    ensure!(status.success(), "the demonstration failed");
    Ok(())
}
