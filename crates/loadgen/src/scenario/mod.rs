//! Scenarios: what is measured.

mod federation;
pub(crate) mod latency;
mod parked;
mod send;
mod started;
mod sync;

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;
use serde::Serialize;

use crate::usage;
pub(crate) use federation::{Federating, remote_join::hold};

/// How long a server's folder must keep its size before it is measured: by then the server has done what it does at leisure.
const SETTLE: u32 = 4;
/// The same after messages in rooms that are not encrypted: a server may index their words later, which is a part of their cost.
const SETTLE_PLAIN: u32 = 25;
/// Seconds that are waited for that at most.
const PATIENCE: u32 = 90;

/// What to measure, and on which server.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// The server
    #[arg(long)]
    pub(crate) url: String,
    /// Its process, for CPU time and memory
    #[arg(long)]
    pub(crate) pid: u32,
    /// Its folder, for bytes on disk
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// What to measure
    #[arg(long)]
    pub(crate) scenario: Scenario,
    /// A prefix of account names, other for each run on the same server
    #[arg(long, default_value = "load")]
    pub(crate) tag: String,
    /// Rooms
    #[arg(long, default_value_t = 20)]
    pub(crate) rooms: usize,
    /// Members of each room
    #[arg(long, default_value_t = 5)]
    pub(crate) members: usize,
    /// Senders at once
    #[arg(long, default_value_t = 32)]
    pub(crate) senders: usize,
    /// Messages
    #[arg(long, default_value_t = 2_000)]
    pub(crate) messages: usize,
    /// Rooms that are not encrypted
    #[arg(long)]
    pub(crate) plain: bool,
    /// Messages that the rooms hold before the measured ones
    #[arg(long, default_value_t = 0)]
    pub(crate) history: usize,
    /// Messages a second, in an open loop
    #[arg(long, default_value_t = 200)]
    pub(crate) rate: u64,
    #[command(flatten)]
    pub(crate) federating: Federating,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// A server that has just started
    Started,
    /// Messages as fast as they are answered
    Send,
    /// From sending to receiving, at a fixed rate
    Latency,
    /// The first sync of an account with many rooms
    InitialSync,
    /// Syncs of an account in which nothing happens
    IdleSync,
    /// Syncs of an account with news from ten rooms each time
    BusySync,
    /// Long polls that wait
    Parked,
    /// Joining rooms
    Join,
    /// Joining a large room that another server holds
    RemoteJoin,
    /// The same where the other server tells everything at once
    DirectJoin,
    /// Taking in another server's events
    Ingest,
    /// One message to very many servers
    FanOut,
    /// Two branches of a room that contradict each other
    Branches,
}

/// What was measured.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Measured {
    /// How many operations.
    pub(crate) operations: usize,
    /// How many of them failed.
    pub(crate) errors: usize,
    /// Seconds they took together.
    pub(crate) seconds: f64,
    /// Operations a second.
    pub(crate) per_second: f64,
    /// Median of one operation in milliseconds.
    pub(crate) p50_ms: f64,
    /// 99th percentile in milliseconds.
    pub(crate) p99_ms: f64,
    /// Server CPU for one operation in milliseconds.
    pub(crate) cpu_ms: f64,
    /// Resident memory of the server afterwards, in MiB.
    pub(crate) resident_mib: f64,
    /// Resident memory that each operation added, in KiB.
    pub(crate) resident_each_kib: f64,
    /// Bytes that each operation added on disk.
    pub(crate) disk_each: f64,
    /// The most resident memory of the server ever, in MiB.
    pub(crate) peak_mib: f64,
    /// Milliseconds until an end that the scenario names.
    pub(crate) end_ms: Option<f64>,
}

impl Measured {
    /// The same with the end that the scenario names, in milliseconds.
    pub(crate) fn ending(self, end_ms: f64) -> Self {
        Self { end_ms: Some(end_ms), ..self }
    }
}

/// Usage before the operations.
pub(crate) struct Before {
    cpu: f64,
    resident: u64,
    disk: u64,
    at: tokio::time::Instant,
}

impl Before {
    /// Now.
    pub(crate) fn now(args: &Args) -> Self {
        Self {
            cpu: usage::cpu_seconds(args.pid),
            resident: usage::resident_bytes(args.pid),
            disk: usage::folder_bytes(&args.data),
            at: tokio::time::Instant::now(),
        }
    }

    /// As if so many seconds of the server's CPU time had been spent before: on what is not measured.
    pub(crate) fn without(self, cpu_seconds: f64) -> Self {
        Self { cpu: self.cpu + cpu_seconds, ..self }
    }

    /// What happened since, given how long each operation took in milliseconds.
    pub(crate) fn measured(&self, args: &Args, mut took: Vec<f64>, errors: usize) -> Measured {
        let seconds = self.at.elapsed().as_secs_f64();
        took.sort_by(f64::total_cmp);
        let operations = took.len();
        let each = |amount: f64| amount / u32::try_from(operations.max(1)).map_or(1.0, f64::from);
        let at = |percent: usize| took.get((operations * percent / 100).min(operations.saturating_sub(1))).copied();
        let resident = usage::resident_bytes(args.pid);
        let mib = |bytes: u64| u32::try_from(bytes / 1024).map_or(0.0, f64::from) / 1024.0;
        let kib = |bytes: u64| u32::try_from(bytes / 1024).map_or(0.0, f64::from);
        // What the server does at leisure is done by then, and counts.
        settle(args);
        let cpu = usage::cpu_seconds(args.pid) - self.cpu;
        let disk = usage::folder_bytes(&args.data).saturating_sub(self.disk);
        Measured {
            operations,
            errors,
            seconds,
            per_second: 1.0 / each(seconds).max(1e-9),
            p50_ms: at(50).unwrap_or_default(),
            p99_ms: at(99).unwrap_or_default(),
            cpu_ms: each(cpu * 1_000.0),
            resident_mib: mib(resident),
            resident_each_kib: each(kib(resident.saturating_sub(self.resident))),
            disk_each: each(kib(disk) * 1_024.0),
            peak_mib: mib(usage::peak_bytes(args.pid)),
            end_ms: None,
        }
    }
}

/// Waits until the server's folder keeps its size.
fn settle(args: &Args) {
    let wanted = if args.plain { SETTLE_PLAIN } else { SETTLE };
    let (mut bytes, mut quiet) = (usage::folder_bytes(&args.data), 0);
    for _ in 0..PATIENCE {
        if quiet >= wanted {
            return;
        }
        std::thread::sleep(std::time::Duration::from_secs(1));
        let now = usage::folder_bytes(&args.data);
        quiet = if now == bytes { quiet + 1 } else { 0 };
        bytes = now;
    }
}

/// Runs a scenario and prints what it measured as one line of JSON.
pub(crate) async fn run(args: &Args) -> Result<()> {
    let measured = match args.scenario {
        Scenario::Started => started::run(args).await?,
        Scenario::Send => send::run(args).await?,
        Scenario::Join => send::join(args).await?,
        Scenario::Latency => latency::run(args).await?,
        Scenario::InitialSync => sync::initial(args).await?,
        Scenario::IdleSync => sync::idle(args).await?,
        Scenario::BusySync => sync::busy(args).await?,
        Scenario::Parked => parked::run(args).await?,
        Scenario::RemoteJoin => federation::remote_join::run(args).await?,
        Scenario::DirectJoin => federation::remote_join::direct(args).await?,
        Scenario::Ingest => federation::ingest::run(args).await?,
        Scenario::FanOut => federation::fan_out::run(args).await?,
        Scenario::Branches => federation::branches::run(args).await?,
    };
    println!("{}", serde_json::to_string(&measured)?);
    Ok(())
}
