//! `domicile ropa` and `domicile transfers`: what data protection law asks to be written down.

use axum::http::Method;
use clap::Args;
use domicile_core::config::Config;
use serde_json::Value;

use super::{dossier::Format, say};
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/processing";

/// How it is written.
#[derive(Debug, Args)]
pub(super) struct ProcessingCommand {
    /// How it is written. HTML is a page of its own, which a browser prints to PDF.
    #[arg(long, value_enum, default_value = "md")]
    format: Format,
}

/// Prints one of the papers: `record` or `transfers`.
pub(super) async fn run(config: &Config, which: &str, command: &ProcessingCommand) -> anyhow::Result<()> {
    let path = format!("{PATH}/{which}?format={}", command.format.word());
    let answer = ask(config, Method::GET, &path, &Value::Null).await?;
    say(answer["text"].as_str().unwrap_or_default().trim_end())
}
