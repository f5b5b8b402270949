//! `cargo xtask registers`: makes synthetic registers of what is blocked in their true layouts, has them searched for a thousand names and
//! addresses, each in a process of its own, and writes what that takes into docs/blocklists.md.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::command;

/// The page with the table, and what stands around it.
const PAGE: &str = "docs/blocklists.md";
const BEGIN: &str = "<!-- figures: cargo xtask registers -->\n";
const END: &str = "<!-- end of figures -->\n";

/// What is measured: the layout's name, what is made for it, and what to call it.
const ROWS: [(&str, &str, &str); 4] = [
    ("ru-csv", "csv", "`dump.csv`"),
    ("ru-xml", "xml", "`dump.xml`"),
    ("list", "list", "a list of names"),
    ("domains", "list", "the same, with what is below each name"),
];

/// How to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Entries of each register
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// How often each is searched; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Print the table only, and leave the page as it is
    #[arg(long)]
    print: bool,
}

/// Makes, measures, writes.
pub(crate) fn run(args: &Args) -> Result<()> {
    let build = ["build", "--release", "--locked", "-p", "domicile-residency", "--example", "registers"];
    command::run(command::cargo().args(build))?;
    let program = command::root().join("target/release/examples/registers");
    let folder = command::root().join("target/registers");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let mut table = format!(
        "{} entries, searched for {} names, masks, pages, addresses and networks; the median of {} runs, each a process of its own on {}.\n\n",
        args.entries,
        1_000,
        args.rounds,
        processor()
    );
    table += "| register | size | names and addresses in it | time | CPU time | highest memory | found |\n| --- | --- | --- | --- | --- | --- | --- |\n";
    for (format, shape, name) in ROWS {
        let file = folder.join(format!("{}.{shape}", args.entries));
        if !file.exists() {
            let entries = args.entries.to_string();
            command::run(Command::new(&program).args(["make", shape, &entries]).arg(&file))?;
        }
        table += &row(&program, format, name, &file, args)?;
    }
    println!("\n{table}");
    if args.print { Ok(()) } else { write(&table) }
}

fn row(program: &Path, format: &str, name: &str, file: &Path, args: &Args) -> Result<String> {
    let mut rounds = Vec::new();
    for _ in 0..args.rounds.max(1) {
        let said = command::read(Command::new(program).args(["measure", format]).arg(file))?;
        let said: Value = serde_json::from_str(&said).with_context(|| format!("reading `{said}`"))?;
        if said["entries"] != args.entries || said["damaged"] != 0 {
            bail!("{name} was not read whole: {said}");
        }
        rounds.push(said);
    }
    let median = |key: &str| {
        let mut numbers: Vec<u64> = rounds.iter().filter_map(|round| round[key].as_u64()).collect();
        numbers.sort_unstable();
        numbers.get(numbers.len() / 2).copied().unwrap_or_default()
    };
    let bytes = fs::metadata(file)?.len();
    let mut row = String::new();
    let _ = writeln!(
        row,
        "| {name} | {} MB | {} | {} ms | {} ms | {:.1} MiB | {} |",
        bytes / 1_000_000,
        median("pieces"),
        median("ms"),
        median("cpu_ms"),
        f64::from(u32::try_from(median("peak_kib"))?) / 1_024.0,
        median("listed")
    );
    Ok(row)
}

/// What the processor calls itself.
fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    name.map_or_else(|| "an unknown processor".to_owned(), |(_, name)| name.trim().to_owned())
}

fn write(table: &str) -> Result<()> {
    let path = command::root().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("reading {PAGE}"))?;
    let parts = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) = parts.with_context(|| format!("{PAGE} has no place for the figures"))?;
    fs::write(&path, format!("{head}{BEGIN}{table}{END}{tail}")).with_context(|| format!("writing {PAGE}"))
}
