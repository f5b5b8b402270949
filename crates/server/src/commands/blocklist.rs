//! `domicile blocklist`: check, status, list, alerts, fetch.

mod check;
mod shown;

use axum::http::Method;
use clap::Subcommand;
use domicile_core::{config::Config, plural::counted};
use serde_json::{Value, json};

use super::{date, say};
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/blocklists";

/// What to do about registers of what is blocked.
#[derive(Debug, Subcommand)]
pub(super) enum BlocklistCommand {
    /// Search register files for names and addresses, once. Needs no database and no running server.
    Check(check::Check),
    /// Show the registers that are watched, and how they stand.
    Status {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// List what of yours stands in registers that are watched.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// List what was told about registers: what appeared, changed and disappeared, and what was wrong with them.
    Alerts {
        /// Only what is not over.
        #[arg(long)]
        open: bool,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Look at a register that is watched now.
    Fetch {
        /// Its name in the configuration.
        name: String,
        /// Believe it although it has lost many of its entries.
        #[arg(long)]
        accept_smaller: bool,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: BlocklistCommand) -> anyhow::Result<()> {
    match command {
        BlocklistCommand::Check(check) => check::run(config, &check),
        BlocklistCommand::Status { json } => {
            let answer = ask(config, Method::GET, PATH, &Value::Null).await?;
            if json { say(&answer.to_string()) } else { status(&answer) }
        }
        BlocklistCommand::List { json } => {
            let answer = ask(config, Method::GET, &format!("{PATH}/listings"), &Value::Null).await?;
            if json { say(&answer.to_string()) } else { list(&answer) }
        }
        BlocklistCommand::Alerts { open, json } => alerts(config, open, json).await,
        BlocklistCommand::Fetch { name, accept_smaller, json } => {
            // A name is of small letters; whatever else could mean something in a path is refused here.
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            {
                anyhow::bail!("`{name}` cannot be the name of a register: `domicile blocklist status` lists them");
            }
            let body = json!({ "accept_smaller": accept_smaller });
            let answer = ask(config, Method::POST, &format!("{PATH}/{name}/fetch"), &body).await?;
            if json { say(&answer.to_string()) } else { fetched(&answer) }
        }
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn day(value: &Value, key: &str) -> String {
    value[key].as_i64().map_or_else(|| "never".to_owned(), date)
}

fn status(answer: &Value) -> anyhow::Result<()> {
    let own = answer["searched_for"].as_array().map_or(0, Vec::len);
    let lists = answer["blocklists"].as_array().cloned().unwrap_or_default();
    if lists.is_empty() {
        return say("No register is watched. A [[blocklists]] in the configuration names one: see docs/blocklists.md.");
    }
    let (searched, are) =
        (counted(own as u64, "name or address", "names and addresses"), if own == 1 { "is" } else { "are" });
    say(&format!("{searched} {are} searched for."))?;
    for list in &lists {
        say(&format!("\n{} ({}, {})", text(list, "name"), text(list, "jurisdiction"), text(list, "format")))?;
        say(&format!(
            "  listed {}, near {}; {}, changed {}, read {}, looked at again {}",
            list["listed"],
            list["near"],
            counted(list["entries"].as_u64().unwrap_or_default(), "entry", "entries"),
            day(list, "updated_ts"),
            day(list, "read_ts"),
            day(list, "due_ts")
        ))?;
        for alert in list["alerts"].as_array().into_iter().flatten() {
            say(&format!("  ! {} since {}: {}", text(alert, "kind"), day(alert, "created_ts"), shown::detail(alert)))?;
        }
    }
    Ok(())
}

fn list(answer: &Value) -> anyhow::Result<()> {
    let listings = answer["listings"].as_array().cloned().unwrap_or_default();
    if listings.is_empty() {
        return say("Nothing of yours stands in a register that is watched, or near to what does.");
    }
    for listing in &listings {
        say(&format!("{}, since {}:", text(listing, "blocklist"), day(listing, "appeared_ts")))?;
        say(&shown::listing(listing))?;
    }
    Ok(())
}

async fn alerts(config: &Config, only_open: bool, as_json: bool) -> anyhow::Result<()> {
    let (mut after, mut all) = (0, Vec::new());
    loop {
        let answer = ask(config, Method::GET, &format!("{PATH}/alerts?after={after}"), &Value::Null).await?;
        all.extend(answer["alerts"].as_array().cloned().unwrap_or_default());
        match answer["next"].as_i64() {
            Some(next) => after = next,
            None => break,
        }
    }
    all.retain(|alert| !only_open || alert["ended_ts"].is_null());
    if as_json {
        return say(&json!({ "alerts": all }).to_string());
    }
    if all.is_empty() {
        return say("There are no alerts.");
    }
    for alert in &all {
        let over = if alert["ended_ts"].is_null() { "" } else { "  (over)" };
        let (kind, blocklist) = (text(alert, "kind"), text(alert, "blocklist"));
        say(&format!("{}  {blocklist}  {kind}: {}{over}", day(alert, "created_ts"), shown::detail(alert)))?;
    }
    Ok(())
}

fn fetched(answer: &Value) -> anyhow::Result<()> {
    say(&format!(
        "{}: {}; {} of {} parts were read, the others are as they were.",
        text(answer, "blocklist"),
        counted(answer["entries"].as_u64().unwrap_or_default(), "entry", "entries"),
        answer["parts_read"],
        answer["parts"]
    ))?;
    say(&format!(
        "Listed now: {}. Appeared {}, changed {}, disappeared {}; near to what is listed, new {}.",
        answer["listed"], answer["appeared"], answer["changed"], answer["disappeared"], answer["near"]
    ))?;
    for part in answer["unreachable"].as_array().into_iter().flatten() {
        say(&format!("! {} cannot be had: {}", text(part, "part"), text(part, "reason")))?;
    }
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        if let Some(said) = shown::warning(warning) {
            say(&format!("! {said}"))?;
        }
    }
    if answer["held"].as_u64().unwrap_or_default() > 0 {
        say(&format!("{} listings were not met and are kept, because the register is not whole.", answer["held"]))?;
    }
    Ok(())
}
