//! `domicile deployment`: init, sign, rotate-outer, let-go, check.

mod check;
mod init;
mod let_go;
mod rotate_outer;
mod sign;

use clap::Subcommand;

/// What to do with the deployment document, which says which regions and cells there are. None of it needs a server that runs.
#[derive(Debug, Subcommand)]
pub(super) enum DeploymentCommand {
    /// Begin a deployment: make the root key, the first cell's key and the document.
    Init(Box<init::Init>),
    /// Sign the document with the root key, after a change.
    Sign(sign::Sign),
    /// Let a gateway's next key for other servers take the place of the one before.
    RotateOuter(rotate_outer::RotateOuter),
    /// Sign with the root key that somebody whose home was revoked gets another one.
    LetGo(let_go::LetGo),
    /// Tell everything that is wrong with the document.
    Check(check::Check),
}

pub(super) fn run(command: &DeploymentCommand) -> anyhow::Result<()> {
    match command {
        DeploymentCommand::Init(init) => init::run(init),
        DeploymentCommand::Sign(sign) => sign::run(sign),
        DeploymentCommand::RotateOuter(rotate) => rotate_outer::run(rotate),
        DeploymentCommand::LetGo(let_go) => let_go::run(let_go),
        DeploymentCommand::Check(check) => check::run(check),
    }
}
