//! `cargo xtask e2e`: plays with clients that nobody here wrote, matrix-sdk and matrix-js-sdk, on a server of this tree.
//! With `--federation` there are two servers, and one of them nobody here wrote either; with `--federation --links` there
//! are three, on hosts of their own, whose links are slow, lossy and cut. With `--cells` there are three cells of one deployment instead, on such
//! hosts, or with `--farewell` what clients do when an old address ends; and with `--federation --cells` a deployment of two cells, and Synapse, which
//! is to take them for one server.
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
    /// With `--cells` or `--links`: decides what the links are like, and which packets are lost
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    celled: Celled,
    #[command(flatten)]
    federated: Federated,
    #[command(flatten)]
    profile: Profile,
}

/// What concerns the plays on several cells.
#[derive(Debug, clap::Args)]
struct Celled {
    /// Play on three cells of one deployment, on hosts of their own, while the links between them are slow, lossy and cut. Takes root.
    /// With `--federation`: on a deployment of two cells and Synapse, and look for traces of the cells in all that Synapse got
    #[arg(long)]
    cells: bool,
    /// With `--cells`, without `--federation`: for how many minutes the links are bad
    #[arg(long, requires = "cells", conflicts_with = "federation", default_value_t = 10.0)]
    minutes: f32,
    /// With `--cells`: two cells instead, and what clients do when the old address of somebody who has moved ends
    #[arg(long, requires = "cells", conflicts_with = "federation")]
    farewell: bool,
    /// With `--cells` and `--federation`: write what a stolen cell can do to Synapse into docs/stolen-cell.md, instead of comparing it
    #[arg(long, requires_all = ["cells", "federation"])]
    write: bool,
    /// With `--cells`: a folder with `domicile`, `cells` and `federation-plays` that are built already
    #[arg(long, requires = "cells")]
    programs: Option<PathBuf>,
}

/// What concerns the play on two servers.
#[derive(Debug, clap::Args)]
struct Federated {
    /// Three servers on hosts of their own, joined by links that are slow, lossy and cut; no clients of others. Takes root
    #[arg(long, requires = "federation", conflicts_with_all = ["only", "delay", "cells"])]
    links: bool,
    /// The servers, each `domicile` or `synapse`: `domicile,synapse` by default, and `domicile,domicile,synapse` with `--links`
    #[arg(long, requires = "federation", conflicts_with = "cells")]
    pair: Option<String>,
    /// The versions of the rooms that they share: `10,11,12` by default, and `12` with `--links` or `--cells`
    #[arg(long, requires = "federation")]
    versions: Option<String>,
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
    match (args.federation, args.celled.cells) {
        (true, true) => return disguise(args),
        (true, false) => return federation(args),
        (false, true) => return cells(args),
        (false, false) => {}
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
        plays.args(["--links", "--seed", &args.seed.to_string(), "--seconds", &federated.seconds.to_string()]);
    }
    if let Some(only) = &federated.only {
        plays.args(["--only", only]);
    }
    if let Some(folder) = &args.keep {
        plays.arg("--keep").arg(folder);
    }
    command::run(&mut plays)
}

/// Three cells of one deployment, and bad links between them; or two, and somebody who moves.
fn cells(args: &Args) -> Result<()> {
    let script = if args.celled.farewell {
        Some(matrix_js_sdk(&command::root().join("clients/matrix-js-sdk-driver"))?)
    } else {
        provision::ip()?;
        None
    };
    let driver = matrix_sdk_driver(args.matrix_sdk_driver.as_deref())?;
    let built = programs(args, "cells")?;
    let mut plays = Command::new(built.join("cells"));
    plays.arg(if script.is_some() { "farewell" } else { "links" });
    plays.arg("--server-binary").arg(built.join("domicile")).arg("--matrix-sdk-driver").arg(driver);
    if let Some(script) = script {
        plays.arg("--matrix-js-sdk-driver").arg(script);
    } else {
        plays.args(["--minutes", &args.celled.minutes.to_string(), "--seed", &args.seed.to_string()]);
    }
    if let Some(folder) = &args.keep {
        plays.arg("--keep").arg(folder);
    }
    command::run(&mut plays)
}

/// A deployment of two cells, and Synapse.
fn disguise(args: &Args) -> Result<()> {
    let driver = matrix_sdk_driver(args.matrix_sdk_driver.as_deref())?;
    let synapse = synapse::environment()?;
    let built = programs(args, "federation-plays")?;
    let mut plays = Command::new(built.join("federation-plays"));
    plays.arg("--server-binary").arg(built.join("domicile")).arg("--matrix-sdk-driver").arg(driver);
    plays.arg("--synapse-python").arg(synapse.join("bin/python")).arg("--cells");
    plays.args(["--versions", args.federated.versions.as_deref().unwrap_or("12")]);
    plays.arg("--document").arg(command::root().join("docs/stolen-cell.md"));
    if args.celled.write {
        plays.arg("--write");
    }
    if let Some(only) = &args.federated.only {
        plays.args(["--only", only]);
    }
    if let Some(folder) = &args.keep {
        plays.arg("--keep").arg(folder);
    }
    command::run(&mut plays)
}

/// Where the server and a program of plays are: those that were given, or built now.
fn programs(args: &Args, play: &'static str) -> Result<PathBuf> {
    match &args.celled.programs {
        Some(folder) => std::path::absolute(folder).with_context(|| format!("finding {}", folder.display())),
        None => args.profile.build(&[("domicile-server", "domicile"), ("domicile-testkit", play)]),
    }
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
