//! The command line.

mod access_log;
mod addresses;
mod audit;
mod backup;
mod blocklist;
mod cell;
mod config;
mod demand;
mod deployment;
mod directory;
pub(crate) mod document_file;
mod dossier;
mod erase;
mod explain;
mod export;
mod federation;
mod fence;
mod incident;
pub(crate) mod key_file;
mod layout;
mod ledger;
mod move_group;
mod move_house;
mod move_plan;
mod operator;
mod probe;
mod processing;
mod report;
mod residency;
mod sign_in;
mod standing;
mod status;
mod terminal;
mod token;
mod user;

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::{Parser, Subcommand};
use domicile_core::{
    calendar::day as date,
    config::{Config, Source},
};

use crate::{admin_socket::By, serve, telemetry};

/// A Matrix homeserver for people who live under many countries' laws.
#[derive(Debug, Parser)]
#[command(name = "domicile", version)]
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
    /// A restored cell until it is open: how far it is, and cells that it does not wait for.
    Fence(fence::FenceCommand),
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
    /// What the law of each jurisdiction asks of this deployment, and how it stands.
    Standing(standing::StandingCommand),
    /// Registrations with authorities, and papers for them.
    Dossier(dossier::DossierCommand),
    /// Demands of authorities: clocks, decisions, what was given.
    #[command(subcommand)]
    Demand(demand::DemandCommand),
    /// What happens to the service, and who is told.
    #[command(subcommand)]
    Incident(incident::IncidentCommand),
    /// What you should know: missing contacts, registrations that end, demands that are late.
    Alerts(status::AlertsCommand),
    /// Alternative addresses, signed.
    #[command(subcommand)]
    Addresses(addresses::AddressesCommand),
    /// The status page.
    #[command(subcommand)]
    Status(status::StatusCommand),
    /// The record of processing activities (GDPR, article 30).
    Ropa(processing::ProcessingCommand),
    /// The skeleton of an assessment of transfers to other countries (GDPR, chapter V).
    Transfers(processing::ProcessingCommand),
    /// Registration tokens, with which people make their own accounts.
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Those who may use the operator's console.
    #[command(subcommand)]
    Operator(operator::OperatorCommand),
    /// The deployment document, which joins cells in several regions under one name.
    #[command(subcommand)]
    Deployment(deployment::DeploymentCommand),
    /// Whose home is where.
    #[command(subcommand)]
    Directory(directory::DirectoryCommand),
    /// Why somebody's home is where it is, in one paragraph.
    Explain(explain::ExplainCommand),
    /// Where people's homes should be.
    #[command(subcommand)]
    Residency(residency::ResidencyCommand),
    /// Move people to another cell or region, with all that is theirs.
    Move(Box<move_house::MoveCommand>),
    /// The cells of a deployment.
    #[command(subcommand)]
    Cell(Box<cell::CellCommand>),
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
        Some(Command::Deployment(command)) => {
            if let Some(done) = deployment::offline(command) {
                return done;
            }
        }
        Some(Command::Cell(command)) => return cell::run(command),
        _ => {}
    }
    let source = source(arguments.config)?;
    if let Some(Command::Config(command)) = &arguments.command {
        return config::run(command, source.as_ref());
    }
    if let Some(Command::Standing(command)) = &arguments.command
        && let Some(lint) = command.lint()
    {
        return lint.run();
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
            Some(Command::Fence(command)) => fence::run(&config, command).await,
            Some(Command::Report(command)) => report::run(&config, command).await,
            Some(Command::Blocklist(command)) => blocklist::run(&config, command).await,
            Some(Command::Federation(command)) => federation::run(&config, command).await,
            Some(Command::Probe(arguments)) => probe::run(&config, arguments).await,
            Some(Command::Standing(command)) => standing::run(&config, command).await,
            Some(Command::Dossier(command)) => Box::pin(dossier::run(&config, command)).await,
            Some(Command::Demand(command)) => demand::run(&config, command).await,
            Some(Command::Incident(command)) => incident::run(&config, command).await,
            Some(Command::Alerts(command)) => status::alerts(&config, &command).await,
            Some(Command::Addresses(command)) => addresses::run(&config, command).await,
            Some(Command::Status(command)) => status::run(&config, command).await,
            Some(Command::Ropa(command)) => processing::run(&config, "record", &command).await,
            Some(Command::Transfers(command)) => processing::run(&config, "transfers", &command).await,
            Some(Command::Token(command)) => token::run(&config, command).await,
            Some(Command::Move(command)) => Box::pin(move_house::run(&config, *command)).await,
            Some(Command::Operator(command)) => operator::run(&config, command).await,
            Some(Command::Explain(command)) => explain::run(&config, command).await,
            Some(Command::Residency(command)) => residency::run(&config, command).await,
            Some(Command::Directory(command)) => directory::run(&config, command).await,
            Some(Command::Deployment(command)) => deployment::run(&config, &command).await,
            Some(Command::Config(_) | Command::Cell(_)) => Ok(()),
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

/// The name of the account under which this runs, as the machine's own list has it: a timer's environment does not say it.
fn own_account() -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    let uid = std::fs::metadata("/proc/self").ok()?.uid();
    named_in(&std::fs::read_to_string("/etc/passwd").ok()?, uid)
}

/// The name of an account in a list as `/etc/passwd` is one (passwd(5)).
fn named_in(list: &str, uid: u32) -> Option<String> {
    let mut accounts = list.lines().map(|line| line.split(':'));
    accounts.find_map(|mut fields| {
        let name = fields.next()?;
        let found = fields.nth(1)?.parse::<u32>().ok()?;
        (found == uid).then(|| name.to_owned())
    })
}

/// Who does something that is written down: as named, else by the name of this account of the machine.
fn who(named: Option<String>) -> anyhow::Result<String> {
    let account = || ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    named
        .or_else(account)
        .or_else(own_account)
        .filter(|name| !name.is_empty())
        .context("who does this? say it with --by NAME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_knows_who_runs_it() {
        let list = "root:x:0:0::/root:/bin/sh\nbroken\n:x:y\nada:x:1000:1000:Ada,,,:/var/ada:/bin/sh\n";
        assert_eq!(named_in(list, 1_000).as_deref(), Some("ada"));
        assert_eq!(named_in(list, 0).as_deref(), Some("root"));
        assert_eq!(named_in(list, 7), None);
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
