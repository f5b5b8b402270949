//! `domicile status` and `domicile alerts`: the status page as files, and what the operator is to know.

use std::path::PathBuf;

use anyhow::Context;
use axum::http::Method;
use clap::{Args, Subcommand};
use domicile_core::{calendar::minute, config::Config};
use serde_json::{Value, json};

use super::{layout::wrapped, say};
use crate::admin_socket::ask;

const FILES: &str = "/_domicile/admin/v1/status/files";
const ALERTS: &str = "/_domicile/admin/v1/alerts";

/// What to do with the status page.
#[derive(Debug, Subcommand)]
pub(super) enum StatusCommand {
    /// Write the page as files, for another host under another name: a server that is blocked cannot deliver it.
    Export {
        /// The folder; it is made if it is not there. Files of the same names are replaced.
        folder: PathBuf,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

/// What the operator is to know.
#[derive(Debug, Args)]
pub(super) struct AlertsCommand {
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, command: StatusCommand) -> anyhow::Result<()> {
    let StatusCommand::Export { folder, json } = command;
    let answer = ask(config, Method::GET, FILES, &Value::Null).await?;
    let files = answer.as_object().context("the server's answer has no files")?;
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut names = Vec::new();
    for (name, text) in files {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') && !name.starts_with('.');
        anyhow::ensure!(is_name, "`{name}` is no name of a file of the status page");
        // Whoever reads it meanwhile gets the old page or the new one, and no half of it.
        let (place, part) = (folder.join(name), folder.join(format!("{name}.part")));
        std::fs::write(&part, text.as_str().unwrap_or_default())
            .with_context(|| format!("cannot write {}", part.display()))?;
        std::fs::rename(&part, &place).with_context(|| format!("cannot write {}", place.display()))?;
        names.push(name.clone());
    }
    if json {
        say(&json!({ "folder": folder, "files": names }).to_string())
    } else {
        say(&format!("Wrote {} to {}.", names.join(", "), folder.display()))
    }
}

pub(super) async fn alerts(config: &Config, command: &AlertsCommand) -> anyhow::Result<()> {
    let answer = ask(config, Method::GET, ALERTS, &Value::Null).await?;
    if command.json {
        return say(&answer.to_string());
    }
    let alerts = answer["alerts"].as_array().cloned().unwrap_or_default();
    if alerts.is_empty() {
        return say("There is nothing that you should know.");
    }
    for alert in alerts {
        let text = |key: &str| alert[key].as_str().unwrap_or_default();
        let since = alert["raised_ts"].as_i64().map(minute).unwrap_or_default();
        let is_untold = |key: &str| !alert[key].is_i64();
        let untold = match (has_webhook(config) && is_untold("told_ts"), has_mail(config) && is_untold("mailed_ts")) {
            (false, false) => "",
            (true, false) => "  (the webhook has not taken it)",
            (false, true) => "  (the mail server has not taken it)",
            (true, true) => "  (neither the webhook nor the mail server has taken it)",
        };
        say(&format!("{:<13} since {since}{untold}", text("kind")))?;
        for line in wrapped(text("what"), 90) {
            say(&format!("  {line}"))?;
        }
    }
    Ok(())
}

fn has_webhook(config: &Config) -> bool {
    !config.standing.alert_url.is_empty()
}

fn has_mail(config: &Config) -> bool {
    !config.standing.alert_mail.is_empty()
}
