//! Where everything is, as the cells' own audits tell it: rows by class of data, of people at home there and of others.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use domicile_store::catalogue::ADMITTED;
use serde_json::Value;

use super::screen::Screen;
use crate::plays::cells::{Deployment, audits};

/// A cell, its audit, and how many people are at home there by it.
pub(super) type Audit = (String, Value, u64);

/// Rows of one class in one cell.
#[derive(Debug, Default, Clone, Copy)]
struct Count {
    own: i64,
    others: i64,
}

/// The audits of all cells that run.
pub(super) fn audits(deployment: &Deployment, cells: &[&str]) -> Result<Vec<Audit>> {
    let audit = |name: &&str| {
        let (audit, at_home) = audits::audit(name, deployment.cell(name)?)?;
        Ok(((*name).to_owned(), audit, at_home))
    };
    cells.iter().map(audit).collect()
}

/// Complains unless an audit has found everything where it may be.
pub(super) fn passed((name, audit, _): &Audit) -> Result<String> {
    let body = &audit["body"];
    ensure!(body["passed"] == true, "{name} has rows that must not be there: {}", body["foreign"]["named"]);
    let rows: i64 = of_people(audit).map(|table| number(table, "rows")).sum();
    ensure!(rows > 0, "the audit of {name} looked at nothing");
    Ok(format!("{rows} rows about people looked at in {name}, {} where they must not be", body["foreign"]["rows"]))
}

/// Rows about people at home in a cell, which are nowhere else.
pub(super) fn rows_at_home((_, audit, _): &Audit) -> i64 {
    of_people(audit).map(|table| number(table, "here")).sum()
}

fn of<'a>(audit: &'a Value, belongs: &[&str]) -> impl Iterator<Item = &'a Value> {
    let tables = audit["body"]["tables"]["all"].as_array().into_iter().flatten();
    tables.filter(move |table| table["belongs"].as_str().is_some_and(|kind| belongs.contains(&kind)))
}

fn of_people(audit: &Value) -> impl Iterator<Item = &Value> {
    of(audit, &["vault", "shared"])
}

fn number(value: &Value, key: &str) -> i64 {
    value[key].as_i64().unwrap_or_default()
}

/// The table: a line for each class of data of which there is anything, first what belongs to people and then what belongs to rooms.
pub(super) fn show(screen: &mut Screen<'_>, audits: &[Audit]) -> Result<()> {
    let cells: Vec<String> = audits.iter().map(|(name, ..)| format!("{:^17}", format!("in {name}"))).collect();
    screen.row(&format!("{:<13}{}", "rows of", cells.concat()), true)?;
    let heads = |own: &str, others: &str| format!("{own:>8}{others:>8} ").repeat(audits.len());
    screen.row(&format!("{:<13}{}  such as", "people", heads("its own", "others'")), true)?;
    lines(screen, audits, &["vault", "shared"])?;
    screen.row(&format!("{:<13}{}", "rooms", heads("copied", "")), true)?;
    lines(screen, audits, &["room"])
}

/// The lines of tables that belong to some kind of owner.
fn lines(screen: &mut Screen<'_>, audits: &[Audit], belongs: &[&str]) -> Result<()> {
    let mut classes: BTreeMap<&str, Vec<Count>> = BTreeMap::new();
    for (place, (_, audit, _)) in audits.iter().enumerate() {
        for table in of(audit, belongs) {
            let class = table["class"].as_str().context("an audit names classes")?;
            let counts = classes.entry(class).or_insert_with(|| vec![Count::default(); audits.len()]);
            counts[place].own += number(table, "here");
            counts[place].others += number(table, "elsewhere");
        }
    }
    for (class, counts) in classes.iter().filter(|(_, counts)| counts.iter().any(|one| one.own + one.others > 0)) {
        let others = |count: i64| if belongs.contains(&"room") { String::new() } else { count.to_string() };
        let numbers: Vec<String> =
            counts.iter().map(|one| format!("{:>8}{:>8} ", one.own, others(one.others))).collect();
        screen.row(&format!("  {class:<11}{}  {}", numbers.concat(), example(class, audits, belongs)), false)?;
    }
    Ok(())
}

/// What rows of a class are, in the catalogue's words: those of the table that has most of them.
fn example(class: &str, audits: &[Audit], belongs: &[&str]) -> String {
    let mut most: BTreeMap<&str, (i64, &str)> = BTreeMap::new();
    for table in audits.iter().flat_map(|(_, audit, _)| of(audit, belongs)).filter(|table| table["class"] == class) {
        let (Some(name), Some(about)) = (table["table"].as_str(), table["about"].as_str()) else { continue };
        let (rows, _) = most.entry(name).or_insert((0, about));
        *rows += number(table, "rows");
    }
    let largest = most.into_values().max_by_key(|(rows, _)| *rows);
    largest.map(|(_, about)| about.to_lowercase()).unwrap_or_default()
}

/// Why rows of others may be in a cell: by the catalogue's own list, for those of which there are any.
pub(super) fn reasons(audits: &[Audit]) -> Vec<String> {
    let there = |name: &str| {
        audits
            .iter()
            .flat_map(|(_, audit, _)| of_people(audit))
            .any(|t| t["table"] == name && number(t, "elsewhere") > 0)
    };
    let admitted = ADMITTED.iter().filter(|admitted| there(admitted.table));
    admitted.map(|admitted| format!("{}: {}", admitted.table, admitted.reason)).collect()
}

/// What no audit can tell, in its own words.
pub(super) fn not_covered((_, audit, _): &Audit) -> Vec<&str> {
    let gaps = audit["body"]["not_covered"].as_array().into_iter().flatten();
    gaps.filter_map(|gap| gap["what"].as_str()).collect()
}
