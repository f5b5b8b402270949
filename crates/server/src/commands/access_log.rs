//! `domicile access-log`: who looked at somebody's data.

use axum::http::Method;
use clap::Args;
use domicile_core::config::Config;
use serde_json::Value;

use super::{By, date, say};
use crate::admin_socket::ask_as;

/// Whose.
#[derive(Debug, Args)]
pub(super) struct AccessLogCommand {
    /// The account.
    user: String,
    #[command(flatten)]
    by: By,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, command: AccessLogCommand) -> anyhow::Result<()> {
    let path = format!("/_domicile/admin/v1/users/{}/access_log", command.user);
    let answer = ask_as(config, Method::GET, &path, &Value::Null, &command.by).await?;
    if command.json {
        say(&answer.to_string())?;
    } else {
        for entry in answer["entries"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or("(cannot be read any more)").to_owned();
            let uid = entry["by"]["uid"].as_u64().map_or_else(String::new, |uid| format!(" (uid {uid})"));
            let reason = entry["reason"].as_str().map_or_else(String::new, |reason| format!(": {reason}"));
            say(&format!(
                "{:>5}  {}  {:<18} {}{uid}{reason}",
                entry["entry"].as_i64().unwrap_or_default(),
                date(entry["ts"].as_i64().unwrap_or_default()),
                text(&entry["what"]),
                text(&entry["by"]["name"]),
            ))?;
        }
    }
    if answer["whole"].as_bool() != Some(true) {
        anyhow::bail!("the log is not whole: an entry was changed or taken away");
    }
    Ok(())
}
