//! `cargo xtask bench`: Domicile beside Synapse, turn by turn in one run, and the table that comes of it in docs/benchmarks.md.
//!
//! Synapse comes from `PyPI` into a virtual environment under `target/`, with SQLite and without rate limits. Each scenario has a fresh server
//! of each kind, so that none inherits what another left behind.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::command;
use crate::server::{Profile, Server};

/// The version of Synapse that is measured.
const SYNAPSE: &str = "matrix-synapse==1.163.*";
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

/// A scenario: its name, the load driver's arguments for each server, and the smaller numbers with which Synapse is asked.
struct Scenario {
    name: &'static str,
    kind: &'static str,
    domicile: &'static [(&'static str, u32)],
    synapse: &'static [(&'static str, u32)],
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "send, 1 sender, 1 room of 5",
        kind: "send",
        domicile: &[("rooms", 1), ("members", 5), ("senders", 1), ("messages", 5_000)],
        synapse: &[("rooms", 1), ("members", 5), ("senders", 1), ("messages", 400)],
    },
    Scenario {
        name: "send, 32 senders, 20 rooms of 5",
        kind: "send",
        domicile: &[("rooms", 20), ("members", 5), ("senders", 32), ("messages", 40_000)],
        synapse: &[("rooms", 20), ("members", 5), ("senders", 32), ("messages", 800)],
    },
    Scenario {
        name: "send, 1 sender, 1 room of 300",
        kind: "send",
        domicile: &[("rooms", 1), ("members", 300), ("senders", 1), ("messages", 5_000)],
        synapse: &[("rooms", 1), ("members", 300), ("senders", 1), ("messages", 200)],
    },
    Scenario {
        name: "send to receive, 200/s to 4 receivers",
        kind: "latency",
        domicile: &[("members", 5), ("rate", 200), ("messages", 4_000)],
        synapse: &[("members", 5), ("rate", 20), ("messages", 300)],
    },
    Scenario {
        name: "send to receive, 5/s to 299 receivers",
        kind: "latency",
        domicile: &[("members", 300), ("rate", 5), ("messages", 100)],
        synapse: &[("members", 300), ("rate", 1), ("messages", 15)],
    },
    Scenario {
        name: "first sync of 500 rooms",
        kind: "initial-sync",
        domicile: &[("rooms", 500)],
        synapse: &[("rooms", 500)],
    },
    Scenario {
        name: "idle sync in 100 rooms",
        kind: "idle-sync",
        domicile: &[("rooms", 100), ("messages", 5_000)],
        synapse: &[("rooms", 100), ("messages", 500)],
    },
    Scenario {
        name: "join, 20 rooms, 20 accounts",
        kind: "join",
        domicile: &[("rooms", 20), ("members", 20)],
        synapse: &[("rooms", 20), ("members", 20)],
    },
    Scenario {
        name: "parked long polls",
        kind: "parked",
        domicile: &[("members", 2_000)],
        synapse: &[("members", 300)],
    },
];

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
        None => environment()?,
    };
    let folder = std::env::temp_dir().join(format!("domicile-bench-{}", std::process::id()));
    let mut rows = String::new();
    for (index, scenario) in SCENARIOS.iter().enumerate() {
        if args.only.as_ref().is_some_and(|only| !scenario.name.contains(only.as_str())) {
            continue;
        }
        println!("bench: {}", scenario.name);
        let ours = domicile(&programs, &folder.join(format!("domicile{index}")), scenario, args.quick)?;
        println!("  domicile: {ours:?}");
        let theirs = synapse(&environment, &programs, &folder.join(format!("synapse{index}")), scenario, args.quick)?;
        println!("  synapse:  {theirs:?}");
        row(&mut rows, scenario, &ours, &theirs);
    }
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    let table = format!("{HEAD}{rows}");
    println!("\n{table}");
    if !args.print {
        let text = format!("# Benchmarks\n\n{}\n\n{table}\n{NOTES}", about(args)?);
        fs::write(command::root().join(TABLE), text).with_context(|| format!("writing {TABLE}"))?;
    }
    Ok(())
}

const HEAD: &str = "| scenario | server | operations (errors) | per second | p50 ms | p99 ms | server CPU ms each | resident MiB | \
                    KiB each in memory | bytes each on disk |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";

const NOTES: &str = "\
*ratio* is Domicile's throughput over Synapse's, and Synapse's latency, CPU, memory and bytes over Domicile's: more than 1 is better, less is
worse. Synapse is asked for fewer operations, and in the open loops at a lower rate, since it cannot keep up with ours; both are in the table.
Memory and disk *each* are what the server grew by in the scenario, divided by the operations; SQLite's log counts, so they depend on
when it was last emptied.
";

fn row(rows: &mut String, scenario: &Scenario, ours: &Measured, theirs: &Measured) {
    for (name, measured) in [("Domicile", ours), ("Synapse", theirs)] {
        let _ = writeln!(
            rows,
            "| {} | {name} | {} ({}) | {:.0} | {:.2} | {:.2} | {:.3} | {:.0} | {:.1} | {:.0} |",
            scenario.name,
            measured.operations,
            measured.errors,
            measured.per_second,
            measured.p50_ms,
            measured.p99_ms,
            measured.cpu_ms,
            measured.resident_mib,
            measured.resident_each_kib,
            measured.disk_each
        );
    }
    let ratio = |more: f64, less: f64| if less > 0.0 { format!("{:.1}", more / less) } else { "–".to_owned() };
    let _ = writeln!(
        rows,
        "| | *ratio* | | {} | {} | {} | {} | {} | {} | {} |",
        ratio(ours.per_second, theirs.per_second),
        ratio(theirs.p50_ms, ours.p50_ms),
        ratio(theirs.p99_ms, ours.p99_ms),
        ratio(theirs.cpu_ms, ours.cpu_ms),
        ratio(theirs.resident_mib, ours.resident_mib),
        ratio(theirs.resident_each_kib, ours.resident_each_kib),
        ratio(theirs.disk_each, ours.disk_each)
    );
}

/// Which command, on which machine.
fn about(args: &Args) -> Result<String> {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches(['\t', ':', ' ']);
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).unwrap_or_default();
    let kernel = command::read(Command::new("uname").arg("-r"))?;
    let date = command::read(Command::new("date").args(["-u", "+%Y-%m-%d"]))?;
    let quick = if args.quick { " --quick" } else { "" };
    Ok(format!(
        "`cargo xtask bench{quick}` on {}: {model}, {cores} cores, {} GiB of memory, Linux {}, release build. Domicile on SQLite, {SYNAPSE} on \
         SQLite, each scenario with a fresh server of each, on the same machine as the load driver.",
        date.trim(),
        kib / 1024 / 1024,
        kernel.trim()
    ))
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
        let number = if quick && *name == "messages" { number / 10 } else { *number };
        load.arg(format!("--{name}")).arg(number.max(1).to_string());
    }
    let json = command::read(&mut load)?;
    serde_json::from_str(&json).with_context(|| format!("understanding what the load driver says: {json}"))
}

fn domicile(programs: &Path, folder: &Path, scenario: &Scenario, quick: bool) -> Result<Measured> {
    let data = folder.join("data");
    fs::create_dir_all(&data).with_context(|| format!("making {}", data.display()))?;
    let server = Server::start(&programs.join("domicile"), folder, &data)?;
    let measured = measure(programs, &server.url(), server.pid(), &data, scenario, scenario.domicile, quick)?;
    server.stop()?;
    Ok(measured)
}

/// A process that is killed when it is dropped.
struct Synapse(Child);

impl Drop for Synapse {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn synapse(environment: &Path, programs: &Path, folder: &Path, scenario: &Scenario, quick: bool) -> Result<Measured> {
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let config = folder.join("homeserver.yaml");
    fs::write(&config, synapse_config(address, folder))?;
    let python = environment.join("bin/python");
    let start = |extra: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["-m", "synapse.app.homeserver", "--config-path"]).arg(&config).args(extra).current_dir(folder);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    command::run(&mut start(&["--generate-keys"]))?;
    let mut server = Synapse(start(&[]).spawn().context("starting Synapse")?);
    let mut waited = Duration::ZERO;
    while TcpStream::connect(address).is_err() {
        if waited > Duration::from_mins(1) || server.0.try_wait()?.is_some() {
            bail!("Synapse did not start; see {}", folder.display());
        }
        sleep(Duration::from_millis(100));
        waited += Duration::from_millis(100);
    }
    sleep(Duration::from_secs(1));
    let url = format!("http://{address}");
    measure(programs, &url, server.0.id(), folder, scenario, scenario.synapse, quick)
}

fn synapse_config(address: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    let mut config = format!(
        "server_name: localhost\nreport_stats: false\nsigning_key_path: {folder}/signing.key\nmedia_store_path: {folder}/media\n\
         pid_file: {folder}/pid\ndatabase: {{name: sqlite3, args: {{database: {folder}/homeserver.db}}}}\n\
         listeners: [{{port: {}, bind_addresses: ['127.0.0.1'], type: http, resources: [{{names: [client]}}]}}]\n\
         enable_registration: true\nenable_registration_without_verification: true\ntrusted_key_servers: []\n\
         password_config: {{}}\nbcrypt_rounds: 4\nsuppress_key_server_warning: true\n",
        address.port()
    );
    for limit in ["message", "registration", "admin_redaction", "joins_per_room", "room_creation"] {
        let _ = writeln!(config, "rc_{limit}: {{per_second: 100000, burst_count: 100000}}");
    }
    for (limit, kinds) in [
        ("login", &["address", "account", "failed_attempts"][..]),
        ("joins", &["local", "remote"]),
        ("invites", &["per_room", "per_user", "per_issuer"]),
    ] {
        let _ = writeln!(config, "rc_{limit}:");
        for kind in kinds {
            let _ = writeln!(config, "  {kind}: {{per_second: 100000, burst_count: 100000}}");
        }
    }
    config
}

/// Synapse in a virtual environment of its own.
fn environment() -> Result<PathBuf> {
    let folder = command::root().join("target/synapse");
    if !folder.join("bin/synapse_homeserver").exists() {
        println!("Installing {SYNAPSE} from PyPI into {}", folder.display());
        command::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        command::run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", SYNAPSE]))?;
    }
    Ok(folder)
}
