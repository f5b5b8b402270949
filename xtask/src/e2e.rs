//! `cargo xtask e2e`: plays with clients that nobody here wrote, matrix-sdk and matrix-js-sdk, on a server of this tree.
//! With `--federation` there are two servers, and one of them nobody here wrote either; with `--federation --links` there
//! are three, on hosts of their own, whose links are slow, lossy and cut.
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
    /// Three servers on hosts of their own, joined by links that are slow, lossy and cut; no clients of others. Takes root
    #[arg(long, requires = "federation", conflicts_with_all = ["only", "delay"])]
    links: bool,
    /// The servers, each `domicile` or `synapse`: `domicile,synapse` by default, and `domicile,domicile,synapse` with `--links`
    #[arg(long, requires = "federation")]
    pair: Option<String>,
    /// The versions of the rooms that they share: `10,11,12` by default, and `12` with `--links`
    #[arg(long, requires = "federation")]
    versions: Option<String>,
    /// With `--links`: decides which packets are lost
    #[arg(long, requires = "links", default_value_t = 1)]
    seed: u64,
    /// With `--links`: how many seconds each of the bad times lasts
    #[arg(long, requires = "links", default_value_t = 10.0)]
    seconds: f32,
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
    let driver = matrix_sdk_driver(args.matrix_sdk_driver.as_deref())?;
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

/// Two servers, and people on both; or three, and bad links.
fn federation(args: &Args) -> Result<()> {
    let federated = &args.federated;
    let driver = if federated.links { None } else { Some(matrix_sdk_driver(args.matrix_sdk_driver.as_deref())?) };
    let synapse = synapse::environment()?;
    let built = args.profile.build(&[("domicile-server", "domicile"), ("domicile-testkit", "federation-plays")])?;
    let mut plays = Command::new(built.join("federation-plays"));
    plays.arg("--server-binary").arg(built.join("domicile"));
    plays.arg("--synapse-python").arg(synapse.join("bin/python"));
    let (pair, versions) =
        if federated.links { ("domicile,domicile,synapse", "12") } else { ("domicile,synapse", "10,11,12") };
    plays.args(["--pair", federated.pair.as_deref().unwrap_or(pair)]);
    plays.args(["--versions", federated.versions.as_deref().unwrap_or(versions)]);
    if let Some(driver) = driver {
        plays.arg("--matrix-sdk-driver").arg(driver).args(["--delay", &federated.delay.to_string()]);
    }
    if federated.links {
        provision::ip()?;
        plays.args(["--links", "--seed", &federated.seed.to_string(), "--seconds", &federated.seconds.to_string()]);
    }
    if let Some(only) = &federated.only {
        plays.args(["--only", only]);
    }
    if let Some(folder) = &args.keep {
        plays.arg("--keep").arg(folder);
    }
    command::run(&mut plays)
}

/// The driver that was given, or one that is built now.
pub(crate) fn matrix_sdk_driver(given: Option<&Path>) -> Result<PathBuf> {
    match given {
        Some(driver) => std::path::absolute(driver).with_context(|| format!("finding {}", driver.display())),
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
