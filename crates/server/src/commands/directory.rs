//! `domicile directory`: status, places, present, transfer.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use axum::http::Method;
use clap::Subcommand;
use domicile_core::{config::Config, plural::counted};
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
    /// How many homes the cells of this region have, the emptiest first: there new people go.
    Places {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Bring the tickets of this cell's people to the cell that decides names, which was restored from a backup and is fenced until all have done so.
    Present {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Give somebody whose cell was revoked a home here: writes what the root key has to sign (`domicile deployment let-go`), or takes it signed.
    Transfer {
        /// The account.
        #[arg(required_unless_present = "signed", conflicts_with = "signed")]
        user: Option<String>,
        /// What `domicile deployment let-go` wrote.
        #[arg(long, value_name = "FILE")]
        signed: Option<PathBuf>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: DirectoryCommand) -> anyhow::Result<()> {
    match command {
        DirectoryCommand::Status { json } => status(config, json).await,
        DirectoryCommand::Places { json } => places(config, json).await,
        DirectoryCommand::Present { json } => {
            let answer = ask(config, Method::POST, &format!("{PATH}/present"), &Value::Null).await?;
            if json {
                return say(&answer.to_string());
            }
            let people = counted(answer["people"].as_u64().unwrap_or_default(), "person", "people");
            say(&format!("The tickets of {people} were brought to the cell that decides names."))
        }
        DirectoryCommand::Transfer { user, signed: None, .. } => {
            let path = format!("{PATH}/emergency/{}", user.unwrap_or_default());
            say(&ask(config, Method::GET, &path, &Value::Null).await?.to_string())
        }
        DirectoryCommand::Transfer { signed: Some(signed), json, .. } => take(config, &signed, json).await,
    }
}

/// Takes somebody in.
async fn take(config: &Config, signed: &Path, json: bool) -> anyhow::Result<()> {
    let text = fs::read_to_string(signed).with_context(|| format!("cannot read {}", signed.display()))?;
    let signed: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is not what `domicile deployment let-go` writes", signed.display()))?;
    let taken = ask(config, Method::POST, &format!("{PATH}/rescue"), &signed).await?;
    if json {
        return say(&taken.to_string());
    }
    let user = taken["user_id"].as_str().unwrap_or_default();
    say(&format!(
        "{user} is at home here. Nothing of what was stored at their old home came along. `domicile user passwd {user}` gives them a password."
    ))
}

async fn places(config: &Config, json: bool) -> anyhow::Result<()> {
    let answer = ask(config, Method::GET, &format!("{PATH}/places"), &Value::Null).await?;
    if json {
        return say(&answer.to_string());
    }
    for place in answer["places"].as_array().into_iter().flatten() {
        let text = |key: &str| place[key].as_str().unwrap_or_default();
        let homes = match place["homes"].as_u64() {
            Some(homes) => counted(homes, "home", "homes"),
            None => "does not answer".to_owned(),
        };
        let here = if place["is_here"] == true { "  (this cell)" } else { "" };
        say(&format!("{:<16}  {:<40}  {homes}{here}", text("cell"), text("client_url")))?;
    }
    Ok(())
}

async fn status(config: &Config, json: bool) -> anyhow::Result<()> {
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
