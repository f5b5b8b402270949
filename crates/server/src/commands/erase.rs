//! `domicile erase`: removes a person, and tells what remains.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::bail;
use axum::http::Method;
use clap::Args;
use domicile_core::{config::Config, plural::counted};
use serde_json::Value;

use super::{By, say};
use crate::admin_socket::ask_as;

/// Whom.
#[derive(Debug, Args)]
pub(super) struct EraseCommand {
    /// The account.
    user: String,
    #[command(flatten)]
    by: By,
    /// Do not ask whether it is meant.
    #[arg(long)]
    yes: bool,
    /// For programs: the signed receipt.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, command: EraseCommand) -> anyhow::Result<()> {
    if !command.yes {
        if !std::io::stdin().is_terminal() {
            bail!("an erasure cannot be taken back: say --yes if nobody is there to be asked");
        }
        write!(
            std::io::stderr(),
            "{} and all that they kept here will be gone for good. Type the name again: ",
            command.user
        )?;
        std::io::stderr().flush()?;
        let mut line = String::new();
        std::io::stdin().lock().read_line(&mut line)?;
        if line.trim() != command.user {
            bail!("that is another name; nothing was done");
        }
    }
    let path = format!("/_domicile/admin/v1/users/{}/erase", command.user);
    let answer = ask_as(config, Method::POST, &path, &Value::Null, &command.by).await?;
    if command.json {
        return say(&answer["document"].to_string());
    }
    let body = &answer["document"]["body"];
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    say(&format!("{} is erased.\n\nErased:", text(body, "user")))?;
    for row in body["erased"].as_array().into_iter().flatten() {
        say(&format!("  {:>8}  {}: {}", row["rows"], text(row, "table"), text(row, "about")))?;
    }
    say(&format!("  {:>8}  files of media", body["media_files"]))?;
    say("\nUnreadable, for the key is destroyed:")?;
    for row in body["unreadable"].as_array().into_iter().flatten() {
        say(&format!("  {} ({})", text(row, "what"), text(row, "why")))?;
    }
    say("\nRemaining:")?;
    for row in body["remaining"].as_array().into_iter().flatten() {
        let rows = row["rows"]
            .as_i64()
            .map_or_else(String::new, |rows| format!(", {}", counted(rows.unsigned_abs(), "row", "rows")));
        say(&format!("  {}{rows}: {}. Until: {}", text(row, "where"), text(row, "why"), text(row, "until")))?;
    }
    say(&format!("\nSigned receipt: {}\nSHA-256: {}", text(&answer, "file"), text(&answer, "sha256")))
}
