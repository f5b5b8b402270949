//! `domicile directory`: status, places, present, transfer, follow-anew, rotate-key.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use axum::http::Method;
use clap::Subcommand;
use domicile_core::{config::Config, plural::counted};
use serde_json::Value;

use super::{say, terminal::ProgressLine};
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/directory";
/// Time between two looks at work that goes on.
const LOOK: Duration = Duration::from_millis(500);

/// Whose home is where.
#[derive(Debug, Subcommand)]
pub(super) enum DirectoryCommand {
    /// Which cell decides whose a name is, who follows and how far behind each is, what this cell knows, and whether the log is whole.
    Status {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// How many homes the cells of this region have, the emptiest first: there new people go.
    Places {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Throw away the log of this cell, which follows, and fetch it anew from the cell that decides: when the directory is forked and this log is
    /// the wrong one.
    FollowAnew {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Give the hashes of names another key, at the cell that decides names: when a cell that held the directory does not hold it any more, or the
    /// key may be in somebody else's hands. The log is hashed anew here and at the cells that follow; no name is taken until one of them is done.
    RotateKey {
        /// For programs: do not wait until it is done.
        #[arg(long)]
        json: bool,
    },
    /// Bring the tickets of this cell's people to the cell that decides names, which was restored from a backup and is fenced until all have done so.
    Present {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Give somebody whose cell was revoked a home here: writes what the root key has to sign (`domicile deployment let-go`), or takes it signed.
    Transfer {
        /// The account.
        #[arg(required_unless_present = "signed", conflicts_with = "signed")]
        user: Option<String>,
        /// What `domicile deployment let-go` wrote.
        #[arg(long, value_name = "FILE")]
        signed: Option<PathBuf>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(config: &Config, command: DirectoryCommand) -> anyhow::Result<()> {
    match command {
        DirectoryCommand::Status { json } => status(config, json).await,
        DirectoryCommand::Places { json } => places(config, json).await,
        DirectoryCommand::FollowAnew { json } => follow_anew(config, json).await,
        DirectoryCommand::RotateKey { json } => rotate_key(config, json).await,
        DirectoryCommand::Present { json } => {
            let answer = ask(config, Method::POST, &format!("{PATH}/present"), &Value::Null).await?;
            if json {
                return say(&answer.to_string());
            }
            let people = counted(answer["people"].as_u64().unwrap_or_default(), "person", "people");
            say(&format!("The tickets of {people} were brought to the cell that decides names."))
        }
        DirectoryCommand::Transfer { user, signed: None, .. } => {
            let path = format!("{PATH}/emergency/{}", user.unwrap_or_default());
            say(&ask(config, Method::GET, &path, &Value::Null).await?.to_string())
        }
        DirectoryCommand::Transfer { signed: Some(signed), json, .. } => take(config, &signed, json).await,
    }
}

/// Takes somebody in.
async fn take(config: &Config, signed: &Path, json: bool) -> anyhow::Result<()> {
    let text = fs::read_to_string(signed).with_context(|| format!("cannot read {}", signed.display()))?;
    let signed: Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is not what `domicile deployment let-go` writes", signed.display()))?;
    let taken = ask(config, Method::POST, &format!("{PATH}/rescue"), &signed).await?;
    if json {
        return say(&taken.to_string());
    }
    let user = taken["user_id"].as_str().unwrap_or_default();
    say(&format!(
        "{user} is at home here. Nothing of what was stored at their old home came along. `domicile user passwd {user}` gives them a password."
    ))
}

async fn places(config: &Config, json: bool) -> anyhow::Result<()> {
    let answer = ask(config, Method::GET, &format!("{PATH}/places"), &Value::Null).await?;
    if json {
        return say(&answer.to_string());
    }
    for place in answer["places"].as_array().into_iter().flatten() {
        let text = |key: &str| place[key].as_str().unwrap_or_default();
        let homes = match place["homes"].as_u64() {
            Some(homes) => counted(homes, "home", "homes"),
            None => "does not answer".to_owned(),
        };
        let here = if place["is_here"] == true { "  (this cell)" } else { "" };
        say(&format!("{:<16}  {:<40}  {homes}{here}", text("cell"), text("client_url")))?;
    }
    Ok(())
}

async fn follow_anew(config: &Config, json: bool) -> anyhow::Result<()> {
    let answer = ask(config, Method::POST, &format!("{PATH}/follow_anew"), &Value::Null).await?;
    if json {
        return say(&answer.to_string());
    }
    let decider = answer["decider"].as_str().unwrap_or_default();
    say(&format!(
        "The log here is gone. {decider} tells it anew within half a minute: `domicile directory status` shows how far."
    ))
}

/// Gives the hashes another key, and shows how far it is until this cell and those who follow and answer are done.
async fn rotate_key(config: &Config, json: bool) -> anyhow::Result<()> {
    let path = format!("{PATH}/key");
    let begun = ask(config, Method::POST, &path, &Value::Null).await?;
    if json {
        return say(&begun.to_string());
    }
    let entries = counted(begun["entries"].as_u64().unwrap_or_default(), "entry", "entries");
    let progress = ProgressLine::new(true);
    loop {
        let answer = ask(config, Method::GET, &path, &Value::Null).await?;
        let followers = answer["followers"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_done = |follower: &Value| follower["behind"] == 0 && follower["wrong"].is_null();
        let line = match answer["rotation"]["done"].as_u64() {
            Some(done) => format!("{done} of {entries} are hashed anew here"),
            None if followers.is_empty() || followers.iter().any(is_done) => break,
            None => "done here; the cells that follow do the same".to_owned(),
        };
        progress.show(line)?;
        tokio::time::sleep(LOOK).await;
    }
    progress.clear()?;
    say(&format!(
        "The names are hashed with another key: {entries} of the log were made anew. `domicile directory status` shows how the others stand."
    ))
}

/// How the followers stand, or what this cell lacks if it is one.
fn say_followers(status: &Value) -> anyhow::Result<()> {
    if let Some(waits) = status["waits"].as_str() {
        say(&format!("It does not decide yet. {waits}"))?;
    }
    let followers = status["followers"].as_array().map(Vec::as_slice).unwrap_or_default();
    if status["decides_here"] == true && followers.is_empty() {
        say(
            "No cell follows: if this one is lost without a backup, so is the directory. Set `directory = true` for another cell of a trusted region.",
        )?;
    }
    for follower in followers {
        let behind = follower["behind"].as_u64();
        let behind = behind.map_or("not heard from yet".to_owned(), |behind| match behind {
            0 => "has everything".to_owned(),
            behind => format!("{} behind", counted(behind, "entry", "entries")),
        });
        let wrong = follower["wrong"].as_str().map(|wrong| format!("  ({wrong})")).unwrap_or_default();
        say(&format!("Follower {:<16}  {behind}{wrong}", follower["cell"].as_str().unwrap_or_default()))?;
    }
    if status["holds"] == true && status["decides_here"] != true {
        say(&match status["behind"].as_u64() {
            None => "This cell follows, and has not heard from the decider since it started.".to_owned(),
            Some(0) => "This cell follows, and has everything that the decider told of.".to_owned(),
            Some(behind) => format!("This cell follows, and lacks {}.", counted(behind, "entry", "entries")),
        })?;
    }
    for trouble in status["troubles"].as_array().into_iter().flatten() {
        say(trouble.as_str().unwrap_or_default())?;
    }
    Ok(())
}

async fn status(config: &Config, json: bool) -> anyhow::Result<()> {
    let answer = ask(config, Method::GET, PATH, &Value::Null).await?;
    if json {
        return say(&answer.to_string());
    }
    let status = &answer["status"];
    let text = |key: &str| status[key].as_str().unwrap_or_default();
    say(&format!(
        "This is the cell {} in the region {}, with document {}.",
        text("cell"),
        text("region"),
        status["serial"]
    ))?;
    say(&format!("Names are decided by {} (term {}).", text("decider"), status["term"]))?;
    say(&format!("Homes are known of {} people, {} of them here.", status["tickets"], status["at_home"]))?;
    say_followers(status)?;
    if let (Some(done), Some(of)) = (status["rotation"]["done"].as_u64(), status["rotation"]["of"].as_u64()) {
        say(&format!(
            "Its names are being hashed with another key: {done} of {of} entries are done. No name is taken meanwhile."
        ))?;
    }
    let log = &answer["log"];
    match log["ok"].as_bool() {
        None => Ok(()),
        Some(true) => {
            say(&format!("{} names are taken; the log has {} entries and is whole.", status["names"], log["entries"]))
        }
        Some(false) => {
            let why = log["error"].as_str().unwrap_or_default();
            anyhow::bail!(
                "the directory's log is damaged: {why}. If this cell follows, `domicile directory follow-anew` fetches it again; else restore a backup of it, and change nothing before"
            )
        }
    }
}
