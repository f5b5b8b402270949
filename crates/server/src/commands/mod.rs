//! The command line.

mod access_log;
mod audit;
mod backup;
mod blocklist;
mod cell;
mod config;
mod deployment;
pub(crate) mod document_file;
mod erase;
mod export;
mod federation;
pub(crate) mod key_file;
mod ledger;
mod probe;
mod report;
mod terminal;
mod token;
mod user;

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use domicile_core::config::{Config, Source};

use crate::{admin_socket::By, serve, telemetry};

/// A Matrix homeserver for people who live under many countries' laws.
#[derive(Debug, Parser)]
#[command(name = "domicile", version, about)]
struct Arguments {
    /// The configuration file. Without it: domicile.toml in this folder, if it is there.
    #[arg(long, short, global = true, env = "DOMICILE_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server. This is what happens without a command.
    Serve,
    /// Check, explain or show the configuration.
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make and change accounts.
    #[command(subcommand)]
    User(user::UserCommand),
    /// Show where all data is, row by row, in a signed report.
    Audit(audit::AuditCommand),
    /// Who looked at somebody's data, as they read it themselves.
    AccessLog(access_log::AccessLogCommand),
    /// Write all that is held about a person into a file that only they can open.
    Export(export::ExportCommand),
    /// Remove a person, with a receipt of what is gone, what is unreadable and what remains.
    Erase(erase::EraseCommand),
    /// What crossed a border, by day.
    Ledger(ledger::LedgerCommand),
    /// Back up the server, also while it runs.
    #[command(subcommand)]
    Backup(backup::BackupCommand),
    /// Restore a backup into an empty data folder.
    Restore(backup::RestoreCommand),
    /// What people reported to you.
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// Registers of what is blocked: whether you stand in one.
    #[command(subcommand)]
    Blocklist(blocklist::BlocklistCommand),
    /// Other servers: whether they can be reached, and the key with which this one signs.
    #[command(subcommand)]
    Federation(federation::FederationCommand),
    /// Look whether somebody interferes with the way to this deployment, from where this machine is.
    Probe(probe::ProbeArguments),
    /// Registration tokens, with which people make their own accounts.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// The deployment document, which joins cells in several regions under one name.
    #[command(subcommand)]
    Deployment(deployment::DeploymentCommand),
    /// The cells of a deployment.
    #[command(subcommand)]
    Cell(cell::CellCommand),
}

/// Runs the command line.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "domicile: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(arguments: Arguments) -> anyhow::Result<()> {
    // Where the root key is kept there is no server, and no configuration of one.
    match &arguments.command {
        Some(Command::Deployment(command)) => return deployment::run(command),
        Some(Command::Cell(command)) => return cell::run(command),
        _ => {}
    }
    let source = source(arguments.config)?;
    if let Some(Command::Config(command)) = &arguments.command {
        return config::run(command, source.as_ref());
    }
    let config = read(source.as_ref())?;
    telemetry::start(&config.logging)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start")?;
    runtime.block_on(async {
        match arguments.command {
            None | Some(Command::Serve) => serve::run(&config).await,
            Some(Command::User(command)) => user::run(&config, command).await,
            Some(Command::Audit(command)) => audit::run(&config, command).await,
            Some(Command::AccessLog(command)) => access_log::run(&config, command).await,
            Some(Command::Export(command)) => export::run(&config, command).await,
            Some(Command::Erase(command)) => erase::run(&config, command).await,
            Some(Command::Ledger(command)) => ledger::run(&config, command).await,
            Some(Command::Backup(command)) => backup::run(&config, command).await,
            Some(Command::Restore(command)) => backup::restore(&config, command).await,
            Some(Command::Report(command)) => report::run(&config, command).await,
            Some(Command::Blocklist(command)) => blocklist::run(&config, command).await,
            Some(Command::Federation(command)) => federation::run(&config, command).await,
            Some(Command::Probe(arguments)) => probe::run(&config, arguments).await,
            Some(Command::Token(command)) => token::run(&config, command).await,
            Some(Command::Config(_) | Command::Deployment(_) | Command::Cell(_)) => Ok(()),
        }
    })
}

/// The configuration file, if there is one.
fn source(named: Option<PathBuf>) -> anyhow::Result<Option<Source>> {
    let path = if let Some(path) = named {
        path
    } else {
        let usual = PathBuf::from("domicile.toml");
        if !usual.exists() {
            return Ok(None);
        }
        usual
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(Source { name: path.display().to_string(), text }))
}

fn read(source: Option<&Source>) -> anyhow::Result<Config> {
    Config::read(source, std::env::vars())
        .map_err(|problems| anyhow::anyhow!("the configuration is wrong:\n{problems}"))
}

/// Writes a line for a person, or for a program.
fn say(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write the answer")
}

/// A time in milliseconds since the epoch as a date, in UTC.
fn date(ts: i64) -> String {
    // Civil date from days, by the proleptic Gregorian calendar counted from March.
    let days = ts.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(date(0), "1970-01-01");
        assert_eq!(date(951_782_400_000), "2000-02-29");
        assert_eq!(date(1_780_000_000_000), "2026-05-28");
    }

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
        let parsed =
            Arguments::try_parse_from(["domicile", "token", "add", "--uses", "3", "--expires", "7d", "--json"]);
        assert!(parsed.is_ok(), "{parsed:?}");
    }
}
