//! `domicile report`: list, show, resolve, delete.

use axum::http::Method;
use clap::Subcommand;
use domicile_core::config::Config;
use serde_json::{Value, json};

use super::{date, say};
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/reports";

/// What to do with reports.
#[derive(Debug, Subcommand)]
pub(super) enum ReportCommand {
    /// List what people reported and nobody has dealt with.
    List {
        /// Also what was dealt with.
        #[arg(long)]
        all: bool,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one report whole.
    Show {
        /// Its number.
        report: i64,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Remove a report for good.
    Delete {
        /// Its number.
        report: i64,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Note that a report is dealt with.
    Resolve {
        /// Its number.
        report: i64,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: ReportCommand) -> anyhow::Result<()> {
    match command {
        ReportCommand::List { all, json } => list(config, all, json).await,
        ReportCommand::Show { report, json } => {
            let answer = ask(config, Method::GET, &format!("{PATH}/{report}"), &Value::Null).await?;
            if json { say(&answer.to_string()) } else { show(&answer) }
        }
        ReportCommand::Delete { report, json } => {
            let answer = ask(config, Method::DELETE, &format!("{PATH}/{report}"), &Value::Null).await?;
            if json { say(&answer.to_string()) } else { say(&format!("Report {report} is removed.")) }
        }
        ReportCommand::Resolve { report, json } => {
            let answer = ask(config, Method::POST, &format!("{PATH}/{report}/resolve"), &Value::Null).await?;
            if json { say(&answer.to_string()) } else { say(&format!("Report {report} is dealt with.")) }
        }
    }
}

async fn list(config: &Config, all: bool, json: bool) -> anyhow::Result<()> {
    let (mut after, mut reports) = (0, Vec::new());
    loop {
        let answer = ask(config, Method::GET, &format!("{PATH}?after={after}&all={all}"), &Value::Null).await?;
        reports.extend(answer["reports"].as_array().cloned().unwrap_or_default());
        match answer["next"].as_i64() {
            Some(next) => after = next,
            None => break,
        }
    }
    if json {
        return say(&json!({ "reports": reports }).to_string());
    }
    if reports.is_empty() {
        return say("No report waits.");
    }
    for report in reports {
        let done = report["resolved_ts"].as_i64().map_or("", |_| "  (dealt with)");
        let number = report["report"].as_i64().unwrap_or_default();
        say(&format!("{number:>6}  {}  {}{done}", day(&report), about(&report)))?;
    }
    Ok(())
}

fn show(report: &Value) -> anyhow::Result<()> {
    let reporter = report["reporter"].as_str().unwrap_or("somebody who moved away or was erased");
    say(&format!("Report {} of {}, by {reporter}", report["report"], day(report)))?;
    say(&format!("About:  {}", about(report)))?;
    // A reason is a stranger's text: what could move the cursor is shown as its code.
    let reason: String = report["reason"].as_str().unwrap_or_default().chars().flat_map(printable).collect();
    say(&format!("Reason: {reason}"))
}

fn printable(letter: char) -> Vec<char> {
    if letter.is_control() && letter != '\n' { letter.escape_default().collect() } else { vec![letter] }
}

fn day(report: &Value) -> String {
    report["created_ts"].as_i64().map(date).unwrap_or_default()
}

fn about(report: &Value) -> String {
    let text = |key: &str| report[key].as_str().unwrap_or_default();
    match (text("room_id"), text("event_id"), text("user_id")) {
        ("", _, user) => format!("the user {user}"),
        (room, "", _) => format!("the room {room}"),
        (room, event, user) => format!("the event {event} by {user} in {room}"),
    }
}
