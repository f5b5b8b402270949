//! `domicile audit`: run, verify, list.

mod database;
mod text;
mod verdict;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use axum::http::Method;
use clap::{Args, Subcommand};
use domicile_app::evidence::{reading, verify};
use domicile_core::{config::Config, plural::counted, rng::OsRng};
use serde_json::{Value, json};

use super::say;
use crate::admin_socket::ask;

const PATH: &str = "/_domicile/admin/v1/audits";

/// Where all data is, by whom it is about: every table, every row.
#[derive(Debug, Args)]
pub(super) struct AuditCommand {
    #[command(subcommand)]
    command: Option<AuditSubcommand>,
    /// Have every cell of the deployment make a report, and collect them. One that cannot be reached is named, and makes the command fail.
    #[arg(long)]
    deployment: bool,
    /// For programs: the signed report.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum AuditSubcommand {
    /// Check a report: its signature, the chain of reports, and what is here now.
    Verify(Box<Verify>),
    /// List the signed documents of this cell, and the public key.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Verify {
    /// The report's file.
    report: PathBuf,
    /// The public key that must have signed it. Without it, it is the key of this cell.
    #[arg(long)]
    key: Option<String>,
    /// Rows to draw at random and look up one by one.
    #[arg(long, default_value_t = 200)]
    sample: u32,
    /// Also plant a row that must not be here, see that the audit finds it, and take it away again.
    #[arg(long)]
    canary: bool,
    /// Check the signature only, without this cell's data: for who has the report and the key.
    #[arg(long, conflicts_with = "database")]
    signature_only: bool,
    #[command(flatten)]
    database: database::Database,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, command: AuditCommand) -> anyhow::Result<()> {
    match command.command {
        None if command.deployment => deployment(config, command.json).await,
        None => audit(config, command.json).await,
        Some(AuditSubcommand::List { json }) => list(config, json).await,
        Some(AuditSubcommand::Verify(command)) => check(config, *command).await,
    }
}

async fn check(config: &Config, command: Verify) -> anyhow::Result<()> {
    let Verify { report, key, sample, canary, signature_only, database, json } = command;
    let report = read(&report)?;
    if signature_only {
        let signer = verify::check_signature(&report, key.as_deref())?;
        if json {
            return say(&json!({ "key": signer }).to_string());
        }
        return say(&format!("Signed by {signer}. Nothing else was checked."));
    }
    let stands = if let (Some(address), Some(key)) = (database.address.clone(), &key) {
        if canary {
            bail!(
                "a canary is planted by writing, and --database only reads: ask the running server for it, without --database"
            );
        }
        let read = reading::read(database.auditor(&address, report, key.clone(), sample)?, &OsRng).await?;
        if json {
            say(&serde_json::to_string(&read).context("the verdict")?)?;
        } else {
            verdict::read(&read)?;
        }
        read.verdict.passed
    } else {
        let wanted = json!({ "report": report, "key": key, "sample": sample, "canary": canary });
        let told = ask(config, Method::POST, &format!("{PATH}/verify"), &wanted).await?;
        if json {
            say(&told.to_string())?;
        } else {
            verdict::told(&told)?;
        }
        told["passed"].as_bool() == Some(true)
    };
    if !stands {
        bail!("the report does not stand");
    }
    Ok(())
}

async fn audit(config: &Config, json: bool) -> anyhow::Result<()> {
    let made = ask(config, Method::POST, PATH, &Value::Null).await?;
    if json {
        say(&made["document"].to_string())?;
    } else {
        text::report(&made)?;
    }
    let foreign = made["document"]["body"]["foreign"]["rows"].as_i64().unwrap_or_default();
    if foreign > 0 {
        let (rows, are) = (counted(foreign.unsigned_abs(), "row", "rows"), if foreign == 1 { "is" } else { "are" });
        bail!("{rows} {are} about people whose home is elsewhere, and must not be here");
    }
    Ok(())
}

async fn deployment(config: &Config, json: bool) -> anyhow::Result<()> {
    let made = ask(config, Method::POST, PATH, &json!({ "deployment": true })).await?;
    if json {
        say(&json!({ "document": made["document"], "reports": made["reports"] }).to_string())?;
    } else {
        text::deployment(&made)?;
    }
    let all = made["document"]["body"]["cells"].as_array().map_or(&[][..], Vec::as_slice);
    let name = |cell: &Value| cell["cell"].as_str().unwrap_or_default().to_owned();
    let away: Vec<String> = all.iter().filter(|cell| cell["passed"].is_null()).map(name).collect();
    let failed: Vec<String> = all.iter().filter(|cell| cell["passed"].as_bool() == Some(false)).map(name).collect();
    match (away.is_empty(), failed.is_empty()) {
        (true, true) => Ok(()),
        (false, _) => bail!("there is no report of {}: the deployment as a whole is not audited", away.join(", ")),
        (true, false) => bail!("in {} there are rows that must not be there", failed.join(", ")),
    }
}

async fn list(config: &Config, json: bool) -> anyhow::Result<()> {
    let answer = ask(config, Method::GET, PATH, &Value::Null).await?;
    if json { say(&answer.to_string()) } else { text::list(&answer) }
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is no report", path.display()))
}
