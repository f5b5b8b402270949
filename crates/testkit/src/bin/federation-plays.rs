//! `federation-plays --pair domicile,synapse`: people on two servers share rooms. `cargo xtask e2e --federation` is its user.
//!
//! With `--links` there are three servers on hosts of their own, and with `--kills 50` two that are killed under traffic;
//! these need no driver of matrix-sdk. With `--cells` a deployment of two cells stands before Synapse, which is to take it for one server.
#![expect(clippy::print_stdout, reason = "a tool for people talks on standard output")]
#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use clap::Parser;
use domicile_testkit::driver::Program;
use domicile_testkit::plays::federation::disguise::{self, Disguise};
use domicile_testkit::plays::federation::hosts::{self, Hosts};
use domicile_testkit::plays::federation::kills::{self, Kills};
use domicile_testkit::plays::federation::{self, Kind, Plan, Programs, Report};

/// Play with matrix-sdk on two servers.
#[derive(Debug, Parser)]
struct Arguments {
    /// The binary of Domicile
    #[arg(long)]
    server_binary: PathBuf,
    /// The Python of the environment that Synapse is in, if it plays
    #[arg(long, default_value = "python3")]
    synapse_python: PathBuf,
    /// The driver of matrix-sdk
    #[arg(long, required_unless_present_any = ["links", "kills"])]
    matrix_sdk_driver: Option<PathBuf>,
    /// Three servers on hosts of their own, and links between them that are slow, lossy and cut, instead
    #[arg(long)]
    links: bool,
    /// Two servers of which one is killed so often under traffic, instead
    #[arg(long, conflicts_with = "links")]
    kills: Option<u32>,
    /// A deployment of two cells and Synapse, instead
    #[arg(long, conflicts_with_all = ["links", "kills", "pair"], requires = "document")]
    cells: bool,
    /// With `--cells`: the page that says what a stolen cell can do to Synapse
    #[arg(long, requires = "cells")]
    document: Option<PathBuf>,
    /// With `--cells`: write that page, instead of comparing it
    #[arg(long, requires = "cells")]
    write: bool,
    /// The servers: two of them, or three for `--links`
    #[arg(long, value_delimiter = ',', default_value = "domicile,synapse")]
    pair: Vec<String>,
    /// Decides which packets are lost and when servers are killed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seconds each of the bad times of `--links` lasts
    #[arg(long, default_value_t = 10.0)]
    seconds: f32,
    /// The rooms' versions
    #[arg(long, value_delimiter = ',', default_value = "10,11,12")]
    versions: Vec<String>,
    /// Only these parts: `talk`, `signs`, `doors`, `upgrade`, `split`, `outage`; with `--cells` also `together`, `theft`
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How many milliseconds everything takes on its way from one server to the other
    #[arg(long, default_value_t = 0)]
    delay: u64,
    /// Keep the servers' data and logs and the clients' stores here, instead of in a folder that is removed
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let temporary = tempfile::tempdir().context("making a folder for the play")?;
    let folder = arguments.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let folder = folder.canonicalize().context("finding the folder for the play")?;
    let kinds = arguments.pair.iter().map(|name| kind(name)).collect::<Result<Vec<_>>>()?;
    let programs = Programs { domicile: arguments.server_binary.clone(), synapse: arguments.synapse_python.clone() };
    if let Some(rounds) = arguments.kills {
        return kill(arguments, two(&kinds)?, rounds, &programs, &folder);
    }
    let driver = || {
        let program = arguments.matrix_sdk_driver.clone().context("the driver of matrix-sdk is not given")?;
        anyhow::Ok(Program { program, script: None })
    };
    let report = if arguments.links {
        on_hosts(arguments, &kinds, &programs, &folder)?
    } else if let Some(document) = arguments.document.clone().filter(|_| arguments.cells) {
        let (versions, only) = (arguments.versions.clone(), arguments.only.clone());
        let disguise = Disguise { versions, only, document, write: arguments.write };
        disguise::play(&disguise, &programs, &driver()?, &folder)?
    } else {
        let plan = Plan {
            pair: two(&kinds)?,
            versions: arguments.versions.clone(),
            only: arguments.only.clone(),
            delay: Duration::from_millis(arguments.delay),
        };
        federation::play(&plan, &programs, &driver()?, &folder)?
    };
    let (good, all) = report.count();
    let servers = kinds.iter().map(Kind::to_string).collect::<Vec<_>>().join(" and ");
    let servers = if arguments.cells { "two cells and Synapse".to_owned() } else { servers };
    println!("{servers}: {good} of {all} steps good, in {:.1} s", report.took().as_secs_f64());
    let failures = report.failures();
    ensure!(failures.is_empty(), "{} steps failed:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

fn two(kinds: &[Kind]) -> Result<[Kind; 2]> {
    <[Kind; 2]>::try_from(kinds).map_err(|_| anyhow!("a pair is two servers, not {}", kinds.len()))
}

/// Rooms of each version on three servers whose links are bad.
fn on_hosts(arguments: &Arguments, kinds: &[Kind], programs: &Programs, folder: &Path) -> Result<Report> {
    let kinds =
        <[Kind; 3]>::try_from(kinds).map_err(|_| anyhow!("`--links` takes three servers, not {}", kinds.len()))?;
    let time = Duration::try_from_secs_f32(arguments.seconds).context("how long bad times last")?;
    let mut whole: Option<Report> = None;
    for version in &arguments.versions {
        let folder = folder.join(format!("version-{version}"));
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let plan = Hosts { kinds, seed: arguments.seed, version: version.clone(), time };
        let report = hosts::play(&plan, programs, &folder)?;
        whole = Some(match whole {
            None => report,
            Some(before) => before.and(report),
        });
    }
    whole.context("no room version is given")
}

/// Kills under traffic, in a room of the last version that is given.
fn kill(arguments: &Arguments, pair: [Kind; 2], rounds: u32, programs: &Programs, folder: &Path) -> Result<()> {
    let version = arguments.versions.last().context("no room version is given")?.clone();
    println!("kills: seed {}, a room of version {version}", arguments.seed);
    let began = Instant::now();
    kills::play(&Kills { pair, rounds, seed: arguments.seed, version }, programs, folder, &mut |line| {
        println!("{line}");
    })?;
    let [first, second] = pair;
    println!("{first} and {second}: {rounds} kills amid their traffic, in {:.1} s", began.elapsed().as_secs_f64());
    Ok(())
}

fn kind(name: &str) -> Result<Kind> {
    match name {
        "domicile" => Ok(Kind::Domicile),
        "synapse" => Ok(Kind::Synapse),
        _ => bail!("servers are `domicile` and `synapse`, not `{name}`"),
    }
}
