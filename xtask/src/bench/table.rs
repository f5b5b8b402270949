//! The table that comes of it, and what is said around it.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{Args, Measured, scenarios::Scenario, synapse::SYNAPSE};
use crate::command;

pub(super) const HEAD: &str = "| scenario | server | operations (errors) | per second | p50 ms | p99 ms | server CPU ms each | resident MiB | \
                    peak MiB | KiB each in memory | bytes each on disk |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n";

pub(super) const NOTES: &str = "\
*ratio* is Domicile's throughput over Synapse's, and Synapse's latency, CPU, memory and bytes over Domicile's: more than 1 is better, less is
worse. Synapse is asked for fewer operations, and in the open loops at a lower rate, since it cannot keep up with ours; both are in the table.
Memory and disk *each* are what the server grew by in the scenario, divided by the operations. CPU and disk are read when the server's folder has
kept its size for some seconds, so what a server does at leisure (emptying SQLite's log, indexing words for searches) counts, and what
the making of rooms left to it does not. Of messages in a closed loop, three rounds are measured and the one with the median CPU is shown. Rooms are
encrypted, as people's rooms are, unless the scenario says otherwise; each message's event has about 700 bytes.

Between servers, the load driver plays the other servers, over TLS; a server under test is told the next transaction when the last event of the one
before can be read, and each of a transaction's events took so long. The large room is joined through a Synapse that is in it, the same one for both.
";

/// When a scenario's end came, below the table.
pub(super) fn end(scenario: &Scenario, ours: &Measured, theirs: Option<&Measured>) -> Option<String> {
    let words = scenario.end?;
    let seconds = |measured: &Measured| measured.end_ms.map(|ms| format!("{:.2} s", ms / 1_000.0));
    let theirs = theirs.and_then(seconds).map_or(String::new(), |theirs| format!(" (Synapse: {theirs})"));
    Some(format!("- {}: {words} after {}{theirs}", scenario.name, seconds(ours)?))
}

/// Adds what was measured in a scenario.
pub(super) fn row(rows: &mut String, scenario: &Scenario, ours: &Measured, theirs: Option<&Measured>) {
    for (name, measured) in [("Domicile", Some(ours)), ("Synapse", theirs)] {
        let Some(measured) = measured else { continue };
        let _ = writeln!(
            rows,
            "| {} | {name} | {} ({}) | {} | {:.2} | {:.2} | {:.3} | {:.0} | {:.0} | {:.1} | {:.0} |",
            scenario.name,
            measured.operations,
            measured.errors,
            if measured.per_second < 10.0 {
                format!("{:.2}", measured.per_second)
            } else {
                format!("{:.0}", measured.per_second)
            },
            measured.p50_ms,
            measured.p99_ms,
            measured.cpu_ms,
            measured.resident_mib,
            measured.peak_mib,
            measured.resident_each_kib,
            measured.disk_each
        );
    }
    let Some(theirs) = theirs else { return };
    let ratio = |more: f64, less: f64| if less > 0.0 { format!("{:.1}", more / less) } else { "–".to_owned() };
    let _ = writeln!(
        rows,
        "| | *ratio* | | {} | {} | {} | {} | {} | {} | {} | {} |",
        ratio(ours.per_second, theirs.per_second),
        ratio(theirs.p50_ms, ours.p50_ms),
        ratio(theirs.p99_ms, ours.p99_ms),
        ratio(theirs.cpu_ms, ours.cpu_ms),
        ratio(theirs.resident_mib, ours.resident_mib),
        ratio(theirs.peak_mib, ours.peak_mib),
        ratio(theirs.resident_each_kib, ours.resident_each_kib),
        ratio(theirs.disk_each, ours.disk_each)
    );
}

/// Which command, on which machine.
pub(super) fn about(args: &Args) -> Result<String> {
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
