//! `domicile backup` and `domicile restore`.

use std::{io::Write, path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use axum::http::Method;
use clap::{Args, Subcommand};
use domicile_core::{
    clock::{Clock, SystemClock},
    config::Config,
    rng::OsRng,
};
use domicile_store::{
    StoreOptions,
    backup::{self, Identity, Progress, RestoreOptions},
};
use serde_json::{Value, json};

use super::{date, say};
use crate::{admin_socket::ask, wire};

/// Where the running server is asked.
const PATH: &str = "/_domicile/admin/v1/backups";

/// What to do with backups.
#[derive(Debug, Subcommand)]
pub(super) enum BackupCommand {
    /// Back up the database, the media and the keystore, also while the server runs.
    Create {
        /// The folder for the two files.
        #[arg(long)]
        to: PathBuf,
        /// A public key (age1…) whose owner can open the backup. More than one is possible.
        #[arg(long = "for", required = true)]
        recipients: Vec<String>,
        /// Days after which the backup should be deleted, for the inventory.
        #[arg(long)]
        keep_days: Option<u32>,
        /// Where it will lie, in your words (`a safe in Bern, CH`), for the inventory: no program sees in which country a disk stands.
        #[arg(long)]
        place: Option<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// The inventory: what was made, where it lies, what is in it, and until when.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Say that a backup lies where it is meant to. What other cells keep for the case that it did not is let go then.
    Confirm {
        /// Its number, as `domicile backup list` shows it.
        number: i64,
        /// Where it lies, if that is another place than the inventory has.
        #[arg(long)]
        place: Option<String>,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Say that a backup was deleted.
    Gone {
        /// Its number.
        number: i64,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Make a pair of keys for backups. Keep the secret one away from this machine.
    Key {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

/// Where a backup is restored from.
#[derive(Debug, Args)]
pub(super) struct RestoreCommand {
    /// The file with the database and the media.
    #[arg(long)]
    data: PathBuf,
    /// The file with the keys. Without it, what was sealed stays so.
    #[arg(long)]
    keystore: Option<PathBuf>,
    /// A file with the secret key (AGE-SECRET-KEY-1…).
    #[arg(long)]
    identity: PathBuf,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, command: BackupCommand) -> anyhow::Result<()> {
    match command {
        BackupCommand::Key { json } => {
            let identity = Identity::generate(&OsRng);
            let (public, secret) = (identity.recipient().to_string(), identity.secret());
            if json {
                return say(&json!({ "public": public, "secret": secret.as_str() }).to_string());
            }
            say(&format!("# public key, for `domicile backup create --for`: {public}\n{}", secret.as_str()))
        }
        BackupCommand::List { json } => list(config, json).await,
        BackupCommand::Confirm { number, place, json } => {
            let path = format!("{PATH}/{number}/confirm");
            let answer = ask(config, Method::POST, &path, &json!({ "place": place })).await?;
            if json { say(&answer.to_string()) } else { say(&format!("Backup {number} lies where it is meant to.")) }
        }
        BackupCommand::Gone { number, json } => {
            let answer = ask(config, Method::POST, &format!("{PATH}/{number}/gone"), &json!({})).await?;
            if json { say(&answer.to_string()) } else { say(&format!("Backup {number} is deleted.")) }
        }
        BackupCommand::Create { to, recipients, keep_days, place, json } => {
            let folder = std::path::absolute(&to).with_context(|| format!("the folder {}", to.display()))?;
            let body = json!({ "folder": folder, "recipients": recipients, "keep_days": keep_days, "place": place });
            if !json {
                writeln!(std::io::stderr(), "Making a backup; this takes a while where there is much …")?;
            }
            let answer = ask(config, Method::POST, PATH, &body).await?;
            if json {
                return say(&answer.to_string());
            }
            let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
            say(&format!("Database and media: {}\nKeys:               {}", text("data"), text("keystore")))?;
            say(&format!("{} bytes, {} media files.", answer["bytes"], answer["media_files"]))?;
            say(
                "When both files lie where they are meant to: `domicile backup list`, `domicile backup confirm NUMBER`.",
            )
        }
    }
}

async fn list(config: &Config, json: bool) -> anyhow::Result<()> {
    let answer = ask(config, Method::GET, PATH, &Value::Null).await?;
    if json {
        return say(&answer.to_string());
    }
    let all = answer["backups"].as_array().cloned().unwrap_or_default();
    if all.is_empty() {
        return say("No backup was made yet.");
    }
    for backup in &all {
        let text = |key: &str| backup[key].as_str().unwrap_or_default().to_owned();
        let when = |key: &str| backup[key].as_i64().map(date);
        let place = Some(text("place")).filter(|place| !place.is_empty());
        let until = match (when("gone_ts"), when("expires_ts"), backup["is_due"].as_bool()) {
            (Some(gone), ..) => format!("deleted on {gone}"),
            (None, Some(at), Some(true)) => format!("TO BE DELETED since {at}"),
            (None, Some(at), _) => format!("until {at}"),
            (None, None, _) => "until somebody deletes it".to_owned(),
        };
        let confirmed = when("confirmed_ts").map_or_else(|| "not confirmed".to_owned(), |at| format!("confirmed {at}"));
        say(&format!(
            "{:>4}  {}  {until}; {confirmed}; {} bytes; {}",
            backup["backup_num"],
            when("created_ts").unwrap_or_default(),
            backup["byte_size"],
            place.as_deref().unwrap_or("place not said")
        ))?;
        say(&format!("      {}\n      {}", text("data"), text("keystore")))?;
        say(&format!("      {}", text("classes").replace(',', ", ")))?;
    }
    Ok(())
}

pub(super) async fn restore(config: &Config, command: RestoreCommand) -> anyhow::Result<()> {
    let data_dir = PathBuf::from(&config.server.data_dir);
    std::fs::create_dir_all(&data_dir)
        .with_context(|| format!("cannot make the data folder {}", data_dir.display()))?;
    let store = wire::store_options(config);
    if let StoreOptions::Sqlite { path, .. } = &store
        && path.exists()
    {
        bail!("{} is there already: restore into an empty data folder", path.display());
    }
    let secret = std::fs::read_to_string(&command.identity)
        .with_context(|| format!("cannot read {}", command.identity.display()))?;
    let options = RestoreOptions {
        data: command.data,
        keystore: command.keystore,
        identity: Identity::parse(&secret)?,
        store,
        keystore_into: wire::keystore_options(config),
        media: wire::media_folder(config),
        work: data_dir,
        now_ms: SystemClock.now_ms(),
    };
    let progress = Arc::new(|step: Progress| {
        // Progress is for whoever looks on; nobody need be there.
        let _ = writeln!(std::io::stderr(), "{step:?}");
    });
    let restored = backup::restore(options, Arc::new(OsRng), progress).await?;
    if command.json {
        return say(&serde_json::to_string(&restored)?);
    }
    say(
        "Restored. Start the server: it is fenced, and serves nobody, until it has found out what it has missed since the backup",
    )?;
    say("(`domicile fence` shows how far that is). Then everybody signs in again, and their clients do the rest.")
}
