//! `cargo xtask bench`: Domicile beside Synapse, turn by turn in one run, and the table that comes of it in docs/benchmarks.md.
//!
//! Synapse comes from `PyPI` into a virtual environment under `target/`, with SQLite and without rate limits. Each scenario has a fresh server
//! of each kind, so that none inherits what another left behind.

mod scenarios;
pub(crate) mod synapse;
mod table;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::command;
use crate::server::{Profile, Server};
use scenarios::{SCENARIOS, Scenario};
use synapse::Synapse;

/// Where the table is kept.
const TABLE: &str = "docs/benchmarks.md";

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Small numbers, for a look
    #[arg(long)]
    quick: bool,
    /// Only scenarios whose name has this in it
    #[arg(long)]
    only: Option<String>,
    /// Print the table and leave docs/benchmarks.md as it is
    #[arg(long)]
    print: bool,
    /// A folder with a virtual environment that has Synapse already
    #[arg(long)]
    synapse: Option<PathBuf>,
    /// A folder with `domicile` and `domicile-loadgen` that are built already
    #[arg(long)]
    programs: Option<PathBuf>,
}

#[derive(Debug, Clone, Deserialize)]
struct Measured {
    operations: usize,
    errors: usize,
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_ms: f64,
    resident_mib: f64,
    resident_each_kib: f64,
    disk_each: f64,
}

/// Measures everything and writes the table.
pub(crate) fn run(args: &Args) -> Result<()> {
    let programs = match &args.programs {
        Some(programs) => programs.clone(),
        None => {
            Profile::release().build(&[("domicile-server", "domicile"), ("domicile-loadgen", "domicile-loadgen")])?
        }
    };
    let environment = match &args.synapse {
        Some(environment) => environment.clone(),
        None => synapse::environment()?,
    };
    let folder = std::env::temp_dir().join(format!("domicile-bench-{}", std::process::id()));
    let (mut rows, mut starts) = (String::new(), Vec::new());
    for (index, scenario) in SCENARIOS.iter().enumerate() {
        if args.only.as_ref().is_some_and(|only| !scenario.name.contains(only.as_str())) {
            continue;
        }
        println!("bench: {}", scenario.name);
        let ours = domicile(&programs, &folder.join(format!("domicile{index}")), scenario, args.quick)?;
        println!("  domicile: {ours:?}");
        let folder = folder.join(format!("synapse{index}"));
        let theirs = match scenario.synapse {
            Some(numbers) => Some(synapse(&environment, &programs, &folder, (scenario, numbers), args.quick)?),
            None => None,
        };
        println!("  synapse:  {theirs:?}");
        table::row(&mut rows, scenario, &ours.measured, theirs.as_ref());
        if let Some(seconds) = ours.start_seconds {
            starts.push(format!("- {}, started again: first answer after {:.0} ms", scenario.name, seconds * 1_000.0));
        }
    }
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    let starts = if starts.is_empty() { String::new() } else { format!("{}\n\n", starts.join("\n")) };
    let table = format!("{}{rows}\n{starts}", table::HEAD);
    println!("\n{table}");
    if !args.print {
        let text = format!("# Benchmarks\n\n{}\n\n{table}{}", table::about(args)?, table::NOTES);
        fs::write(command::root().join(TABLE), text).with_context(|| format!("writing {TABLE}"))?;
    }
    Ok(())
}

fn measure(
    programs: &Path,
    url: &str,
    pid: u32,
    data: &Path,
    scenario: &Scenario,
    numbers: &[(&str, u32)],
    quick: bool,
) -> Result<Measured> {
    let mut load = Command::new(programs.join("domicile-loadgen"));
    load.args(["run", "--url", url, "--pid", &pid.to_string(), "--scenario", scenario.kind]).arg("--data").arg(data);
    for (name, number) in numbers {
        if *name == "plain" {
            load.arg("--plain");
            continue;
        }
        let number = if quick && ["messages", "history"].contains(name) { number / 10 } else { *number };
        load.arg(format!("--{name}")).arg(number.max(1).to_string());
    }
    let json = command::read(&mut load)?;
    serde_json::from_str(&json).with_context(|| format!("understanding what the load driver says: {json}"))
}

/// What was measured of our server.
#[derive(Debug)]
struct Ours {
    measured: Measured,
    /// From the start of the process on the scenario's data to its first answer.
    start_seconds: Option<f64>,
}

#[expect(clippy::disallowed_methods, reason = "how long a start takes is what is measured")]
fn domicile(programs: &Path, folder: &Path, scenario: &Scenario, quick: bool) -> Result<Ours> {
    let (program, data) = (programs.join("domicile"), folder.join("data"));
    fs::create_dir_all(&data).with_context(|| format!("making {}", data.display()))?;
    let server = Server::start(&program, folder, &data)?;
    let measured = measure(programs, &server.url(), server.pid(), &data, scenario, scenario.domicile, quick)?;
    server.stop()?;
    let mut start_seconds = None;
    if scenario.restart {
        let begun = Instant::now();
        let server = Server::start(&program, folder, &data)?;
        start_seconds = Some(begun.elapsed().as_secs_f64());
        server.stop()?;
    }
    // What a scenario leaves behind may be a gigabyte.
    fs::remove_dir_all(&data).with_context(|| format!("removing {}", data.display()))?;
    Ok(Ours { measured, start_seconds })
}

fn synapse(
    environment: &Path,
    programs: &Path,
    folder: &Path,
    (scenario, numbers): (&Scenario, &[(&str, u32)]),
    quick: bool,
) -> Result<Measured> {
    let server = Synapse::start(environment, folder)?;
    measure(programs, &server.url(), server.pid(), folder, scenario, numbers, quick)
}
