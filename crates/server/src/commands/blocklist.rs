//! `domicile blocklist`: check.

mod check;

use clap::Subcommand;
use domicile_core::config::Config;

/// What to do about registers of what is blocked.
#[derive(Debug, Subcommand)]
pub(super) enum BlocklistCommand {
    /// Search register files for names and addresses, once. Needs no database and no running server.
    Check(check::Check),
}

pub(super) fn run(config: &Config, command: &BlocklistCommand) -> anyhow::Result<()> {
    match command {
        BlocklistCommand::Check(check) => check::run(config, check),
    }
}
