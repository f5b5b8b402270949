//! `domicile deployment`: init, sign, check.

mod check;
mod init;
mod sign;

use clap::Subcommand;

/// What to do with the deployment document, which says which regions and cells there are. None of it needs a server that runs.
#[derive(Debug, Subcommand)]
pub(super) enum DeploymentCommand {
    /// Begin a deployment: make the root key, the first cell's key and the document.
    Init(Box<init::Init>),
    /// Sign the document with the root key, after a change.
    Sign(sign::Sign),
    /// Tell everything that is wrong with the document.
    Check(check::Check),
}

pub(super) fn run(command: &DeploymentCommand) -> anyhow::Result<()> {
    match command {
        DeploymentCommand::Init(init) => init::run(init),
        DeploymentCommand::Sign(sign) => sign::run(sign),
        DeploymentCommand::Check(check) => check::run(check),
    }
}
