//! `cargo xtask crash`: kills the server and cuts its power under load, and checks that it kept its word.
//!
//! `loadgen ledger` sends messages and writes down each one that the server acknowledged. Then the server is killed with
//! SIGKILL at some moment, or the disk under it forgets what was not synced. After the next start `loadgen ledger-check`
//! reads the rooms: every message in the ledger is there, and none twice. It reads what is new since the check before, and each twentieth time and
//! at the end all of it.
//!
//! With `--federation`, two servers share a room, and one of them is killed amid the traffic of both
//! (`crates/testkit/src/plays/federation/kills.rs`). With `--moves`, people move between two cells of one deployment, of which either is killed
//! (`crates/testkit/src/plays/cells/moving/mod.rs`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::bench::synapse;
use crate::command;
use crate::e2e;
use crate::random::{self, Random};
use crate::server::{Profile, Server};

mod disk;

use disk::Disk;

/// Each check whose number this divides reads the rooms to their beginning.
const WHOLE_EVERY: u64 = 20;

/// What to try.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many times the server is killed: 200 by default, and 50 with `--federation` or `--moves`
    #[arg(long)]
    rounds: Option<u64>,
    /// How many times the power is cut; this takes root and /dev/fuse
    #[arg(long, default_value_t = 100, conflicts_with_all = ["federation", "moves"])]
    power_cuts: u64,
    /// Kill two servers in turn amid the traffic between them
    #[arg(long)]
    federation: bool,
    /// With `--federation`: the two servers, each `domicile` or `synapse`
    #[arg(long, requires = "federation", default_value = "domicile,domicile")]
    pair: String,
    /// Kill two cells of one deployment while people move between them
    #[arg(long, conflicts_with = "federation")]
    moves: bool,
    /// With `--moves`: how many people move
    #[arg(long, requires = "moves", default_value_t = 20)]
    people: u64,
    /// With `--moves`: how many people more move, with clients of matrix-sdk in an encrypted room
    #[arg(long, requires = "moves", default_value_t = 4)]
    encrypted: u64,
    /// With `--moves`: the built driver of matrix-sdk; built now if not given
    #[arg(long, requires = "moves")]
    matrix_sdk_driver: Option<PathBuf>,
    /// A folder with what is built already: `domicile`, and `cells` for `--moves`, else `domicile-loadgen` and `power-cut-disk`
    #[arg(long, conflicts_with = "federation")]
    programs: Option<PathBuf>,
    /// The moments and the torn pages are chosen by this number; a new one each time by default
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    profile: Profile,
}

/// The programs of a run.
struct Programs {
    server: PathBuf,
    loadgen: PathBuf,
    disk: PathBuf,
}

/// Kills and cuts as often as asked; an error at the first broken promise, whose folder is left to be looked at.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.federation {
        return federation(args);
    }
    if args.moves {
        return moves(args);
    }
    let rounds = args.rounds.unwrap_or(200);
    let built = match &args.programs {
        Some(programs) => programs.clone(),
        None => args.profile.build(&[
            ("domicile-server", "domicile"),
            ("domicile-loadgen", "domicile-loadgen"),
            ("domicile-testkit", "power-cut-disk"),
        ])?,
    };
    let folder = std::env::temp_dir().join(format!("domicile-crash-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
    // Copies: somebody may build anew while a long run goes on.
    let copy = |name: &str| -> Result<PathBuf> {
        fs::copy(built.join(name), folder.join(name)).with_context(|| format!("copying {name}"))?;
        Ok(folder.join(name))
    };
    let programs =
        Programs { server: copy("domicile")?, loadgen: copy("domicile-loadgen")?, disk: copy("power-cut-disk")? };
    let seed = args.seed.map_or_else(random::seed, Ok)?;
    println!("crash: seed {seed}, in {}", folder.display());
    let mut random = Random::new(seed);
    kills(rounds, &programs, &folder, &mut random)
        .and_then(|()| power_cuts(args.power_cuts, &programs, &folder, &mut random))
        .with_context(|| format!("seed {seed}; everything is left in {}", folder.display()))?;
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    println!("crash: {} kills and {} power cuts, every acknowledged message kept, none twice", rounds, args.power_cuts);
    Ok(())
}

/// Two servers with traffic between them, each of which is killed in turn.
fn federation(args: &Args) -> Result<()> {
    let seed = args.seed.map_or_else(random::seed, Ok)?;
    let built = args.profile.build(&[("domicile-server", "domicile"), ("domicile-testkit", "federation-plays")])?;
    let folder = std::env::temp_dir().join(format!("domicile-crash-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
    // A copy: somebody may build anew while a long run goes on.
    fs::copy(built.join("domicile"), folder.join("domicile")).context("copying domicile")?;
    let mut plays = Command::new(built.join("federation-plays"));
    plays.arg("--server-binary").arg(folder.join("domicile")).args(["--pair", &args.pair]);
    if args.pair.contains("synapse") {
        plays.arg("--synapse-python").arg(synapse::environment()?.join("bin/python"));
    }
    plays.args(["--kills", &args.rounds.unwrap_or(50).to_string(), "--seed", &seed.to_string()]);
    plays.arg("--keep").arg(&folder);
    command::run(&mut plays).with_context(|| format!("seed {seed}; everything is left in {}", folder.display()))?;
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))
}

/// Two cells between which people move, and of which either is killed.
fn moves(args: &Args) -> Result<()> {
    let seed = args.seed.map_or_else(random::seed, Ok)?;
    let driver = e2e::matrix_sdk_driver(args.matrix_sdk_driver.as_deref())?;
    let built = match &args.programs {
        Some(programs) => programs.clone(),
        None => args.profile.build(&[("domicile-server", "domicile"), ("domicile-testkit", "cells")])?,
    };
    let folder = std::env::temp_dir().join(format!("domicile-crash-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("making the folder {}", folder.display()))?;
    // A copy: somebody may build anew while a long run goes on.
    fs::copy(built.join("domicile"), folder.join("domicile")).context("copying domicile")?;
    let mut cells = Command::new(built.join("cells"));
    cells.arg("moves").arg("--server-binary").arg(folder.join("domicile"));
    cells.arg("--matrix-sdk-driver").arg(driver);
    let numbers = [
        ("--rounds", args.rounds.unwrap_or(50)),
        ("--people", args.people),
        ("--encrypted", args.encrypted),
        ("--seed", seed),
    ];
    for (name, number) in numbers {
        cells.args([name, &number.to_string()]);
    }
    cells.arg("--keep").arg(&folder);
    command::run(&mut cells).with_context(|| format!("seed {seed}; everything is left in {}", folder.display()))?;
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))
}

/// SIGKILL at some moment under load, on an ordinary folder.
fn kills(rounds: u64, programs: &Programs, folder: &Path, random: &mut Random) -> Result<()> {
    let place = Place::make(folder, "killed")?;
    for round in 1..=rounds {
        let mut server = place.start(programs)?;
        place.check(programs, &server, round % WHOLE_EVERY == 0)?;
        let load = place.load(programs, &server)?;
        sleep(Duration::from_millis(random.between(50, 1500)));
        server.kill()?;
        println!("crash: kill {round} of {rounds}, {} acknowledged", place.end_load(load)?);
    }
    place.finish(rounds, programs)
}

/// A power cut at some moment under load: every second one loses all that was not synced, the others tear it.
fn power_cuts(rounds: u64, programs: &Programs, folder: &Path, random: &mut Random) -> Result<()> {
    let place = Place::make(folder, "cut")?;
    let backing = folder.join("backing");
    for round in 1..=rounds {
        let mut disk = Disk::mount(&programs.disk, &backing, &place.data)?;
        let mut server = place.start(programs)?;
        place.check(programs, &server, round % WHOLE_EVERY == 0)?;
        let load = place.load(programs, &server)?;
        sleep(Duration::from_millis(random.between(50, 1500)));
        let torn = (round % 2 == 0).then(|| random.between(1, u64::from(u32::MAX)));
        disk.cut(torn)?;
        // A moment in which the server could acknowledge what its disk refused.
        sleep(Duration::from_millis(50));
        server.kill_anyway()?;
        let acknowledged = place.end_load(load)?;
        disk.unmount()?;
        let how = if torn.is_some() { "torn" } else { "lost" };
        println!("crash: power cut {round} of {rounds} ({how}), {acknowledged} acknowledged");
    }
    let disk = Disk::mount(&programs.disk, &backing, &place.data)?;
    place.finish(rounds, programs)?;
    disk.unmount()
}

/// One data folder and its ledger.
struct Place {
    folder: PathBuf,
    data: PathBuf,
    ledger: PathBuf,
}

impl Place {
    fn make(folder: &Path, name: &str) -> Result<Self> {
        let folder = folder.join(name);
        let data = folder.join("data");
        fs::create_dir_all(&data).with_context(|| format!("making the folder {}", data.display()))?;
        Ok(Self { ledger: folder.join("ledger"), folder, data })
    }

    fn start(&self, programs: &Programs) -> Result<Server> {
        Server::start(&programs.server, &self.folder, &self.data)
    }

    /// Sends and writes down until the server is gone.
    fn load(&self, programs: &Programs, server: &Server) -> Result<Child> {
        let mut command = Command::new(&programs.loadgen);
        command.arg("ledger").args(["--url", &server.url()]).arg("--ledger").arg(&self.ledger);
        command.spawn().context("starting the load")
    }

    /// Ends the load and counts what it wrote down.
    fn end_load(&self, mut load: Child) -> Result<usize> {
        load.kill().context("ending the load")?;
        load.wait().context("waiting for the end of the load")?;
        let ledger = fs::read_to_string(&self.ledger).with_context(|| format!("reading {}", self.ledger.display()))?;
        Ok(ledger.lines().count())
    }

    /// Every message of the ledger is on the server, once: all of them if `whole`, else those since the check before.
    fn check(&self, programs: &Programs, server: &Server, whole: bool) -> Result<()> {
        if !self.ledger.exists() {
            return Ok(());
        }
        let mut command = Command::new(&programs.loadgen);
        command.arg("ledger-check").args(["--url", &server.url()]).arg("--ledger").arg(&self.ledger);
        if whole {
            command.arg("--whole");
        }
        print!("{}", command::read(&mut command)?);
        Ok(())
    }

    /// The last check, and an orderly end.
    fn finish(&self, rounds: u64, programs: &Programs) -> Result<()> {
        if rounds == 0 {
            return Ok(());
        }
        let server = self.start(programs)?;
        self.check(programs, &server, true)?;
        let status = server.stop()?;
        if !status.success() {
            bail!("the server answered SIGTERM with {status} instead of an orderly end");
        }
        let acknowledged = fs::read_to_string(&self.ledger).unwrap_or_default().lines().count();
        if acknowledged == 0 {
            bail!("no message was acknowledged in {rounds} rounds, so nothing was tried");
        }
        Ok(())
    }
}
