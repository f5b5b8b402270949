//! `cargo xtask e2e`: plays with clients that nobody here wrote, matrix-sdk and matrix-js-sdk, on a server of this tree.
//! With `--federation` there are two servers, and one of them nobody here wrote either.
//!
//! The clients live in `clients/`, outside the workspace, each with its own lock file. The plays themselves are in
//! `crates/testkit/src/plays`.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::bench::synapse;
use crate::command;
use crate::provision;
use crate::server::Profile;

/// The oldest Node on which the driver of matrix-js-sdk runs.
const NODE: u32 = 20;

/// What to play.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds at full speed
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Messages each way in such a round
    #[arg(long, default_value_t = 100)]
    messages: u32,
    /// Let the server store in PostgreSQL
    #[arg(long)]
    postgres: bool,
    /// A driver of matrix-sdk that is built already; building it takes some minutes
    #[arg(long)]
    matrix_sdk_driver: Option<PathBuf>,
    /// Keep the clients' stores, the logs, the recorded wire and the server's data in this folder
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Play on two servers that share rooms, of which one is Synapse
    #[arg(long)]
    federation: bool,
    #[command(flatten)]
    federated: Federated,
    #[command(flatten)]
    profile: Profile,
}

/// What concerns the play on two servers.
#[derive(Debug, clap::Args)]
struct Federated {
    /// The two servers, each `domicile` or `synapse`
    #[arg(long, requires = "federation", default_value = "domicile,synapse")]
    pair: String,
    /// The versions of the rooms that they share
    #[arg(long, requires = "federation", default_value = "10,11,12")]
    versions: String,
    /// Only these parts: talk, signs, doors, upgrade, split, outage
    #[arg(long, requires = "federation")]
    only: Option<String>,
    /// How many milliseconds everything takes on its way from one server to the other
    #[arg(long, requires = "federation", default_value_t = 0)]
    delay: u64,
}

/// Builds everybody, and plays.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.federation {
        return federation(args);
    }
    let clients = command::root().join("clients");
    let script = matrix_js_sdk(&clients.join("matrix-js-sdk-driver"))?;
    let driver = matrix_sdk_driver(args)?;
    let built = args.profile.build(&[("domicile-server", "domicile"), ("domicile-testkit", "plays")])?;
    let mut plays = Command::new(built.join("plays"));
    plays.arg("--server-binary").arg(built.join("domicile"));
    plays.arg("--matrix-sdk-driver").arg(driver).arg("--matrix-js-sdk-driver").arg(script);
    plays.args(["--rounds", &args.rounds.to_string(), "--messages", &args.messages.to_string()]);
    if args.postgres {
        provision::postgres()?;
        plays.arg("--postgres");
    }
    if let Some(folder) = &args.keep {
        plays.arg("--keep").arg(folder);
    }
    command::run(&mut plays)
}

/// Two servers, and people on both.
fn federation(args: &Args) -> Result<()> {
    let driver = matrix_sdk_driver(args)?;
    let synapse = synapse::environment()?;
    let built = args.profile.build(&[("domicile-server", "domicile"), ("domicile-testkit", "federation-plays")])?;
    let mut plays = Command::new(built.join("federation-plays"));
    plays.arg("--server-binary").arg(built.join("domicile")).arg("--matrix-sdk-driver").arg(driver);
    plays.arg("--synapse-python").arg(synapse.join("bin/python"));
    plays.args(["--pair", &args.federated.pair, "--versions", &args.federated.versions]);
    plays.args(["--delay", &args.federated.delay.to_string()]);
    if let Some(only) = &args.federated.only {
        plays.args(["--only", only]);
    }
    if let Some(folder) = &args.keep {
        plays.arg("--keep").arg(folder);
    }
    command::run(&mut plays)
}

/// The driver that was given, or one that is built now.
fn matrix_sdk_driver(args: &Args) -> Result<PathBuf> {
    match &args.matrix_sdk_driver {
        Some(driver) => Ok(driver.clone()),
        None => matrix_sdk(&command::root().join("clients/matrix-sdk-driver")),
    }
}

/// Builds the driver of matrix-sdk in a target folder of its own: it shares no dependency's version with the workspace.
fn matrix_sdk(folder: &Path) -> Result<PathBuf> {
    let target = folder.join("target");
    let mut build = command::cargo();
    build.current_dir(folder).args(["build", "--locked", "--target-dir"]).arg(&target);
    command::run(&mut build)?;
    Ok(target.join("debug/matrix-sdk-driver"))
}

/// Puts the packages of the driver of matrix-js-sdk where Node finds them.
fn matrix_js_sdk(folder: &Path) -> Result<PathBuf> {
    let version = command::read(Command::new("node").arg("--version"));
    let version =
        version.with_context(|| format!("matrix-js-sdk needs Node {NODE} or newer, with npm; install them"))?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE) {
        bail!(
            "matrix-js-sdk needs Node {NODE} or newer, and `node --version` says {}; install a newer one",
            version.trim()
        );
    }
    command::run(Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder))?;
    Ok(folder.join("src/main.mjs"))
}
