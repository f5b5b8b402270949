//! A report as a person reads it.

use domicile_core::plural::counted;
use serde_json::Value;

use crate::commands::{date, say};

pub(super) fn all(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn number(value: &Value, key: &str) -> i64 {
    value[key].as_i64().unwrap_or_default()
}

pub(super) fn report(made: &Value) -> anyhow::Result<()> {
    let document = &made["document"];
    let body = &document["body"];
    say(&format!(
        "Audit {} of {}, {}",
        document["number"],
        text(document, "server_name"),
        date(number(document, "made_ts"))
    ))?;
    say("\nWhat is not covered:")?;
    for gap in all(&body["not_covered"]) {
        say(&format!("  - {}. {}", text(gap, "what"), text(gap, "why")))?;
    }
    measured(body)?;
    say("\nDeclared by the operator (no program can see where a disk stands):")?;
    for place in all(&body["storage"]["places"]) {
        say(&format!("  {}: {}", text(place, "what"), text(place, "place")))?;
    }
    let backups = body["backups"]["all"].as_array().map_or(0, Vec::len);
    say(&format!("  backups made: {backups}"))?;
    for backup in all(&body["backups"]["all"]).take(10) {
        let until = backup["expires_ts"]
            .as_i64()
            .map_or_else(|| "until somebody deletes it".to_owned(), |ts| format!("until {}", date(ts)));
        let place = Some(text(backup, "place")).filter(|place| !place.is_empty()).unwrap_or("place not said");
        let gone = backup["gone_ts"].as_i64().map(|ts| format!(", deleted on {}", date(ts))).unwrap_or_default();
        say(&format!("    {} {} ({place}; {until}{gone})", date(number(backup, "created_ts")), text(backup, "data")))?;
    }
    say("  processors:")?;
    for processor in all(&body["processors"]["all"]) {
        say(&format!("    {}", processor.as_str().unwrap_or_default()))?;
    }
    observed(made)?;
    say(&format!(
        "\nSigned report: {}\nSHA-256: {}\nKey: {}",
        text(made, "file"),
        text(made, "sha256"),
        text(&document["signature"], "key")
    ))?;
    if body["passed"].as_bool() == Some(true) {
        return say("\nEvery row of every vault table is of somebody whose home is here.");
    }
    say("\nRows that must not be here:")?;
    for row in all(&body["foreign"]["named"]) {
        let user = row["user"].as_str().unwrap_or("nobody who is known");
        say(&format!("  {} [{}] of {user}", text(row, "table"), text(row, "key")))?;
    }
    Ok(())
}

/// What other cells saw, and which have countersigned.
fn observed(made: &Value) -> anyhow::Result<()> {
    let seen = made["document"]["body"]["observed_by_other_cells"]["all"].as_array().cloned().unwrap_or_default();
    let witnesses = made["witnesses"].as_array().cloned().unwrap_or_default();
    if seen.is_empty() && witnesses.is_empty() {
        return say("\nObserved by other cells: nothing, this cell was alone.");
    }
    say("\nObserved by other cells:")?;
    for one in &seen {
        let (cell, body) = (text(one, "cell"), &one["observation"]["document"]["body"]);
        if let Some(why) = one["why"].as_str() {
            say(&format!("  {cell}: nothing ({why})"))?;
            continue;
        }
        say(&format!(
            "  {cell}: this cell answers with the key of document {}, its clock is {} ms apart; {} people are known there whose home it is; \
             {} items ({} bytes) were sent from there into its region in {} days",
            body["document_serial"],
            body["clock_apart_ms"],
            body["people_met_whose_home_it_is"],
            body["sent_to_its_region"]["items"],
            body["sent_to_its_region"]["bytes"],
            body["sent_to_its_region"]["days"],
        ))?;
    }
    for one in &witnesses {
        let cell = text(one, "cell");
        match one["why"].as_str() {
            Some(why) => say(&format!("  not countersigned by {cell}: {why}"))?,
            None => say(&format!("  countersigned by {cell}"))?,
        }
    }
    Ok(())
}

pub(super) fn deployment(made: &Value) -> anyhow::Result<()> {
    let document = &made["document"];
    say(&format!("Audit of the deployment {}, {}", text(document, "server_name"), date(number(document, "made_ts"))))?;
    for cell in all(&document["body"]["cells"]) {
        let name = text(cell, "cell");
        match (cell["passed"].as_bool(), cell["why"].as_str()) {
            (Some(true), _) => {
                say(&format!("  {name:<16} nothing is there that must not be; report {}", cell["number"]))?;
            }
            (Some(false), _) => say(&format!("  {name:<16} ROWS THAT MUST NOT BE THERE; report {}", cell["number"]))?,
            (None, why) => say(&format!("  {name:<16} NO REPORT: {}", why.unwrap_or("nobody knows why")))?,
        }
        if let Some(file) = cell["file"].as_str() {
            say(&format!("  {:<16} {file}, SHA-256 {}", "", text(cell, "hash")))?;
        }
    }
    say(&format!("\nSigned: {}\nSHA-256: {}", text(made, "file"), text(made, "sha256")))
}

/// Where notifications go: people's apps choose that, and nobody else can see it.
fn push_gateways(told: &Value) -> anyhow::Result<()> {
    say(&format!("  push gateways that people's apps have chosen: {}", told["all"].as_array().map_or(0, Vec::len)))?;
    for gateway in all(&told["all"]) {
        let listed = if gateway["listed"].as_bool() == Some(true) { "" } else { ", not among the processors" };
        let apps = counted(gateway["pushers"].as_u64().unwrap_or_default(), "app", "apps");
        say(&format!("    {}: {apps}{listed}", text(gateway, "host")))?;
    }
    for (key, what) in [("further", "apps of further ones"), ("unreadable", "that nobody can read any more")] {
        if let Some(count) = told[key].as_u64().filter(|count| *count > 0) {
            say(&format!("    {what}: {count}"))?;
        }
    }
    Ok(())
}

fn measured(body: &Value) -> anyhow::Result<()> {
    let (program, people, rooms) = (&body["program"]["is"], &body["homes"]["people"], &body["rooms"]["is"]);
    say("\nMeasured by this cell:")?;
    say(&format!(
        "  program {} {}, SHA-256 {}",
        text(program, "name"),
        text(program, "version"),
        text(program, "sha256")
    ))?;
    say(&format!(
        "  people: {} with their home here, {} in other cells, {} on other servers",
        people["here"], people["other_cells"], people["other_servers"]
    ))?;
    say(&format!(
        "  room copies: {}; here for somebody who is in the room: {}, who was invited: {}, who was in it: {}, for nobody: {}",
        rooms["all"], rooms["joined"], rooms["invited"], rooms["left"], rooms["nobody"]
    ))?;
    for room in all(&rooms["without"]) {
        say(&format!("    for nobody: {}", room.as_str().unwrap_or_default()))?;
    }
    say(&format!("    each with its member: {}", text(&body["rooms"], "list")))?;
    let log = &body["access_log"]["is"];
    let broken = log["broken"].as_array().map_or(0, Vec::len);
    say(&format!(
        "  access log: {} looks at the data of {} people; chains that are broken: {broken}",
        log["entries"], log["people"]
    ))?;
    say(&format!("  keys of people's own: {}", body["keystore"]["keys"]))?;
    push_gateways(&body["push_gateways"]["is"])?;
    say(&format!(
        "\n  {:<24} {:<11} {:<9} {:>10} {:>10} {:>10} {:>8}",
        "table", "class", "belongs", "rows", "here", "elsewhere", "foreign"
    ))?;
    for table in all(&body["tables"]["all"]) {
        say(&format!(
            "  {:<24} {:<11} {:<9} {:>10} {:>10} {:>10} {:>8}",
            text(table, "table"),
            text(table, "class"),
            text(table, "belongs"),
            number(table, "rows"),
            number(table, "here"),
            number(table, "elsewhere") + number(table, "without_member") + number(table, "unowned"),
            number(table, "foreign"),
        ))?;
    }
    Ok(())
}

pub(super) fn list(answer: &Value) -> anyhow::Result<()> {
    say(&format!("Key: {}", text(answer, "key")))?;
    for document in all(&answer["documents"]) {
        say(&format!(
            "{:>6}  {}  {:<8} {}",
            number(document, "number"),
            date(number(document, "made_ts")),
            text(document, "kind"),
            text(document, "file")
        ))?;
    }
    for wrong in all(&answer["wrong"]) {
        say(&format!("Wrong: {}", wrong.as_str().unwrap_or_default()))?;
    }
    Ok(())
}
