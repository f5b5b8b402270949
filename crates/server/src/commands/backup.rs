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
use serde_json::json;

use super::say;
use crate::{admin_socket::ask, wire};

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
        BackupCommand::Create { to, recipients, json } => {
            let folder = std::path::absolute(&to).with_context(|| format!("the folder {}", to.display()))?;
            let body = json!({ "folder": folder, "recipients": recipients });
            if !json {
                writeln!(std::io::stderr(), "Making a backup; this takes a while where there is much …")?;
            }
            let answer = ask(config, Method::POST, "/_domicile/admin/v1/backups", &body).await?;
            if json {
                return say(&answer.to_string());
            }
            let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
            say(&format!("Database and media: {}\nKeys:               {}", text("data"), text("keystore")))?;
            say(&format!("{} bytes, {} media files.", answer["bytes"], answer["media_files"]))
        }
    }
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
    say("Restored. Start the server; everybody signs in again, and their clients do the rest.")
}
