//! `domicile federation`: check, retry, rotate-key, status.

mod check;
mod retry;
mod rotate_key;
mod status;

use anyhow::bail;
use clap::Subcommand;
use domicile_core::config::Config;

const PATH: &str = "/_domicile/admin/v1/federation";
const DESTINATIONS: &str = "/_domicile/admin/v1/federation/destinations";

/// What to do about other servers.
#[derive(Debug, Subcommand)]
pub(super) enum FederationCommand {
    /// Go the way to a server step by step, and say what does not work. Your own name may be given, too.
    Check {
        /// The server's name, such as example.org.
        host: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show which servers have not been told everything, since when, and why.
    Status {
        /// Only this one.
        host: Option<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Try a server now that is left alone because it could not be reached.
    Retry {
        /// The server's name, such as example.org.
        host: String,
    },
    /// Sign with a new key from now on. The old one stays known as one that was. In a cell of a deployment the new key waits until the document
    /// names it (`domicile deployment rotate-outer`).
    RotateKey {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: FederationCommand) -> anyhow::Result<()> {
    match command {
        FederationCommand::Check { host, json } => check::run(config, &host, json).await,
        FederationCommand::Status { host, json } => status::run(config, host.as_deref(), json).await,
        FederationCommand::Retry { host } => retry::run(config, &host).await,
        FederationCommand::RotateKey { json } => rotate_key::run(config, json).await,
    }
}

/// Where the operator's API has a server.
fn path(host: &str) -> anyhow::Result<String> {
    Ok(format!("{DESTINATIONS}/{}", part(host)?))
}

/// A server's name as a part of a path.
fn part(host: &str) -> anyhow::Result<String> {
    // Colons and brackets are what a name may have; nothing that has a meaning in a path.
    if host.is_empty() || host.contains(['/', '?', '#', '%']) || host.chars().any(char::is_whitespace) {
        bail!("`{host}` cannot be a server's name: use one such as example.org");
    }
    Ok(host.replace('[', "%5B").replace(']', "%5D"))
}
