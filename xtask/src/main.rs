//! `cargo xtask <chore>`: what people and CI do to the repository. `cargo xtask help` lists the chores.
#![expect(clippy::print_stdout, reason = "a command-line tool talks on standard output")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod censor;
mod command;
mod crash;
mod demo;
mod docs;
mod e2e;
mod endpoints;
mod fuzz;
mod golden;
/// The same file as in the test kit: depending on the kit would compile the whole server before the first check.
#[path = "../../crates/testkit/src/postgres/server.rs"]
#[expect(unreachable_pub, reason = "the file is public where it lives")]
mod postgres_server;
mod provision;
mod random;
mod registers;
mod screenshots;
mod server;
mod story;
mod test;
mod tidy;

/// The project's chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

/// One chore; each has a file of its name.
#[derive(Debug, Subcommand)]
enum Chore {
    /// Install what the tests need and run all of them, on SQLite and on PostgreSQL
    Test(test::Args),
    /// Check the rules that the compiler does not know: layers, file lengths, heads of files, licences
    Tidy(tidy::Args),
    /// Show what Domicile is for, in three minutes: two cells, encrypted clients, a closed border, a move, a theft
    Demo(demo::Args),
    /// Kill the server and cut its power under load, and check that every acknowledged message is there, once
    Crash(crash::Args),
    /// Play the censor to `domicile probe`, in network namespaces; this takes root and /dev/net/tun
    Censor(censor::Args),
    /// Measure Domicile beside Synapse and write docs/benchmarks.md
    Bench(bench::Args),
    /// Measure how fast registers of what is blocked are searched, and write the table into docs/blocklists.md
    Registers(registers::Args),
    /// Walk through the server's pages in a real Chromium, check them, and make the pictures of docs/screenshots
    Screenshots(screenshots::Args),
    /// Play the story of a service that is blocked and comes back, and write docs/story.md with pictures; this takes root and /dev/net/tun
    Story(story::Args),
    /// Play with matrix-sdk and matrix-js-sdk on the server: encrypted rooms, kills, full speed
    E2e(e2e::Args),
    /// List the fuzz targets, or run one (takes a nightly toolchain)
    Fuzz(fuzz::Args),
    /// Write the documents that are made from the code
    Docs(docs::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Test(args) => test::run(&args),
        Chore::Tidy(args) => tidy::run(&args),
        Chore::Crash(args) => crash::run(&args),
        Chore::Demo(args) => demo::run(&args),
        Chore::Censor(args) => censor::run(&args),
        Chore::Bench(args) => bench::run(&args),
        Chore::Registers(args) => registers::run(&args),
        Chore::Screenshots(args) => screenshots::run(&args),
        Chore::Story(args) => story::run(&args),
        Chore::E2e(args) => e2e::run(&args),
        Chore::Fuzz(args) => fuzz::run(&args),
        Chore::Docs(args) => docs::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without the trace that anyhow adds where RUST_BACKTRACE is set: the chain says what was attempted.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
