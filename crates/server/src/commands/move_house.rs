//! `domicile move`: moves people between cells, with a dry run, and shows how far it is.

use std::time::Duration;

use anyhow::{Context, bail};
use axum::http::Method;
use clap::{Args, ValueEnum};
use domicile_core::config::Config;
use serde_json::{Value, json};

use super::{By, date, move_group, move_plan, say, terminal::ProgressLine};
use crate::admin_socket::{ask, ask_as};

const PATH: &str = "/_domicile/admin/v1/moves";
/// How often it is asked how far it is.
const LOOK: Duration = Duration::from_millis(200);
/// Letters of a bar.
const BAR: u64 = 24;

/// What becomes of rooms that the rules forbid.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Forbidden {
    /// The person does not move.
    #[default]
    Refuse,
    /// The person leaves them.
    Leave,
}

/// The code of a condition.
fn jurisdiction(condition: &str) -> Result<String, String> {
    let code = condition.strip_prefix("jurisdiction=").filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| "a condition is `jurisdiction=` and a code, such as jurisdiction=RU".to_owned())?;
    Ok(code.to_ascii_uppercase())
}

/// Who, and where to.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
#[command(group = clap::ArgGroup::new("what").args(["list", "arriving", "stop", "go_on", "status", "lives_under", "confirm"]).multiple(false))]
pub(super) struct MoveCommand {
    /// The accounts.
    users: Vec<String>,
    /// The region to which they move.
    #[arg(long, value_name = "REGION", conflicts_with = "to_cell")]
    to: Option<String>,
    /// The cell to which they move, also within a region.
    #[arg(long, value_name = "CELL")]
    to_cell: Option<String>,
    /// A file with one account a line, beside those that are named.
    #[arg(long, value_name = "FILE")]
    from_file: Option<std::path::PathBuf>,
    /// All accounts of this cell that are in use, beside those that are named: before it is retired (`domicile cell retire`).
    #[arg(long)]
    everybody: bool,
    /// All accounts of this cell whose people live under a law: `jurisdiction=RU`. Somebody else confirms it, with a name of their own.
    #[arg(long = "where", value_name = "CONDITION", value_parser = jurisdiction, conflicts_with_all = ["users", "from_file", "everybody"])]
    lives_under: Option<String>,
    /// Confirm what somebody else has asked for with `--where`: all of them are ordered to move.
    #[arg(long, value_name = "ID")]
    confirm: Option<String>,
    /// Only tell what would move, what the rules forbid, and how many others' words would come along.
    #[arg(long)]
    dry_run: bool,
    /// What becomes of rooms that the rules forbid.
    #[arg(long, value_enum, default_value_t)]
    forbidden: Forbidden,
    /// Days within which the person may object.
    #[arg(long, value_name = "DAYS", default_value_t = 0)]
    notice: i64,
    /// Days for which the old address passes requests on.
    #[arg(long, value_name = "DAYS", default_value_t = domicile_app::moves::ADDRESS_DAYS)]
    address_days: i64,
    /// List the moves of this cell.
    #[arg(long)]
    list: bool,
    /// List those who come to this cell from another one, by the names of their moves: the cell that they leave knows who they are.
    #[arg(long)]
    arriving: bool,
    /// Stop moves before anything is handed over; after an objection, too.
    #[arg(long)]
    stop: bool,
    /// Let moves go on to which somebody has objected.
    #[arg(long)]
    go_on: bool,
    /// Show the last move of each account, with its receipt.
    #[arg(long)]
    status: bool,
    /// Do not wait for the end.
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    by: By,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, command: MoveCommand) -> anyhow::Result<()> {
    if command.list {
        return list(config, command.json).await;
    }
    if command.arriving {
        return arriving(config, command.json).await;
    }
    if let Some(id) = &command.confirm {
        return move_group::confirm(config, id, &command.by, command.json).await;
    }
    let wanted = json!({
        "to": command.to, "to_cell": command.to_cell, "notice_days": command.notice, "address_days": command.address_days,
        "forbidden": match command.forbidden { Forbidden::Refuse => "refuse", Forbidden::Leave => "leave" },
    });
    if let Some(code) = &command.lives_under {
        let (dry_run, json) = (command.dry_run, command.json);
        return move_group::ask_for(config, code, wanted, &command.by, (dry_run, json)).await;
    }
    let mut users = users(&command)?;
    if command.everybody {
        users.extend(everybody(config).await?);
        users.sort_unstable();
        users.dedup();
        if users.is_empty() {
            return if command.json {
                say(&json!({ "moves": [] }).to_string())
            } else {
                say("Nobody is at home here.")
            };
        }
    }
    if command.stop {
        return each(config, &command, &users, "/stop", &Value::Null).await;
    }
    if command.go_on {
        return each(config, &command, &users, "/decide", &json!({ "go_on": true })).await;
    }
    if command.status {
        return status(config, &command, &users).await;
    }
    if command.dry_run {
        for user in &users {
            let plan = ask_as(config, Method::POST, &format!("{PATH}/{user}/plan"), &wanted, &command.by).await?;
            if command.json { say(&plan.to_string())? } else { move_plan::show(&plan)? }
        }
        return Ok(());
    }
    let mut ordered = Vec::with_capacity(users.len());
    for user in &users {
        let made = ask_as(config, Method::POST, &format!("{PATH}/{user}"), &wanted, &command.by).await;
        ordered.push(made.with_context(|| format!("{user} does not move"))?);
    }
    if command.notice > 0 {
        for made in &ordered {
            if command.json {
                say(&made.to_string())?;
            } else {
                let begin = date(made["begin_ts"].as_i64().unwrap_or_default());
                say(&format!(
                    "{} moves on {begin}, unless they object.",
                    made["user_id"].as_str().unwrap_or_default()
                ))?;
            }
        }
        return Ok(());
    }
    if command.no_wait {
        return if command.json { say(&json!({ "moves": ordered }).to_string()) } else { say("The moves have begun.") };
    }
    follow(config, &command, &users).await
}

/// All accounts that are in use. The names of those that were ended stay reserved; the heir of the cell answers for them.
async fn everybody(config: &Config) -> anyhow::Result<Vec<String>> {
    let (mut users, mut after) = (Vec::new(), 0_i64);
    loop {
        let page = ask(config, Method::GET, &format!("/_domicile/admin/v1/users?after={after}"), &Value::Null).await?;
        let active = page["users"].as_array().into_iter().flatten().filter(|user| user["deactivated_ts"].is_null());
        users.extend(active.filter_map(|user| user["user_id"].as_str()).map(str::to_owned));
        match page["next"].as_i64() {
            Some(next) => after = next,
            None => return Ok(users),
        }
    }
}

/// Those who are named, and those of the file.
fn users(command: &MoveCommand) -> anyhow::Result<Vec<String>> {
    let mut users = command.users.clone();
    if let Some(file) = &command.from_file {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        users.extend(
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned),
        );
    }
    if users.is_empty() && !command.everybody {
        bail!("who moves? name accounts, or a file with --from-file, or --everybody, or --where jurisdiction=CODE");
    }
    Ok(users)
}

async fn each(
    config: &Config,
    command: &MoveCommand,
    users: &[String],
    what: &str,
    body: &Value,
) -> anyhow::Result<()> {
    for user in users {
        let made = ask_as(config, Method::POST, &format!("{PATH}/{user}{what}"), body, &command.by).await?;
        if command.json {
            say(&made.to_string())?;
        } else {
            say(&format!("{}: {}", made["user_id"].as_str().unwrap_or_default(), words(&made)))?;
        }
    }
    Ok(())
}

async fn status(config: &Config, command: &MoveCommand, users: &[String]) -> anyhow::Result<()> {
    for user in users {
        let shown = ask_as(config, Method::GET, &format!("{PATH}/{user}"), &Value::Null, &command.by).await?;
        if command.json {
            say(&shown.to_string())?;
        } else {
            say(&format!("{}: {}", shown["user_id"].as_str().unwrap_or_default(), words(&shown)))?;
        }
    }
    Ok(())
}

async fn list(config: &Config, json: bool) -> anyhow::Result<()> {
    let mut answer = ask(config, Method::GET, PATH, &Value::Null).await?;
    let requests = move_group::waiting(config).await?;
    if json {
        answer["requests"] = requests.into();
        return say(&answer.to_string());
    }
    move_group::list(&requests)?;
    let moves = answer["moves"].as_array().cloned().unwrap_or_default();
    if moves.is_empty() && requests.is_empty() {
        return say("Nobody has moved away from here, and nobody is about to.");
    }
    for shown in moves {
        say(&format!(
            "{} to {}: {}",
            shown["user_id"].as_str().unwrap_or_default(),
            shown["to"].as_str().unwrap_or_default(),
            words(&shown)
        ))?;
    }
    Ok(())
}

async fn arriving(config: &Config, json: bool) -> anyhow::Result<()> {
    let answer = ask(config, Method::GET, &format!("{PATH}/arrivals"), &Value::Null).await?;
    if json {
        return say(&answer.to_string());
    }
    let list = |key: &str| answer[key].as_array().cloned().unwrap_or_default();
    let settled = list("counts").into_iter().filter(|one| one["state"] == "settled");
    for one in settled {
        say(&format!("{} from {} are at home here.", one["count"], one["from"].as_str().unwrap_or_default()))?;
    }
    let arriving = list("arriving");
    if arriving.is_empty() {
        return say("Nobody is on the way here.");
    }
    for one in arriving {
        let text = |key: &str| one[key].as_str().unwrap_or_default();
        let stands = match text("state") {
            "coming" => format!("being brought, {} files so far", one["files"]),
            "confirmed" => "the vault is here and waits for the directory's word".to_owned(),
            "here" => "at home here; what reached the cell that they left still comes".to_owned(),
            other => other.to_owned(),
        };
        let since = domicile_core::calendar::minute(one["since_ts"].as_i64().unwrap_or_default());
        say(&format!("{} from {}: {stands} (since {since} UTC)", text("move_id"), text("from")))?;
    }
    Ok(())
}

/// Shows how far moves are until all are over. One that was stopped makes the command fail.
async fn follow(config: &Config, command: &MoveCommand, users: &[String]) -> anyhow::Result<()> {
    let progress = ProgressLine::new(!command.json);
    let mut failed = 0;
    for (index, user) in users.iter().enumerate() {
        let last = loop {
            let shown = ask(config, Method::GET, &format!("{PATH}/{user}"), &Value::Null).await?;
            if !shown["ended_ts"].is_null() {
                break shown;
            }
            progress.show(format_args!("{}/{} {} {}", index + 1, users.len(), user, bar(&shown)))?;
            tokio::time::sleep(LOOK).await;
        };
        progress.clear()?;
        failed += usize::from(last["state"] != "done");
        if command.json {
            say(&last.to_string())?;
        } else {
            say(&format!("{}: {}", last["user_id"].as_str().unwrap_or_default(), words(&last)))?;
        }
    }
    if failed > 0 {
        bail!("{failed} of {} did not move", users.len());
    }
    Ok(())
}

/// How far a move is, as a bar and in words.
fn bar(shown: &Value) -> String {
    let count = |what: &str, of: &str| shown["progress"][what][of].as_u64().unwrap_or_default();
    let (of, done) = (count("rooms", "of") + count("media", "of"), count("rooms", "done") + count("media", "done"));
    let full = done.min(of).saturating_mul(BAR).checked_div(of).unwrap_or_default();
    let full = usize::try_from(full).unwrap_or_default();
    let empty = usize::try_from(BAR).unwrap_or_default().saturating_sub(full);
    format!("[{}{}] {}", "#".repeat(full), "·".repeat(empty), words(shown))
}

/// How a move stands, in words.
fn words(shown: &Value) -> String {
    let count = |what: &str| {
        let of = &shown["progress"][what];
        format!("{} of {}", of["done"].as_u64().unwrap_or_default(), of["of"].as_u64().unwrap_or_default())
    };
    let region = shown["to_region"].as_str().unwrap_or_default();
    let frozen = shown["progress"]["frozen_ms"].as_i64().unwrap_or_default();
    let day = |key: &str| date(shown[key].as_i64().unwrap_or_default());
    let mut text = match shown["state"].as_str().unwrap_or_default() {
        "announced" => format!("announced; begins on {}", day("begin_ts")),
        "objected" => {
            let words = shown["progress"]["objection"].as_str().unwrap_or_default();
            let said = if words.is_empty() { String::new() } else { format!(" (\"{words}\")") };
            format!("has objected{said}: decide with --go-on or --stop")
        }
        "copying" => format!("copying: {} rooms, {} files", count("rooms"), count("media")),
        "handed_over" => "handed over; the directory is asked".to_owned(),
        "issued" => "the directory has said so; the new home takes them in".to_owned(),
        "left" => "at home there; what is theirs is erased here".to_owned(),
        "erased" => "at home there; other cells are told".to_owned(),
        "done" => {
            let at = |key: &str| shown[key].as_i64().unwrap_or_default();
            let address = if at("until_ts") <= at("ended_ts") {
                "The old address has ended: it passes nothing on, and says where they are".to_owned()
            } else {
                format!("The old address passes requests on until {}", day("until_ts"))
            };
            format!("at home in {region}; their requests waited for {frozen} ms. {address}")
        }
        "stopped" => "stopped; nothing has moved".to_owned(),
        other => other.to_owned(),
    };
    if let Some(error) = shown["error"].as_str() {
        text = format!("{text} (last failure, attempt {}: {error})", shown["attempts"].as_i64().unwrap_or_default());
    }
    text
}
