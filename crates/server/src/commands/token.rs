//! `domicile token`: add, list, revoke.

use std::io::IsTerminal as _;

use axum::http::Method;
use clap::Subcommand;
use domicile_core::config::{Config, Duration, Setting};
use serde_json::{Value, json};

use super::{date, say, sign_in};
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/tokens";

/// What to do with registration tokens.
#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token with which somebody can make an account.
    Add {
        /// How many accounts it may make.
        #[arg(long, default_value_t = 1)]
        uses: u32,
        /// How long it is good, such as 7d or 12h.
        #[arg(long, default_value = "7d", value_parser = Duration::read_text)]
        expires: Duration,
        /// The token itself, if it is not to be random.
        #[arg(long)]
        token: Option<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// List all tokens.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Take a token back.
    Revoke {
        /// The token.
        token: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: TokenCommand) -> anyhow::Result<()> {
    match command {
        TokenCommand::Add { uses, expires, token, json } => {
            let body = json!({ "uses": uses, "life_ms": expires.0, "token": token });
            let answer = ask(config, Method::POST, PATH, &body).await?;
            if json {
                return say(&sign_in::with_picture(answer).to_string());
            }
            say(answer["token"].as_str().unwrap_or_default())?;
            // A script that reads the token reads nothing else.
            if std::io::stdout().is_terminal() { sign_in::tell(&answer) } else { Ok(()) }
        }
        TokenCommand::List { json } => {
            let answer = ask(config, Method::GET, PATH, &Value::Null).await?;
            if json {
                return say(&answer.to_string());
            }
            let tokens = answer["tokens"].as_array().cloned().unwrap_or_default();
            if tokens.is_empty() {
                return say("There are no tokens. `domicile token add` makes one.");
            }
            say(&format!("{:<34} {:>11}  good until", "token", "used"))?;
            for token in tokens {
                let uses = token["uses"].as_i64().map_or_else(|| "any".to_owned(), |uses| uses.to_string());
                let until = token["expires_ts"].as_i64().map_or_else(|| "for ever".to_owned(), date);
                let used = format!("{} of {uses}", token["used"]);
                say(&format!("{:<34} {used:>11}  {until}", token["token"].as_str().unwrap_or_default()))?;
            }
            Ok(())
        }
        TokenCommand::Revoke { token, json } => {
            let path = format!("{PATH}/{token}");
            let answer = ask(config, Method::DELETE, &path, &Value::Null).await?;
            if json { say(&answer.to_string()) } else { say(&format!("{token} makes no more accounts.")) }
        }
    }
}
