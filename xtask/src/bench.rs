//! `cargo xtask bench`: Domicile beside Synapse, turn by turn in one run, and the table that comes of it in docs/benchmarks.md.
//!
//! Synapse comes from `PyPI` into a virtual environment under `target/`, with SQLite and without rate limits. Each scenario has a fresh server
//! of each kind, so that none inherits what another left behind.

mod holder;
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
use crate::server::{Profile, Reached, Server};
use holder::Holder;
use scenarios::{Others, SCENARIOS, Scenario};
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
    /// Without the scenarios whose name has this in it
    #[arg(long)]
    without: Option<String>,
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
    peak_mib: f64,
    end_ms: Option<f64>,
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
    let certificates = folder.join("certificates");
    command::read(
        Command::new(programs.join("domicile-loadgen")).arg("certificates").arg("--folder").arg(&certificates),
    )?;
    let bench = Bench { programs, environment, certificates, quick: args.quick };
    let (mut rows, mut notes) = (String::new(), Vec::new());
    for (index, scenario) in SCENARIOS.iter().enumerate() {
        let has = |part: &Option<String>| part.as_ref().map(|part| scenario.name.contains(part.as_str()));
        if has(&args.only) == Some(false) || has(&args.without) == Some(true) {
            continue;
        }
        println!("bench: {}", scenario.name);
        let holder = match scenario.others {
            Others::Holder => Some(Holder::make(&bench, &folder.join(format!("holder{index}")), scenario)?),
            Others::Nobody | Others::Played => None,
        };
        let ours = bench.domicile(&folder.join(format!("domicile{index}")), scenario, holder.as_ref())?;
        println!("  domicile: {ours:?}");
        let theirs = match scenario.synapse {
            Some(numbers) => {
                let folder = folder.join(format!("synapse{index}"));
                Some(bench.synapse(&folder, scenario, numbers, holder.as_ref())?)
            }
            None => None,
        };
        println!("  synapse:  {theirs:?}");
        table::row(&mut rows, scenario, &ours.measured, theirs.as_ref());
        notes.extend(table::end(scenario, &ours.measured, theirs.as_ref()));
        if let Some(seconds) = ours.start_seconds {
            notes.push(format!("- {}, started again: first answer after {:.0} ms", scenario.name, seconds * 1_000.0));
        }
    }
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    let notes = if notes.is_empty() { String::new() } else { format!("{}\n\n", notes.join("\n")) };
    let table = format!("{}{rows}\n{notes}", table::HEAD);
    println!("\n{table}");
    if !args.print {
        let text = format!("# Benchmarks\n\n{}\n\n{table}{}", table::about(args)?, table::NOTES);
        fs::write(command::root().join(TABLE), text).with_context(|| format!("writing {TABLE}"))?;
    }
    Ok(())
}

/// What all scenarios use.
struct Bench {
    /// Where `domicile` and `domicile-loadgen` are.
    programs: PathBuf,
    /// Synapse's virtual environment.
    environment: PathBuf,
    certificates: PathBuf,
    quick: bool,
}

/// A server under test.
struct Tested<'a> {
    url: String,
    pid: u32,
    data: &'a Path,
    reached: Option<&'a Reached>,
    holder: Option<&'a Holder>,
}

/// What was measured of our server.
#[derive(Debug)]
struct Ours {
    measured: Measured,
    /// From the start of the process on the scenario's data to its first answer.
    start_seconds: Option<f64>,
}

impl Bench {
    fn measure(&self, tested: &Tested<'_>, scenario: &Scenario, numbers: &[(&str, u32)]) -> Result<Measured> {
        let mut load = Command::new(self.programs.join("domicile-loadgen"));
        load.args(["run", "--url", &tested.url, "--pid", &tested.pid.to_string(), "--scenario", scenario.kind]);
        load.arg("--data").arg(tested.data);
        if let Some(reached) = tested.reached {
            load.args(["--name", &reached.address.to_string()]).arg("--certificates").arg(&self.certificates);
        }
        let _holding = match tested.holder {
            Some(holder) => {
                load.args(holder.arguments());
                Some(holder.start(self)?)
            }
            None => None,
        };
        for (name, number) in numbers {
            if *name == "plain" {
                load.arg("--plain");
                continue;
            }
            load.arg(format!("--{name}")).arg(self.number(scenario, name, *number).to_string());
        }
        let json = command::read(&mut load)?;
        serde_json::from_str(&json).with_context(|| format!("understanding what the load driver says: {json}"))
    }

    /// A scenario's number, which is smaller for a quick look.
    fn number(&self, scenario: &Scenario, name: &str, number: u32) -> u32 {
        let smaller: &[&str] = match scenario.others {
            Others::Nobody => &["messages", "history"],
            Others::Played | Others::Holder => &["messages", "state", "members"],
        };
        // A handful is as small as it gets.
        let number = if self.quick && number > 10 && smaller.contains(&name) { number / 10 } else { number };
        number.max(1)
    }

    /// Where others reach the server under test, if there are others.
    fn reached(&self, scenario: &Scenario) -> Result<Option<Reached>> {
        match scenario.others {
            Others::Nobody => Ok(None),
            Others::Played | Others::Holder => Ok(Some(Reached::anywhere(&self.certificates)?)),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "how long a start takes is what is measured")]
    fn domicile(&self, folder: &Path, scenario: &Scenario, holder: Option<&Holder>) -> Result<Ours> {
        let (program, data) = (self.programs.join("domicile"), folder.join("data"));
        fs::create_dir_all(&data).with_context(|| format!("making {}", data.display()))?;
        let reached = self.reached(scenario)?;
        let server = Server::start_reached(&program, folder, &data, reached.as_ref())?;
        let tested = Tested { url: server.url(), pid: server.pid(), data: &data, reached: reached.as_ref(), holder };
        let measured = self.measure(&tested, scenario, scenario.domicile)?;
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
        &self,
        folder: &Path,
        scenario: &Scenario,
        numbers: &[(&str, u32)],
        holder: Option<&Holder>,
    ) -> Result<Measured> {
        let reached = self.reached(scenario)?;
        let server = Synapse::start(&self.environment, folder, reached.as_ref())?;
        let tested = Tested { url: server.url(), pid: server.pid(), data: folder, reached: reached.as_ref(), holder };
        self.measure(&tested, scenario, numbers)
    }
}
