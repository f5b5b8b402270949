//! `domicile demand`: demands of authorities.

use std::{collections::BTreeMap, fmt::Write as _};

use axum::http::Method;
use clap::{Args, Subcommand, ValueEnum};
use domicile_core::{
    calendar::{day, minute, parse_day},
    config::Config,
};
use serde_json::{Value, json};

use super::{
    layout::{number, wrapped},
    say, who,
};
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/demands";

/// What to do with demands.
#[derive(Debug, Subcommand)]
pub(super) enum DemandCommand {
    /// Write down a demand that came.
    Add(Add),
    /// Write down what was decided, and what was given.
    Answer(Answer),
    /// List demands.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one.
    Show {
        /// Its number.
        demand: i64,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Counts by year and jurisdiction, as the status page shows them.
    Counts {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

/// A demand that came.
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The jurisdiction's code, such as RU.
    code: String,
    /// Who demands.
    #[arg(long)]
    authority: String,
    /// By which law.
    #[arg(long)]
    basis: String,
    /// What is demanded.
    #[arg(long)]
    scope: String,
    /// Their file number.
    #[arg(long)]
    reference: Option<String>,
    /// The duty that it refers to, such as RU/user-information: its clock counts for the demand.
    #[arg(long)]
    duty: Option<String>,
    /// The day on which it came, if not today.
    #[arg(long, value_parser = a_day)]
    received: Option<i64>,
    /// The day until which it is to be answered, if not by the duty's clock.
    #[arg(long, value_parser = a_day)]
    due: Option<i64>,
    /// Who writes it down; without it, the name of this account.
    #[arg(long)]
    by: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// The answer to a demand.
#[derive(Debug, Args)]
pub(super) struct Answer {
    /// Its number.
    demand: i64,
    /// What was decided.
    #[arg(value_enum)]
    outcome: Outcome,
    /// Why, and what was written.
    #[arg(long)]
    decision: String,
    /// What was given: a class of data and bytes, such as account=120. More than one is possible.
    #[arg(long = "gave", value_parser = given)]
    gave: Vec<(String, i64)>,
    /// Who decided; without it, the name of this account.
    #[arg(long)]
    by: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Outcome {
    /// Nothing was given, for a reason.
    Refused,
    /// A part was given.
    Partly,
    /// What was demanded was given.
    Complied,
    /// There is nothing that could be given.
    Nothing,
    /// The authority took it back.
    Withdrawn,
}

fn a_day(text: &str) -> Result<i64, String> {
    parse_day(text).ok_or_else(|| format!("expected a day such as 2026-11-28, found `{text}`"))
}

fn given(text: &str) -> Result<(String, i64), String> {
    let parsed = text.split_once('=').and_then(|(class, bytes)| Some((class.to_owned(), bytes.parse().ok()?)));
    parsed.ok_or_else(|| format!("expected a class and bytes such as account=120, found `{text}`"))
}

pub(super) async fn run(config: &Config, command: DemandCommand) -> anyhow::Result<()> {
    match command {
        DemandCommand::Add(add) => add.run(config).await,
        DemandCommand::Answer(answer) => answer.run(config).await,
        DemandCommand::List { json } => list(config, json).await,
        DemandCommand::Show { demand, json } => {
            let answer = ask(config, Method::GET, &format!("{PATH}/{demand}"), &Value::Null).await?;
            if json { say(&answer.to_string()) } else { say(show(&answer).trim_end()) }
        }
        DemandCommand::Counts { json } => {
            let answer = ask(config, Method::GET, &format!("{PATH}/counts"), &Value::Null).await?;
            if json { say(&answer.to_string()) } else { say(counts(&answer).trim_end()) }
        }
    }
}

impl Add {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let body = json!({
            "code": self.code, "authority": self.authority, "basis": self.basis, "scope": self.scope, "reference": self.reference,
            "duty": self.duty, "received_ts": self.received, "due_ts": self.due, "who": who(self.by)?,
        });
        let answer = ask(config, Method::POST, PATH, &body).await?;
        if self.json {
            return say(&answer.to_string());
        }
        let due = answer["due_ts"]
            .as_i64()
            .map_or_else(|| "no time is set".to_owned(), |at| format!("due {} UTC", minute(at)));
        say(&format!("Demand {}: {due}.", answer["demand"]))
    }
}

impl Answer {
    async fn run(self, config: &Config) -> anyhow::Result<()> {
        let outcome = self.outcome.to_possible_value().map(|value| value.get_name().to_owned());
        let given: BTreeMap<String, i64> = self.gave.into_iter().collect();
        let body = json!({ "outcome": outcome, "decision": self.decision, "who": who(self.by)?, "given": given });
        let answer = ask(config, Method::POST, &format!("{PATH}/{}/answer", self.demand), &body).await?;
        if self.json { say(&answer.to_string()) } else { say(show(&answer).trim_end()) }
    }
}

async fn list(config: &Config, json: bool) -> anyhow::Result<()> {
    let (mut after, mut demands) = (0, Vec::new());
    loop {
        let answer = ask(config, Method::GET, &format!("{PATH}?after={after}"), &Value::Null).await?;
        demands.extend(answer["demands"].as_array().cloned().unwrap_or_default());
        match answer["next"].as_i64() {
            Some(next) => after = next,
            None => break,
        }
    }
    if json {
        return say(&json!({ "demands": demands }).to_string());
    }
    if demands.is_empty() {
        return say("No authority has demanded anything.");
    }
    say(&format!("{:>4}  {:<3} {:<11} {:<17} {:<10} {}", "", "", "received", "due", "state", "authority"))?;
    for demand in &demands {
        let received = demand["received_ts"].as_i64().map(day).unwrap_or_default();
        let due = demand["due_ts"].as_i64().map_or_else(|| "–".to_owned(), minute);
        let late = if demand["is_late"] == true { "late!" } else { text(demand, "state") };
        let authority = wrapped(text(demand, "authority"), 40).into_iter().next().unwrap_or_default();
        say(&format!(
            "{:>4}  {:<3} {received:<11} {due:<17} {late:<10} {authority}",
            demand["demand"].to_string(),
            text(demand, "code")
        ))?;
    }
    Ok(())
}

fn show(demand: &Value) -> String {
    let mut out = format!("Demand {} ({}): {}\n\n", demand["demand"], text(demand, "code"), text(demand, "state"));
    let mut field = |name: &str, value: &str| {
        for (index, line) in wrapped(value, 84).into_iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            let _ = writeln!(out, "{name:<12} {line}");
        }
    };
    let at = |key: &str| demand[key].as_i64().map(minute).unwrap_or_default();
    field("Authority", text(demand, "authority"));
    field("Reference", text(demand, "reference"));
    field("Basis", text(demand, "basis"));
    field("Duty", text(demand, "duty"));
    field("Scope", text(demand, "scope"));
    field("Received", &at("received_ts"));
    field("Due", &at("due_ts"));
    field("Answered", &at("answered_ts"));
    field("Decision", text(demand, "decision"));
    field("Decided by", text(demand, "decided_by"));
    for (class, bytes) in demand["given"].as_object().into_iter().flatten() {
        field("Given", &format!("{class}: {} bytes", number(bytes.as_u64().unwrap_or_default())));
    }
    out
}

fn counts(answer: &Value) -> String {
    let head = ["received", "open", "nothing given", "given", "bytes"];
    let mut out = format!("{:<10}", "");
    for name in head {
        let _ = write!(out, "{name:>15}");
    }
    out.push('\n');
    for (year, codes) in answer["years"].as_object().into_iter().flatten() {
        for (code, count) in codes.as_object().into_iter().flatten() {
            let _ = write!(out, "{:<10}", format!("{year} {code}"));
            for name in head {
                let value = count[name.replace(' ', "_").as_str()].as_u64().unwrap_or_default();
                let _ = write!(out, "{:>15}", number(value));
            }
            out.push('\n');
        }
    }
    out
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}
