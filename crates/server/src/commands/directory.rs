//! `domicile directory`: status.

use axum::http::Method;
use clap::Subcommand;
use domicile_core::config::Config;
use serde_json::Value;

use super::say;
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/directory";

/// Whose home is where.
#[derive(Debug, Subcommand)]
pub(super) enum DirectoryCommand {
    /// Which cell decides whose a name is, what this one knows, and whether the log is whole.
    Status {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: DirectoryCommand) -> anyhow::Result<()> {
    let DirectoryCommand::Status { json } = command;
    let answer = ask(config, Method::GET, PATH, &Value::Null).await?;
    if json {
        return say(&answer.to_string());
    }
    let status = &answer["status"];
    let text = |key: &str| status[key].as_str().unwrap_or_default();
    say(&format!(
        "This is the cell {} in the region {}, with document {}.",
        text("cell"),
        text("region"),
        status["serial"]
    ))?;
    say(&format!("Names are decided by {} (term {}).", text("decider"), status["term"]))?;
    say(&format!("Homes are known of {} people, {} of them here.", status["tickets"], status["at_home"]))?;
    let log = &answer["log"];
    match log["ok"].as_bool() {
        None => Ok(()),
        Some(true) => {
            say(&format!("{} names are taken; the log has {} entries and is whole.", status["names"], log["entries"]))
        }
        Some(false) => {
            let why = log["error"].as_str().unwrap_or_default();
            anyhow::bail!(
                "the directory's log is damaged: {why}. Restore a backup of this cell, and change nothing before"
            )
        }
    }
}
