//! `domicile standing`: the table of duties, one duty, a decision about one, and checking an own catalogue.

mod lint;
mod show;
mod table;

use anyhow::{Context, bail};
use axum::http::Method;
use clap::{Args, Subcommand};
use domicile_core::config::Config;
use serde_json::{Value, json};

use super::{say, who};
use crate::admin_socket::ask;

use lint::Lint;

const PATH: &str = "/_domicile/admin/v1/standing";

/// What the law asks. Without more: the table of all jurisdictions in which there are users.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct StandingCommand {
    /// Also jurisdictions without users.
    #[arg(long)]
    all: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    more: Option<More>,
}

#[derive(Debug, Subcommand)]
enum More {
    /// Show all that the catalogue says about one duty, or how it stands with all of one jurisdiction.
    Show {
        /// The duty's name, such as RU/ori-registration, or the jurisdiction's code.
        name: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Note that you chose not to meet a duty, or take that back.
    Decide {
        /// Its name, such as RU/ori-registration.
        duty: String,
        /// Why you chose not to meet it.
        #[arg(long, required_unless_present = "take_back")]
        why: Option<String>,
        /// Who decided; without it, the name of this account.
        #[arg(long)]
        by: Option<String>,
        /// Take the decision back.
        #[arg(long, conflicts_with = "why")]
        take_back: bool,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Check the catalogue that comes with the program together with a folder of your own, and tell every mistake with its place.
    Lint(Lint),
}

impl StandingCommand {
    /// The check of a folder, if that is what was asked for: it needs no configuration.
    pub(super) fn lint(&self) -> Option<&Lint> {
        match &self.more {
            Some(More::Lint(lint)) => Some(lint),
            _ => None,
        }
    }
}

pub(super) async fn run(config: &Config, command: StandingCommand) -> anyhow::Result<()> {
    match command.more {
        None => {
            let answer = ask(config, Method::GET, &format!("{PATH}?all={}", command.all), &Value::Null).await?;
            if command.json { say(&answer.to_string()) } else { say(table::text(&answer).trim_end()) }
        }
        Some(More::Show { name, json }) if !name.contains('/') => {
            let answer = ask(config, Method::GET, &format!("{PATH}?all=true"), &Value::Null).await?;
            let answer = of_one(answer, &name)?;
            if json { say(&answer.to_string()) } else { say(table::text(&answer).trim_end()) }
        }
        Some(More::Show { name, json }) => {
            let answer = ask(config, Method::GET, &path(&name)?, &Value::Null).await?;
            if json { say(&answer.to_string()) } else { say(show::text(&answer).trim_end()) }
        }
        Some(More::Decide { duty, why, by, take_back, json }) => {
            let path = format!("{}/decision", path(&duty)?);
            let answer = if take_back {
                ask(config, Method::DELETE, &path, &Value::Null).await?
            } else {
                ask(config, Method::PUT, &path, &json!({ "who": who(by)?, "why": why })).await?
            };
            let word = answer["answer"].as_str().unwrap_or_default();
            if json { say(&answer.to_string()) } else { say(&format!("{duty}: {}", table::word(word))) }
        }
        Some(More::Lint(lint)) => lint.run(),
    }
}

/// The table of one jurisdiction.
fn of_one(mut table: Value, code: &str) -> anyhow::Result<Value> {
    let sections = table["jurisdictions"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let codes: Vec<String> =
        sections.iter().filter_map(|section| section["code"].as_str().map(str::to_owned)).collect();
    let is_it = |section: &Value| section["code"].as_str().is_some_and(|known| known.eq_ignore_ascii_case(code));
    let Some(section) = sections.into_iter().find(is_it) else {
        bail!("`{code}` is no jurisdiction of the catalogue, which has {}", codes.join(", "));
    };
    table["jurisdictions"] = json!([section]);
    table["others"] = json!([]);
    Ok(table)
}

fn path(duty: &str) -> anyhow::Result<String> {
    let is_part =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') && !part.is_empty();
    let (code, id) =
        duty.split_once('/').context("a duty is named such as RU/ori-registration: `domicile standing` lists them")?;
    if !is_part(code) || !is_part(id) {
        bail!(
            "`{duty}` is no name of a duty: they are such as RU/ori-registration, and `domicile standing --all` lists them"
        );
    }
    Ok(format!("{PATH}/duties/{code}/{id}"))
}
