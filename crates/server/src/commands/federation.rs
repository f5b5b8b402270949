//! `domicile federation`: status, retry.

mod retry;
mod status;

use anyhow::bail;
use clap::Subcommand;
use domicile_core::config::Config;

const DESTINATIONS: &str = "/_domicile/admin/v1/federation/destinations";

/// What to do about other servers.
#[derive(Debug, Subcommand)]
pub(super) enum FederationCommand {
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
}

pub(super) async fn run(config: &Config, command: FederationCommand) -> anyhow::Result<()> {
    match command {
        FederationCommand::Status { host, json } => status::run(config, host.as_deref(), json).await,
        FederationCommand::Retry { host } => retry::run(config, &host).await,
    }
}

/// Where the operator's API has a server.
fn path(host: &str) -> anyhow::Result<String> {
    // Colons and brackets are what a name may have; nothing that has a meaning in a path.
    if host.is_empty() || host.contains(['/', '?', '#', '%']) || host.chars().any(char::is_whitespace) {
        bail!("`{host}` cannot be a server's name: use one such as example.org");
    }
    Ok(format!("{DESTINATIONS}/{}", host.replace('[', "%5B").replace(']', "%5D")))
}
