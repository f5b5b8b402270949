//! `domicile operator`: add, passwd, remove, list.

use axum::http::Method;
use clap::{Subcommand, ValueEnum};
use domicile_core::config::Config;
use domicile_http::admin::operator::encoded;
use serde_json::{Value, json};

use super::{date, say, user::PasswordFrom};
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/operators";

/// What somebody may do in the console.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Role {
    /// See.
    Reader,
    /// See, answer demands, write incidents and notes, have an audit made.
    Editor,
}

/// What to do with those who may use the console.
#[derive(Debug, Subcommand)]
pub(super) enum OperatorCommand {
    /// Let somebody use the console. Asks for a password, or makes one up if there is nobody to ask.
    Add {
        /// The name with which they sign in, and that stands under what they write.
        name: String,
        /// What they may do.
        #[arg(long, value_enum, default_value = "reader")]
        role: Role,
        /// For which regions of the deployment: names with commas between them, or `*` for all.
        #[arg(long, default_value = "*")]
        regions: String,
        #[command(flatten)]
        password: PasswordFrom,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Set a new password. All of their sessions end.
    Passwd {
        /// The name.
        name: String,
        #[command(flatten)]
        password: PasswordFrom,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Let somebody use the console no more. All of their sessions end.
    Remove {
        /// The name.
        name: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// List all of them.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: OperatorCommand) -> anyhow::Result<()> {
    match command {
        OperatorCommand::Add { name, role, regions, password, json } => {
            let (password, made) = password.get()?;
            let role = match role {
                Role::Reader => "reader",
                Role::Editor => "editor",
            };
            let body = json!({ "name": name, "password": password, "role": role, "regions": regions });
            let answer = ask(config, Method::POST, PATH, &body).await?;
            told(answer, made.then_some(password), &format!("{name} can sign in to the console."), json)
        }
        OperatorCommand::Passwd { name, password, json } => {
            let (password, made) = password.get()?;
            let path = format!("{}/password", path(&name));
            let answer = ask(config, Method::PUT, &path, &json!({ "password": password })).await?;
            told(
                answer,
                made.then_some(password),
                &format!("{name} has a new password; all sessions have ended."),
                json,
            )
        }
        OperatorCommand::Remove { name, json } => {
            let answer = ask(config, Method::DELETE, &path(&name), &Value::Null).await?;
            told(answer, None, &format!("{name} cannot sign in to the console any more."), json)
        }
        OperatorCommand::List { json } => list(&ask(config, Method::GET, PATH, &Value::Null).await?, json),
    }
}

fn path(name: &str) -> String {
    format!("{PATH}/{}", encoded(name).replace(' ', "%20"))
}

fn told(mut answer: Value, password: Option<String>, what: &str, json: bool) -> anyhow::Result<()> {
    if json {
        if let Some(password) = password {
            answer["password"] = password.into();
        }
        return say(&answer.to_string());
    }
    say(what)?;
    password.map_or(Ok(()), |password| say(&format!("The password is {password}")))
}

fn list(answer: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        return say(&answer.to_string());
    }
    let operators = answer["operators"].as_array().map(Vec::as_slice).unwrap_or_default();
    if operators.is_empty() {
        return say("Nobody can use the console. `domicile operator add NAME` lets somebody.");
    }
    say(&format!("{:<24} {:<8} {:<20} since", "name", "role", "regions"))?;
    for operator in operators {
        let text = |key: &str| operator[key].as_str().unwrap_or_default();
        let since = operator["created_ts"].as_i64().map(date).unwrap_or_default();
        say(&format!("{:<24} {:<8} {:<20} {since}", text("name"), text("role"), text("regions")))?;
    }
    Ok(())
}
