//! `domicile export`: request, confirm, list.

use std::path::PathBuf;

use anyhow::{Context, bail};
use axum::http::Method;
use clap::{Args, Subcommand};
use domicile_core::config::Config;
use serde_json::{Value, json};

use super::{By, date, say};
use crate::admin_socket::ask_as;

const PATH: &str = "/_domicile/admin/v1/exports";

/// All that is held about a person, in a file that only they can open.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ExportCommand {
    #[command(subcommand)]
    command: Option<ExportSubcommand>,
    /// About whom.
    user: Option<String>,
    /// Their public key (age1…). `domicile backup key` or `age-keygen` makes a pair; they keep the secret half.
    #[arg(long)]
    to: Option<String>,
    /// The file that the server is to write.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    by: By,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ExportSubcommand {
    /// Confirm somebody else's request, with a name of your own, and have the file written.
    Confirm {
        /// The request's id.
        id: String,
        #[command(flatten)]
        by: By,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// List requests.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: ExportCommand) -> anyhow::Result<()> {
    match command.command {
        Some(ExportSubcommand::Confirm { id, by, json }) => confirm(config, &id, &by, json).await,
        Some(ExportSubcommand::List { json }) => list(config, json).await,
        None => request(config, command).await,
    }
}

async fn request(config: &Config, command: ExportCommand) -> anyhow::Result<()> {
    let (Some(user), Some(to), Some(out)) = (command.user, command.to, command.out) else {
        bail!(
            "say about whom, for which key and into which file: domicile export @bob --to age1… --out FILE --reason …"
        );
    };
    let file = std::path::absolute(&out).with_context(|| format!("the file {}", out.display()))?;
    let body = json!({ "user": user, "recipient": to, "file": file });
    let answer = ask_as(config, Method::POST, PATH, &body, &command.by).await?;
    if command.json {
        return say(&answer.to_string());
    }
    let id = answer["id"].as_str().unwrap_or_default();
    say(&format!("Asked for. Somebody else confirms it with their own name: domicile export confirm {id} --as NAME"))
}

async fn confirm(config: &Config, id: &str, by: &By, json: bool) -> anyhow::Result<()> {
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        bail!("`{id}` is no request's id: `domicile export list` shows them");
    }
    let answer = ask_as(config, Method::POST, &format!("{PATH}/{id}/confirm"), &Value::Null, by).await?;
    if json {
        return say(&answer["document"].to_string());
    }
    let body = &answer["document"]["body"];
    say(&format!(
        "{} is written: {} bytes, {} files of media, SHA-256 {}.",
        body["file"].as_str().unwrap_or_default(),
        body["bytes"],
        body["media_files"],
        body["sha256"].as_str().unwrap_or_default()
    ))?;
    say("It stands in the person's access log. Give them the file: nobody else can open it.")
}

async fn list(config: &Config, json: bool) -> anyhow::Result<()> {
    let answer = ask_as(config, Method::GET, PATH, &Value::Null, &By::default()).await?;
    if json {
        return say(&answer.to_string());
    }
    for request in answer["requests"].as_array().into_iter().flatten() {
        let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
        let state = request["confirmed_by"].as_str().map_or("waits".to_owned(), |by| format!("confirmed by {by}"));
        let made = date(request["created_ts"].as_i64().unwrap_or_default());
        say(&format!(
            "{}  {made}  {}  by {}: {} ({state})",
            text("id"),
            text("user_id"),
            text("requested_by"),
            text("reason")
        ))?;
    }
    Ok(())
}
