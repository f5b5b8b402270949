//! `loadgen simulate`: what deployments of a million, a hundred million and a billion people would have to do. Pure but for the file that it writes.

mod document;
mod groups;
pub(crate) mod measured;
mod model;

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};

use measured::Measured;

/// What to simulate.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// People; without it, all three sizes of docs/scale.md
    #[arg(long)]
    users: Option<f64>,
    /// People of a full cell
    #[arg(long)]
    users_a_cell: Option<f64>,
    /// How likely somebody's people are put into their cell beyond chance, from 0 to 1
    #[arg(long)]
    placed_together: Option<f64>,
    /// Write docs/scale.md
    #[arg(long, value_name = "FILE", conflicts_with_all = ["users", "users_a_cell", "placed_together"])]
    write: Option<PathBuf>,
    /// What `loadgen cells` measured; without it, what was kept when this program was built
    #[arg(long, value_name = "FILE")]
    measured: Option<PathBuf>,
}

/// Prints what follows, as JSON, or writes the document.
pub(crate) fn run(args: &Args) -> Result<()> {
    let measured = match &args.measured {
        Some(file) => Measured::read(file)?,
        None => Measured::embedded(),
    };
    let mut assumed = measured.assumed();
    if let Some(file) = &args.write {
        let text = document::write(&assumed, &measured);
        return fs::write(file, text).with_context(|| format!("writing {}", file.display()));
    }
    assumed.users_a_cell = args.users_a_cell.unwrap_or(assumed.users_a_cell).max(1.0);
    assumed.placed_together = args.placed_together.unwrap_or(assumed.placed_together).clamp(0.0, 1.0);
    let sizes = args.users.map_or_else(|| vec![1e6, 1e8, 1e9], |users| vec![users.max(1.0)]);
    for users in sizes {
        println!("{}", serde_json::to_string(&model::outcome(&assumed, users))?);
    }
    Ok(())
}
