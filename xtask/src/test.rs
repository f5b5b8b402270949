//! `cargo xtask test`: installs what the tests need, then runs every test of the workspace on both database engines.

use anyhow::Result;
use clap::ValueEnum;

use crate::postgres_server::Server;
use crate::{command, provision};

/// Where tests find a server on which they may make databases (`domicile_testkit::postgres::ADDRESS_VARIABLE`).
const ADDRESS_VARIABLE: &str = "DOMICILE_TEST_POSTGRES";
/// Which engine the test kit's servers store in, where a test does not choose itself.
const ENGINE_VARIABLE: &str = "DOMICILE_TEST_ENGINE";

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this engine; both by default
    #[arg(long)]
    engine: Option<Engine>,
    /// Only this package; all by default
    #[arg(short, long)]
    package: Option<String>,
    /// Passed to `cargo test`: a part of the tests' names, options after a second `--`
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
}

/// Runs the tests; an error if any fails.
pub(crate) fn run(args: &Args) -> Result<()> {
    provision::space()?;
    provision::postgres()?;
    provision::ip()?;
    let server = Server::start()?;
    println!("A private PostgreSQL for the tests: {}", server.address());
    let mut failed = Vec::new();
    for (engine, name) in [(Engine::Sqlite, "sqlite"), (Engine::Postgres, "postgres")] {
        if args.engine.is_some_and(|only| only != engine) {
            continue;
        }
        println!("\n== Tests on {name}");
        let mut cargo = command::cargo();
        cargo.args(["test", "--locked", "--no-fail-fast"]);
        match &args.package {
            Some(package) => cargo.args(["--package", package]),
            None => cargo.arg("--workspace"),
        };
        cargo.args(&args.rest).env(ADDRESS_VARIABLE, server.address()).env(ENGINE_VARIABLE, name);
        if let Err(error) = command::run(&mut cargo) {
            let error = error.context(format!("the tests on {name}"));
            failed.push(match provision::full_disk() {
                Some(why) => error.context(why),
                None => error,
            });
        }
    }
    match failed.into_iter().next() {
        None => Ok(()),
        Some(first) => Err(first),
    }
}
