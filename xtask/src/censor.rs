//! `cargo xtask censor`: plays the censor to `domicile probe`, in network namespaces.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::server::Profile;

/// How long to play.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often each thing is done to the probe
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// How often the network is only bad
    #[arg(long, default_value_t = 200)]
    bad_rounds: usize,
    /// Only what has this in its name, such as "SNI"
    #[arg(long)]
    only: Option<String>,
    /// Networks at once
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    #[command(flatten)]
    profile: Profile,
}

/// Builds both programs, and has one play with the other.
pub(crate) fn run(args: &Args) -> Result<()> {
    let built = args.profile.build(&[("domicile-server", "domicile"), ("domicile-testkit", "censor")])?;
    let mut command = Command::new(built.join("censor"));
    command.arg("--domicile").arg(built.join("domicile"));
    command.args(["--rounds", &args.rounds.to_string(), "--bad-rounds", &args.bad_rounds.to_string()]);
    command.args(["--at-once", &args.at_once.to_string()]);
    if let Some(only) = &args.only {
        command.args(["--only", only]);
    }
    let status = command.status().context("starting the censor")?;
    ensure!(status.success(), "the probe did not know what was done to it");
    Ok(())
}
