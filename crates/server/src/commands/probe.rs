//! `domicile probe`: look from here at the deployment's addresses, and say what is in the way.
//!
//! It needs no server and no database, so that it runs on any machine, such as that of a volunteer.

mod deployment;
mod files;
mod history;
mod outside;
mod show;
mod vantage;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use domicile_core::{
    clock::{Clock, SystemClock},
    config::Config,
};
use domicile_egress::{Trust, probe::Probe};
use domicile_residency::interference::{Kind, Report, Target, Vantage, measurement::TARGETS};
use serde_json::json;

use super::say;
use crate::wire::{self, probe};

/// What to look at, and what to do with what was seen.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ProbeArguments {
    #[command(subcommand)]
    command: Option<ProbeCommand>,
    #[command(flatten)]
    once: Once,
}

/// What the server keeps.
#[derive(Debug, Subcommand)]
enum ProbeCommand {
    /// Show what was seen, the newest first.
    History {
        /// Only of this host.
        #[arg(long)]
        host: Option<String>,
        /// How many results at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Show one run whole.
    Show {
        /// Its number.
        run: i64,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Have the running server look now, and keep what it sees.
    Now {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Invite somebody to report what they see from where they are.
    Invite {
        /// What you call them. Do not write who they are.
        name: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// List those who were invited.
    Vantages {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Take no more reports of somebody.
    Dismiss {
        /// What you call them.
        name: String,
    },
}

/// One run.
#[derive(Debug, Args)]
struct Once {
    /// Look at this address only, such as <https://matrix.example.org/>. May be given several times.
    #[arg(long, value_name = "URL")]
    target: Vec<String>,
    /// Look at the addresses of this file of a deployment, in place of those of the configuration.
    #[arg(long, value_name = "FILE", conflicts_with = "target")]
    deployment: Option<PathBuf>,
    /// What another place sees: the address of a server of the deployment, or a file with the answer of `domicile probe --json` there.
    #[arg(long, value_name = "URL OR FILE")]
    outside: Vec<String>,
    /// Earlier runs from here, to which this one is added: without them it cannot be said that something became slow.
    #[arg(long, value_name = "FILE")]
    past: Option<PathBuf>,
    /// Write what was seen in OONI's layout, one line for each address.
    #[arg(long, value_name = "FILE")]
    ooni: Option<PathBuf>,
    /// The country that this machine is in, as two letters. Nothing is looked up.
    #[arg(long, value_name = "CC", value_parser = country)]
    country: Option<String>,
    /// The network that it is in, such as AS64496.
    #[arg(long, value_name = "AS", value_parser = network)]
    network: Option<String>,
    /// Tell a server of the deployment what was seen. It takes reports of those whom its operator invited.
    #[arg(long, value_name = "URL", requires = "code")]
    report_to: Option<String>,
    /// The code of the invitation.
    #[arg(long, env = "DOMICILE_PROBE_CODE")]
    code: Option<String>,
    /// The throw-away key that signs reports; it is made if it is not there.
    #[arg(long, value_name = "FILE", default_value = "domicile-vantage.key")]
    key: PathBuf,
    /// What is reported may be published.
    #[arg(long)]
    publish: bool,
    /// You have read what a probe does, and what is told to whom.
    #[arg(long)]
    consent: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(config: &Config, arguments: ProbeArguments) -> anyhow::Result<()> {
    match arguments.command {
        None => once(config, arguments.once).await,
        Some(ProbeCommand::History { host, limit, json }) => {
            history::history(config, host.as_deref(), limit, json).await
        }
        Some(ProbeCommand::Show { run, json }) => history::show(config, run, json).await,
        Some(ProbeCommand::Now { json }) => history::now(config, json).await,
        Some(ProbeCommand::Invite { name, json }) => history::invite(config, &name, json).await,
        Some(ProbeCommand::Vantages { json }) => history::vantages(config, json).await,
        Some(ProbeCommand::Dismiss { name }) => history::dismiss(config, &name).await,
    }
}

async fn once(config: &Config, once: Once) -> anyhow::Result<()> {
    let mut config = config.clone();
    let targets = if let Some(path) = &once.deployment {
        deployment::read(path, &mut config.probe)?
    } else if once.target.is_empty() {
        probe::targets(&config)?
    } else {
        once.target.iter().map(|text| probe::target(&probe::https(text)?)).collect::<anyhow::Result<_>>()?
    };
    check(&targets)?;
    if let Some(to) = &once.report_to {
        vantage::consent(&targets, to, &once.key, once.consent)?;
    }
    let trust = Trust::new(wire::Settings::egress(&config.egress)?)?;
    let measuring = Probe::new(&trust, probe::settings(&config.probe)?)?;
    let earlier = once.past.as_deref().map(files::reports).transpose()?.unwrap_or_default();
    let vantage =
        Vantage { country: once.country.or_else(|| country(&config.probe.country).ok()), network: once.network };
    let run = measuring.run(&targets, SystemClock.now_ms(), vantage).await;
    let (outside, silent) = outside::ask(&trust, config.probe.outside.iter().chain(&once.outside)).await;
    let report = Report::of(run, &outside, |measurement| Report::past(&earlier, measurement));
    if let Some(path) = &once.past {
        files::add(path, &report)?;
    }
    if let Some(path) = &once.ooni {
        files::ooni(path, &report)?;
    }
    if let (Some(to), Some(code)) = (&once.report_to, &once.code) {
        let signed = vantage::signed(report.run.clone(), code, once.publish, &once.key)?;
        vantage::hand_in(&trust, to, &signed).await?;
    }
    if once.json {
        say(&json!({ "report": report, "outside": report.outside(), "silent": silent }).to_string())?;
    } else {
        show::report(&report, &silent)?;
    }
    let bad = report.verdicts.iter().filter(|verdict| !matches!(verdict.kind, Kind::Ok)).count();
    if bad > 0 {
        bail!("{bad} of {} addresses could not be seen to work", report.verdicts.len());
    }
    Ok(())
}

fn check(targets: &[Target]) -> anyhow::Result<()> {
    if targets.is_empty() {
        bail!(
            "there is nothing to look at: set `server.public_url` and `server.name`, or give an address with --target"
        );
    }
    if targets.len() > TARGETS {
        bail!("{} addresses are more than the {TARGETS} that one run looks at", targets.len());
    }
    Ok(())
}

fn country(text: &str) -> anyhow::Result<String> {
    let fits = text.len() == 2 && text.bytes().all(|letter| letter.is_ascii_alphabetic());
    fits.then(|| text.to_ascii_uppercase())
        .with_context(|| format!("`{text}` is no country: write two letters, such as VN"))
}

fn network(text: &str) -> anyhow::Result<String> {
    let number = text.strip_prefix("AS").and_then(|number| number.parse::<u32>().ok());
    number
        .map(|number| format!("AS{number}"))
        .with_context(|| format!("`{text}` is no network: write its number as in AS64496"))
}
