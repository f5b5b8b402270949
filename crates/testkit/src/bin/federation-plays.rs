//! `federation-plays --pair domicile,synapse`: people on two servers share rooms. `cargo xtask e2e --federation` is its user.
#![expect(clippy::print_stdout, reason = "a tool for people talks on standard output")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use domicile_testkit::driver::Program;
use domicile_testkit::plays::federation::{self, Kind, Plan, Programs};

/// Play with matrix-sdk on two servers.
#[derive(Debug, Parser)]
struct Arguments {
    /// The binary of Domicile
    #[arg(long)]
    server_binary: PathBuf,
    /// The Python of the environment that Synapse is in
    #[arg(long)]
    synapse_python: PathBuf,
    /// The driver of matrix-sdk
    #[arg(long)]
    matrix_sdk_driver: PathBuf,
    /// The two servers
    #[arg(long, value_delimiter = ',', default_value = "domicile,synapse")]
    pair: Vec<String>,
    /// The rooms' versions
    #[arg(long, value_delimiter = ',', default_value = "10,11,12")]
    versions: Vec<String>,
    /// Only these parts: `talk`, `signs`, `doors`, `upgrade`, `split`, `outage`
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
    let [first, second] = kinds[..] else { bail!("a pair is two servers, not {}", kinds.len()) };
    let plan = Plan {
        pair: [first, second],
        versions: arguments.versions.clone(),
        only: arguments.only.clone(),
        delay: Duration::from_millis(arguments.delay),
    };
    let programs = Programs { domicile: arguments.server_binary.clone(), synapse: arguments.synapse_python.clone() };
    let driver = Program { program: arguments.matrix_sdk_driver.clone(), script: None };
    let report = federation::play(&plan, &programs, &driver, &folder)?;
    let (good, all) = report.count();
    println!("{first} and {second}: {good} of {all} steps good, in {:.1} s", report.took().as_secs_f64());
    let failures = report.failures();
    ensure!(failures.is_empty(), "{} steps failed:\n{}", failures.len(), failures.join("\n"));
    Ok(())
}

fn kind(name: &str) -> Result<Kind> {
    match name {
        "domicile" => Ok(Kind::Domicile),
        "synapse" => Ok(Kind::Synapse),
        _ => bail!("servers are `domicile` and `synapse`, not `{name}`"),
    }
}
