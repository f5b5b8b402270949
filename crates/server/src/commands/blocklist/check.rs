//! `domicile blocklist check`: reads register files and says what of ours stands in them.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::{Instant, UNIX_EPOCH},
};

use anyhow::{Context, bail};
use domicile_core::{
    clock::{Clock, SystemClock},
    config::{Config, Duration, Setting},
    plural::counted,
};
use domicile_residency::blocklist::{self, Circumstances, Format, Limits, Listing, Own, Part, Run};
use serde_json::{Value, json};

use super::shown;
use crate::{
    commands::{date, say},
    wire::own_names,
};

/// What to search, and for what.
#[derive(Debug, clap::Args)]
pub(in crate::commands) struct Check {
    /// A file of the register, plain or gzip; `-` is the standard input. Several are parts of one register.
    #[arg(long, required = true)]
    file: Vec<PathBuf>,
    /// Its layout: ru-csv, ru-xml, pl-hazard, pl-cert, cz-coi, list, domains or hosts.
    #[arg(long)]
    format: Format,
    /// What to search for: a name, a mask such as *.example.org, an address of a page, an IP address or a network. Without it: the names of
    /// the configuration.
    #[arg(long)]
    name: Vec<String>,
    /// A file with more of them, one on each line.
    #[arg(long)]
    names_from: Option<PathBuf>,
    /// How old the register may be, such as 3d.
    #[arg(long, value_parser = Duration::read_text)]
    max_age: Option<Duration>,
    /// End with an error if anything is listed, or if the register is not whole.
    #[arg(long)]
    fail: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(config: &Config, check: &Check) -> anyhow::Result<()> {
    let names = names(config, check)?;
    let own = Own::new(names.iter().map(String::as_str))?;
    if own.is_empty() {
        bail!("there is nothing to search for: name something with --name, or set server.name in the configuration");
    }
    #[expect(clippy::disallowed_methods, reason = "a person is told how long it took; nothing depends on it")]
    let begun = Instant::now();
    let mut parts = Vec::new();
    let mut served_ms = None;
    for path in &check.file {
        let part = read(&own, check.format, path)?;
        served_ms = served_ms.max(modified_ms(path));
        parts.push(part);
    }
    let circumstances = Circumstances {
        now_ms: SystemClock.now_ms(),
        max_age_ms: check.max_age.map(|age| age.0),
        served_ms,
        entries_before: None,
    };
    let run = Run::new(parts, circumstances);
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if check.json {
        say(&json(&own, &run, took_ms).to_string())?;
    } else {
        report(&own, &run, took_ms)?;
    }
    let listed = run.listings.values().filter(|listing| listing.how.is_listed()).count();
    if check.fail && (listed > 0 || !run.is_whole()) {
        let whole = if run.is_whole() { "" } else { ", and the register is not whole" };
        bail!("{}{whole}", counted(u64::try_from(listed).unwrap_or(u64::MAX), "listing", "listings"));
    }
    Ok(())
}

fn names(config: &Config, check: &Check) -> anyhow::Result<Vec<String>> {
    let mut names = check.name.clone();
    if let Some(path) = &check.names_from {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        names.extend(lines.map(str::to_owned));
    }
    if names.is_empty() && check.names_from.is_none() {
        names = own_names(config);
    }
    Ok(names)
}

fn read(own: &Own, format: Format, path: &Path) -> anyhow::Result<Part> {
    let name = path.file_name().map_or_else(|| "-".to_owned(), |name| name.to_string_lossy().into_owned());
    let mut from: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).with_context(|| format!("cannot read {}", path.display()))?)
    };
    Ok(blocklist::read(own, format, &name, &mut from, Limits::default()))
}

/// When a file was changed: the register's age, if it does not say its own.
fn modified_ms(path: &Path) -> Option<i64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    i64::try_from(modified.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

fn json(own: &Own, run: &Run, took_ms: u64) -> Value {
    let listings: Vec<Value> = run.listings.values().map(listing_json).collect();
    json!({
        "searched_for": own.texts(), "entries": run.entries, "names_and_addresses": run.pieces, "odd": run.odd,
        "updated_ts": run.updated_ms, "whole": run.is_whole(), "warnings": run.warnings, "listings": listings, "took_ms": took_ms,
    })
}

fn listing_json(listing: &Listing) -> Value {
    let mut shown = serde_json::to_value(listing).unwrap_or_default();
    shown["listed"] = listing.how.is_listed().into();
    shown
}

fn report(own: &Own, run: &Run, took_ms: u64) -> anyhow::Result<()> {
    let age = run.updated_ms.map_or_else(|| "of unknown age".to_owned(), |updated| format!("of {}", date(updated)));
    say(&format!(
        "A register {age} with {} entries was searched for {} names and addresses in {took_ms} ms.",
        run.entries,
        own.len()
    ))?;
    for warning in &run.warnings {
        say(&format!("! {}", shown::explained(warning)))?;
    }
    let (listed, near): (Vec<&Listing>, Vec<&Listing>) =
        run.listings.values().partition(|listing| listing.how.is_listed());
    if listed.is_empty() {
        let qualified = if run.is_whole() { "" } else { ", as far as it could be read" };
        say(&format!("Nothing of yours is listed in it{qualified}."))?;
    } else {
        say(&format!("\nListed ({}):", listed.len()))?;
        listed.iter().try_for_each(|listing| say(&shown::lines(listing)))?;
    }
    if !near.is_empty() {
        say(&format!("\nNot listed, but near to what is ({}):", near.len()))?;
        near.iter().try_for_each(|listing| say(&shown::lines(listing)))?;
    }
    Ok(())
}
