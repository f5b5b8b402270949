//! Load driver and side-by-side benchmarks for any Matrix server, by its URL.
//!
//! It speaks the Client-Server API, plays other servers where that is measured, and knows no server by name; `cells`, `moves` and `border`
//! alone start servers of Domicile's. It shares the machine with the server it measures, so its client does no
//! more than it must: one connection a sender, requests written by hand, answers parsed only where they are needed.

#![expect(clippy::print_stdout, reason = "what it measures is what it prints")]

mod account;
mod border;
mod cells;
mod certificates;
mod client;
mod deployment;
mod figures;
mod ledger;
mod moving;
mod origin;
mod scenario;
mod simulate;
mod usage;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Send messages and write down each one that the server acknowledged, until the server is gone
    Ledger {
        /// The server
        #[arg(long)]
        url: String,
        /// The file
        #[arg(long)]
        ledger: PathBuf,
    },
    /// Check that every message of a ledger is on the server, once
    LedgerCheck {
        /// The server
        #[arg(long)]
        url: String,
        /// The file
        #[arg(long)]
        ledger: PathBuf,
        /// Look for all of it, not only for what no earlier check had found
        #[arg(long)]
        whole: bool,
    },
    /// Make an authority and a certificate for all servers of a run
    Certificates {
        /// Where they are written
        #[arg(long)]
        folder: PathBuf,
    },
    /// Make a large room and have a server join it, so that others can join through that one
    Hold {
        /// The server
        #[arg(long)]
        url: String,
        /// Its name
        #[arg(long)]
        name: String,
        /// The folder of certificates
        #[arg(long)]
        certificates: PathBuf,
        /// The port of the server that makes the room; any that is free if none is given
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Members, the one on the server among them
        #[arg(long)]
        members: usize,
        /// Other state events
        #[arg(long)]
        state: usize,
    },
    /// What deployments of very many people would have to do, from a model
    Simulate(simulate::Args),
    /// Start deployments of 1, 2, 4 and 8 cells of Domicile, and measure the CPU time of a message
    Cells(cells::Args),
    /// Start two cells of Domicile, move people from one to the other, and measure how fast that is and how long each of them waits
    Moves(moving::Args),
    /// Start two cells of Domicile, and measure how long a message takes to the other cell beside within one, and what it costs
    Border(border::Args),
    /// Run one scenario and print what it measured as JSON
    Run(scenario::Args),
}

#[tokio::main]
async fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Ledger { url, ledger } => ledger::load(&url, &ledger).await,
        Command::LedgerCheck { url, ledger, whole } => ledger::check(&url, &ledger, whole).await,
        Command::Certificates { folder } => certificates::write(&folder),
        Command::Hold { url, name, certificates, port, members, state } => {
            scenario::hold(&url, &name, &certificates, port, (members, state)).await
        }
        Command::Simulate(args) => simulate::run(&args),
        Command::Cells(args) => cells::run(&args).await,
        Command::Moves(args) => moving::run(&args).await,
        Command::Border(args) => border::run(&args).await,
        Command::Run(args) => scenario::run(&args).await,
    }
}
