//! `domicile incident`: what happens to the service, and who is told.

use std::{collections::BTreeMap, fmt::Write as _};

use axum::http::Method;
use clap::{Args, Subcommand, ValueEnum};
use domicile_core::{calendar::minute, config::Config, plural::counted};
use serde_json::{Value, json};

use super::{layout::wrapped, say, who};
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/incidents";
const KEYS_PATH: &str = "/_domicile/admin/v1/key_incidents";

/// What to do about incidents.
#[derive(Debug, Subcommand)]
pub(super) enum IncidentCommand {
    /// List incidents, the newest first.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one with everything that was found, said and told.
    Show {
        /// Its number.
        incident: i64,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// List what was noticed of people of other cells in the last 90 days: changed keys, devices that they have not signed, joins that no one invited.
    Keys {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Open an incident that you know of.
    Open(Open),
    /// Add to an incident.
    Update(Update),
    /// Say that an incident is over.
    Resolve(Resolve),
    /// Tell the people whom it concerns, and nobody else, in their clients: the newest words, once.
    Tell {
        /// Its number.
        incident: i64,
        /// Only say how many people it concerns.
        #[arg(long)]
        dry_run: bool,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Unreachable,
    Throttled,
    Listed,
    Outage,
    Maintenance,
    Other,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum State {
    FirstSign,
    Confirmed,
    Watching,
    Resolved,
}

/// What people read, and who writes it.
#[derive(Debug, Args)]
struct Said {
    /// What people read: a language and a text, such as "en=We look into it." Once for each language; without one it is English.
    #[arg(long = "text", value_parser = words)]
    words: Vec<(String, String)>,
    /// What only you read.
    #[arg(long)]
    note: Option<String>,
    /// Who writes it; without it, the name of this account.
    #[arg(long)]
    by: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// A new incident.
#[derive(Debug, Args)]
pub(super) struct Open {
    /// What happens.
    #[arg(value_enum)]
    kind: Kind,
    /// The jurisdiction that it concerns, such as RU; without it, everybody.
    #[arg(long = "in")]
    code: Option<String>,
    /// Show it on the status page.
    #[arg(long)]
    public: bool,
    #[command(flatten)]
    said: Said,
}

/// More about an incident.
#[derive(Debug, Args)]
pub(super) struct Update {
    /// Its number.
    incident: i64,
    /// Where it stands now.
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Show it on the status page from now on.
    #[arg(long, conflicts_with = "not_public")]
    public: bool,
    /// Show it there no more.
    #[arg(long)]
    not_public: bool,
    #[command(flatten)]
    said: Said,
}

/// The end of an incident.
#[derive(Debug, Args)]
pub(super) struct Resolve {
    /// Its number.
    incident: i64,
    #[command(flatten)]
    said: Said,
}

#[expect(clippy::unnecessary_wraps, reason = "what clap calls with a value may fail")]
fn words(text: &str) -> Result<(String, String), String> {
    let is_code = |code: &str| (2..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase());
    Ok(match text.split_once('=') {
        Some((code, said)) if is_code(code) => (code.to_owned(), said.to_owned()),
        _ => ("en".to_owned(), text.to_owned()),
    })
}

fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

impl Said {
    fn body(self) -> anyhow::Result<Value> {
        let words: BTreeMap<String, String> = self.words.into_iter().collect();
        Ok(json!({ "words": words, "note": self.note, "who": who(self.by)? }))
    }
}

pub(super) async fn run(config: &Config, command: IncidentCommand) -> anyhow::Result<()> {
    match command {
        IncidentCommand::List { json } => {
            let answer = ask(config, Method::GET, PATH, &Value::Null).await?;
            if json { say(&answer.to_string()) } else { say(list(&answer).trim_end()) }
        }
        IncidentCommand::Show { incident, json } => {
            let answer = ask(config, Method::GET, &format!("{PATH}/{incident}"), &Value::Null).await?;
            tell(&answer, json)
        }
        IncidentCommand::Keys { json } => {
            let answer = ask(config, Method::GET, KEYS_PATH, &Value::Null).await?;
            if json { say(&answer.to_string()) } else { say(keys(&answer).trim_end()) }
        }
        IncidentCommand::Open(open) => {
            let json = open.said.json;
            let mut body = open.said.body()?;
            body["kind"] = word(&open.kind).into();
            body["code"] = json!(open.code);
            body["is_public"] = open.public.into();
            tell(&ask(config, Method::POST, PATH, &body).await?, json)
        }
        IncidentCommand::Update(update) => {
            let json = update.said.json;
            let mut body = update.said.body()?;
            body["state"] = json!(update.state.as_ref().map(word));
            body["is_public"] = json!((update.public || update.not_public).then_some(update.public));
            tell(&ask(config, Method::POST, &format!("{PATH}/{}/updates", update.incident), &body).await?, json)
        }
        IncidentCommand::Resolve(resolve) => {
            let json = resolve.said.json;
            let mut body = resolve.said.body()?;
            body["state"] = "resolved".into();
            tell(&ask(config, Method::POST, &format!("{PATH}/{}/updates", resolve.incident), &body).await?, json)
        }
        IncidentCommand::Tell { incident, dry_run, json } => {
            let path = format!("{PATH}/{incident}/notices");
            let answer = ask(config, Method::POST, &path, &json!({ "only_count": dry_run })).await?;
            if json {
                return say(&answer.to_string());
            }
            let count = |key: &str| answer[key].as_u64().unwrap_or_default();
            if dry_run {
                let left = count("audience") - count("before");
                let (people, have) =
                    (counted(count("audience"), "person", "people"), if left == 1 { "has" } else { "have" });
                return say(&format!("It concerns {people}; {left} {have} not been told."));
            }
            say(&format!(
                "Told {}; {} knew already, {} could not be told.",
                count("told"),
                count("before"),
                count("failed")
            ))
        }
    }
}

fn tell(incident: &Value, json: bool) -> anyhow::Result<()> {
    if json { say(&incident.to_string()) } else { say(show(incident).trim_end()) }
}

fn list(answer: &Value) -> String {
    let incidents = answer["incidents"].as_array().map_or(&[][..], Vec::as_slice);
    if incidents.is_empty() {
        return "Nothing has happened.".to_owned();
    }
    let mut out = String::new();
    for incident in incidents {
        let at = |key: &str| incident[key].as_i64().map(minute).unwrap_or_default();
        let public = if incident["is_public"] == true { "public" } else { "" };
        let place = incident["code"].as_str().unwrap_or("–");
        let _ = writeln!(
            out,
            "{:>4}  {}  {:<12} {place:<3} {:<11} {public:<7} {}",
            incident["incident"].to_string(),
            at("began_ts"),
            text(incident, "kind"),
            text(incident, "state").replace('_', " "),
            at("resolved_ts"),
        );
    }
    out
}

fn keys(answer: &Value) -> String {
    let incidents = answer["key_incidents"].as_array().map_or(&[][..], Vec::as_slice);
    if incidents.is_empty() {
        return "Nothing was noticed of people of other cells.".to_owned();
    }
    let mut out = String::new();
    for incident in incidents {
        let what = match text(incident, "kind") {
            "master_changed" => "other master key",
            "unsigned_device" => "unsigned device",
            "uninvited_join" => "uninvited join",
            other => other,
        };
        let count = |key: &str| incident[key].as_i64().unwrap_or_default().unsigned_abs();
        let times = if count("times") > 1 { format!(", {} times", count("times")) } else { String::new() };
        let waiting = if incident["is_waiting"] == true { ", people are to be told" } else { "" };
        let _ = writeln!(
            out,
            "{}  {:<8} {what:<16} {} {}{times}\n                  {}{waiting}",
            incident["last_ts"].as_i64().map(minute).unwrap_or_default(),
            text(incident, "home"),
            text(incident, "user_id"),
            text(incident, "subject"),
            counted(count("told"), "notice", "notices"),
        );
    }
    out
}

fn show(incident: &Value) -> String {
    let at = |value: &Value, key: &str| value[key].as_i64().map(minute).unwrap_or_default();
    let place = incident["code"].as_str().map(|code| format!(" in {code}")).unwrap_or_default();
    let public = if incident["is_public"] == true { "on the status page" } else { "not public" };
    let mut out = format!(
        "Incident {}: {}{place}, {} ({public})\nBegan {} UTC\n",
        incident["incident"],
        text(incident, "kind"),
        text(incident, "state").replace('_', " "),
        at(incident, "began_ts"),
    );
    for update in incident["updates"].as_array().into_iter().flatten() {
        let state = text(update, "state").replace('_', " ");
        let _ = writeln!(out, "\n{}  {state}, {}", at(update, "at_ts"), text(update, "who"));
        for (language, said) in update["words"].as_object().into_iter().flatten() {
            block(&mut out, language, said.as_str().unwrap_or_default());
        }
        block(&mut out, "note", text(update, "note"));
        if let Some(told) = update["told"].as_i64().filter(|told| *told > 0) {
            block(&mut out, "told", &counted(told.unsigned_abs(), "person", "people"));
        }
    }
    out
}

fn block(out: &mut String, name: &str, said: &str) {
    let lines = said.lines().filter(|line| !line.is_empty()).flat_map(|line| wrapped(line, 84));
    for (index, line) in lines.enumerate() {
        let name = if index == 0 { name } else { "" };
        let _ = writeln!(out, "  {name:<6}{line}");
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}
