//! `cells demo` shows a deployment of two cells to whoever watches; `cells moves` kills cells while people move between them; `cells links` has people
//! of three cells talk across bad links; `cells farewell` tells what clients do when an old address ends. `cargo xtask demo`, `crash --moves` and
//! `e2e --cells` are users of the first three.
#![expect(clippy::print_stdout, reason = "a tool for people talks on standard output")]
#![expect(clippy::disallowed_methods, reason = "a play goes on in real time")]

use std::fs;
use std::io::{IsTerminal as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Parser, Subcommand};
use domicile_testkit::driver::Program;
use domicile_testkit::plays::cells::demo::{self, Screen};
use domicile_testkit::plays::cells::farewell::{self, Client, Row};
use domicile_testkit::plays::cells::links::{self, Links};
use domicile_testkit::plays::cells::moving::{self, Moving};

/// Several cells of one deployment, as processes.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    play: Play,
}

#[derive(Debug, Subcommand)]
enum Play {
    /// Two cells, three people with encrypted clients, a closed border, a move, a theft
    Demo {
        /// The driver of matrix-sdk
        #[arg(long)]
        matrix_sdk_driver: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Three cells on hosts of their own, and encrypted clients, while the links between the hosts are slow, lossy and cut. Takes root
    Links {
        /// The driver of matrix-sdk
        #[arg(long)]
        matrix_sdk_driver: PathBuf,
        /// How long the links are bad
        #[arg(long)]
        minutes: f32,
        /// Decides what the links are like, and which packets are lost
        #[arg(long)]
        seed: u64,
        #[command(flatten)]
        common: Common,
    },
    /// What clients do when the old address of somebody who moved ends
    Farewell {
        /// The driver of matrix-sdk
        #[arg(long)]
        matrix_sdk_driver: PathBuf,
        /// The script of the driver of matrix-js-sdk, which runs in `node`
        #[arg(long)]
        matrix_js_sdk_driver: Option<PathBuf>,
        #[command(flatten)]
        common: Common,
    },
    /// People move between two cells that are killed
    Moves {
        /// How often a cell is killed
        #[arg(long)]
        rounds: u32,
        /// How many people move
        #[arg(long)]
        people: usize,
        /// How many people more move, with clients of matrix-sdk
        #[arg(long)]
        encrypted: usize,
        /// The driver of matrix-sdk
        #[arg(long)]
        matrix_sdk_driver: PathBuf,
        /// Chooses the cells and the moments
        #[arg(long)]
        seed: u64,
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Args)]
struct Common {
    /// The binary of Domicile
    #[arg(long)]
    server_binary: PathBuf,
    /// Keep data, logs and the clients' stores here, instead of in a folder that is removed
    #[arg(long)]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().play {
        Play::Demo { matrix_sdk_driver, common } => show(&matrix_sdk_driver, &common),
        Play::Links { matrix_sdk_driver, minutes, seed, common } => talk(&matrix_sdk_driver, (minutes, seed), &common),
        Play::Farewell { matrix_sdk_driver, matrix_js_sdk_driver, common } => {
            farewell(matrix_sdk_driver, matrix_js_sdk_driver, &common)
        }
        Play::Moves { rounds, people, encrypted, matrix_sdk_driver, seed, common } => {
            moves(&Moving { people, encrypted, rounds, seed }, &matrix_sdk_driver, &common)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does something in the folder that is kept, or in one that is not.
fn inside<T>(common: &Common, act: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let temporary = tempfile::tempdir().context("making a folder for the play")?;
    let folder = common.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    act(&folder.canonicalize().context("finding the folder for the play")?)
}

fn show(driver: &Path, common: &Common) -> Result<()> {
    let driver = Program { program: driver.to_owned(), script: None };
    let (mut out, is_coloured) = (stdout(), stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none());
    let mut screen = Screen::new(&mut out, is_coloured);
    inside(common, |folder| demo::play(&common.server_binary, &driver, folder, &mut screen))?;
    let (claims, broken, seconds) = (screen.claims(), screen.broken().to_vec(), screen.seconds());
    ensure!(broken.is_empty(), "{} of {claims} claims do not hold:\n{}", broken.len(), broken.join("\n"));
    println!("\n   {claims} claims, and all of them hold, in {seconds} s.");
    Ok(())
}

fn talk(driver: &Path, (minutes, seed): (f32, u64), common: &Common) -> Result<()> {
    let time = Duration::try_from_secs_f32(minutes * 60.0).context("how long links are bad")?;
    let driver = Program { program: driver.to_owned(), script: None };
    println!("links: seed {seed}, {minutes} minutes");
    let began = Instant::now();
    let outcome = inside(common, |folder| {
        let mut tell = |line: &str| println!("{:>5.0} s  {line}", began.elapsed().as_secs_f64());
        links::play(&Links { seed, time }, &common.server_binary, &driver, folder, &mut tell)
    })?;
    println!(
        "links: {} messages, {} joins and {} further devices amid {} lost packets; {} clients that were there all the time have everything once and decrypted, in {:.1} s",
        outcome.messages,
        outcome.joins,
        outcome.devices,
        outcome.lost,
        outcome.readers,
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

fn farewell(matrix_sdk: PathBuf, matrix_js_sdk: Option<PathBuf>, common: &Common) -> Result<()> {
    let rust = Program { program: matrix_sdk, script: None };
    let js = matrix_js_sdk.map(|script| Program { program: "node".into(), script: Some(script) });
    let client = |title, program, sliding, outlives| Client { title, program, sliding, outlives };
    let mut clients = vec![
        client("matrix-sdk by /v3/sync", &rust, false, true),
        client("matrix-sdk by sliding sync", &rust, true, true),
    ];
    clients.extend(js.as_ref().map(|js| client("matrix-js-sdk by /v3/sync", js, false, false)));
    let rows = inside(common, |folder| farewell::play(&common.server_binary, &clients, &rust, folder))?;
    for Row { title, sends, receives, goes_on } in rows {
        println!("{title}:\n  sends: {sends}\n  receives: {receives}\n  at the new address: {goes_on}");
    }
    Ok(())
}

fn moves(moving: &Moving, driver: &Path, common: &Common) -> Result<()> {
    let Moving { people, encrypted, rounds, seed } = moving;
    println!("moves: seed {seed}, {people} people and {encrypted} with encrypted clients, {rounds} kills");
    let driver = Program { program: driver.to_owned(), script: None };
    let began = Instant::now();
    let outcome = inside(common, |folder| {
        moving::play(moving, &common.server_binary, &driver, folder, &mut |line| println!("{line}"))
    })?;
    println!(
        "moves: {} moves in {} waves amid {rounds} kills; {} messages, {} letters and {} encrypted messages, none lost, none twice, none undecrypted, in {:.1} s",
        outcome.moves,
        outcome.waves,
        outcome.messages,
        outcome.letters,
        outcome.encrypted,
        began.elapsed().as_secs_f64()
    );
    Ok(())
}
