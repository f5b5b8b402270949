//! `domicile explain`: in one paragraph, why somebody's home is where it is.

use axum::http::Method;
use clap::Args;
use domicile_core::config::Config;
use serde_json::Value;

use super::{By, layout::wrapped, say};
use crate::admin_socket::ask_as;

/// Columns of the paragraph.
const WIDTH: usize = 90;

/// Whose home.
#[derive(Debug, Args)]
pub(super) struct ExplainCommand {
    /// The account.
    user: String,
    #[command(flatten)]
    by: By,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, command: ExplainCommand) -> anyhow::Result<()> {
    let path = format!("/_domicile/admin/v1/homes/{}", command.user);
    let answer = ask_as(config, Method::GET, &path, &Value::Null, &command.by).await?;
    if command.json {
        return say(&answer.to_string());
    }
    say(&wrapped(answer["text"].as_str().unwrap_or_default(), WIDTH).join("\n"))
}
