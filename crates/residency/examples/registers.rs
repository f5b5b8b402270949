//! Makes synthetic registers, and measures how fast and in how much memory they are searched: `cargo xtask registers` runs it.
//!
//! `registers make csv|xml|list ENTRIES FILE` writes one; `registers measure FORMAT FILE…` searches it for a thousand names and addresses, and says
//! what that took as JSON. Each measurement is a process of its own, whose highest memory the kernel tells.
#![expect(clippy::print_stdout, reason = "a tool for the command line")]

use std::{
    error::Error,
    fs::File,
    io::{BufWriter, Write as _},
    time::Instant,
};

use domicile_residency::blocklist::{Circumstances, Format, Limits, Own, Run, read};

#[path = "../tests/support/generator.rs"]
#[expect(unreachable_pub, reason = "the file is a module of the tests, too")]
mod generator;

use generator::{Recipe, Shape, ours, write};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["make", shape, entries, file] => make(shape, entries.parse()?, file),
        ["measure", format, files @ ..] if !files.is_empty() => measure(format.parse()?, files),
        _ => Err("say: registers make csv|xml|list ENTRIES FILE, or registers measure FORMAT FILE…".into()),
    }
}

fn make(shape: &str, entries: u64, file: &str) -> Result<(), Box<dyn Error>> {
    let shape = match shape {
        "csv" => Shape::Csv,
        "xml" => Shape::Xml,
        "list" => Shape::List,
        other => return Err(format!("there is no layout `{other}`").into()),
    };
    let mut out = BufWriter::new(File::create(file)?);
    let made = write(&mut out, shape, Recipe { entries, seed: 1, ours_every: 10_000 }, &ours())?;
    out.flush()?;
    println!("{{\"bytes\":{},\"ours\":{}}}", made.bytes, made.ours);
    Ok(())
}

fn measure(format: Format, files: &[&str]) -> Result<(), Box<dyn Error>> {
    let ours = ours();
    #[expect(clippy::disallowed_methods, reason = "a stopwatch")]
    let begun = Instant::now();
    let own = Own::new(ours.iter().map(String::as_str))?;
    let mut parts = Vec::new();
    for file in files {
        parts.push(read(&own, format, file, &mut File::open(file)?, Limits::default()));
    }
    let run = Run::new(parts, Circumstances::default());
    let took = begun.elapsed();
    let listed = run.listings.values().filter(|listing| listing.how.is_listed()).count();
    println!(
        "{{\"entries\":{},\"pieces\":{},\"odd\":{},\"listed\":{listed},\"damaged\":{},\"ours\":{},\"ms\":{},\"cpu_ms\":{},\"peak_kib\":{}}}",
        run.entries,
        run.pieces,
        run.odd,
        run.warnings.iter().filter(|warning| warning.word() == "damaged").count(),
        own.len(),
        took.as_millis(),
        cpu_ms(),
        peak_kib()
    );
    Ok(())
}

/// The CPU time of this process so far, in milliseconds, where the system tells it: other programs of the machine play no part in it.
fn cpu_ms() -> u64 {
    // Ticks of /proc are hundredths of a second.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    10 * fields.filter_map(|field| field.parse::<u64>().ok()).sum::<u64>()
}

/// The most memory that this process has had, in KiB, where the system tells it.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
