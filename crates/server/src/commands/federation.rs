//! `domicile federation`: check, rotate-key.

use anyhow::bail;
use axum::http::Method;
use clap::Subcommand;
use domicile_core::config::Config;
use serde_json::Value;

use super::say;
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/federation";

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
    /// Sign with a new key from now on. The old one stays known as one that was.
    RotateKey {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: FederationCommand) -> anyhow::Result<()> {
    match command {
        FederationCommand::Check { host, json } => check(config, &host, json).await,
        FederationCommand::RotateKey { json } => {
            let answer = ask(config, Method::POST, &format!("{PATH}/keys"), &Value::Null).await?;
            if json {
                return say(&answer.to_string());
            }
            let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
            say(&format!("The server signs with {} now. {} is told as a key that was.", text("new"), text("old")))
        }
    }
}

async fn check(config: &Config, host: &str, json: bool) -> anyhow::Result<()> {
    // Colons and brackets are what a name may have; nothing that has a meaning in a path.
    if host.is_empty() || host.contains(['/', '?', '#', '%']) || host.chars().any(char::is_whitespace) {
        bail!("`{host}` cannot be a server's name: use one such as example.org");
    }
    let path = format!("{PATH}/servers/{}", host.replace('[', "%5B").replace(']', "%5D"));
    let answer = ask(config, Method::GET, &path, &Value::Null).await?;
    let works = answer["works"] == true;
    if json {
        say(&answer.to_string())?;
    } else {
        for step in answer["steps"].as_array().into_iter().flatten() {
            let text = |key: &str| step[key].as_str().unwrap_or_default();
            let mark = match text("outcome") {
                "good" => "ok  ",
                "note" => "note",
                _ => "BAD ",
            };
            // What stands here is partly the other server's text.
            let told: String =
                text("text").chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
            say(&format!("{mark}  {:<11} {told}", text("step")))?;
            if !text("advice").is_empty() {
                say(&format!("{:18}-> {}", "", text("advice")))?;
            }
        }
    }
    if works {
        if json { Ok(()) } else { say(&format!("{host} can be reached.")) }
    } else {
        bail!("{host} cannot be reached as it should be")
    }
}
