//! `domicile deployment`: init, sign, rotate-outer, let-go, check, status, reload.

mod check;
mod init;
mod let_go;
mod online;
mod rotate_outer;
mod sign;

use clap::Subcommand;
use domicile_core::config::Config;

/// What to do with the deployment document, which says which regions and cells there are.
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
    /// Which document this cell and the others work by.
    Status(online::Status),
    /// Have this cell read its document's file now. It does so by itself when the file changes, and gets newer ones from other cells.
    Reload(online::Reload),
}

/// What needs no configuration: it is done where the root key is kept. Nothing if the command is another one.
pub(super) fn offline(command: &DeploymentCommand) -> Option<anyhow::Result<()>> {
    Some(match command {
        DeploymentCommand::Init(init) => init::run(init),
        DeploymentCommand::Sign(sign) => sign::run(sign),
        DeploymentCommand::RotateOuter(rotate) => rotate_outer::run(rotate),
        DeploymentCommand::LetGo(let_go) => let_go::run(let_go),
        DeploymentCommand::Check(check) => check::run(check),
        DeploymentCommand::Status(_) | DeploymentCommand::Reload(_) => return None,
    })
}

/// What a cell is asked.
pub(super) async fn run(config: &Config, command: &DeploymentCommand) -> anyhow::Result<()> {
    match command {
        DeploymentCommand::Status(status) => online::status(config, status).await,
        DeploymentCommand::Reload(reload) => online::reload(config, reload).await,
        other => offline(other).unwrap_or(Ok(())),
    }
}
