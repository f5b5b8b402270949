//! What a check of a report found, as a person reads it.

use domicile_app::evidence::reading::Reading;
use domicile_core::plural::counted;
use serde_json::Value;

use super::text::{all, text};
use crate::commands::say;

/// By the running server.
pub(super) fn told(verdict: &Value) -> anyhow::Result<()> {
    say(&format!("Signed by {}; {} documents in the chain.", text(verdict, "key"), verdict["documents"]))?;
    say(&drawn(verdict["drawn"].as_u64().unwrap_or_default()))?;
    if let Some(canary) = verdict["canary"].as_object() {
        let is = |key: &str| canary.get(key).and_then(Value::as_bool) == Some(true);
        let told = match (is("found"), is("removed")) {
            (true, true) => "was found and is gone again",
            (true, false) => "was found, and is still there",
            _ => "was not found",
        };
        say(&format!("A canary was planted in {} and {told}.", text(&verdict["canary"], "table")))?;
    }
    if let Some(people) = verdict["looked_up"].as_u64().filter(|people| *people > 0) {
        say(&format!(
            "The directory has {} of those who were drawn at home here.",
            counted(people, "person", "people")
        ))?;
    }
    let countersigned: Vec<&str> = all(&verdict["countersigned"]).map(|one| text(one, "cell")).collect();
    say(&by_whom(&countersigned))?;
    for table in all(&verdict["changed"]) {
        say(&format!("  {}: {} rows then, {} now", text(table, "table"), table["reported"], table["now"]))?;
    }
    for wrong in all(&verdict["wrong"]) {
        say(&format!("Wrong: {}", wrong.as_str().unwrap_or_default()))?;
    }
    if verdict["passed"].as_bool() == Some(true) { say("The report stands.") } else { Ok(()) }
}

/// By this program, which has read the database itself.
pub(super) fn read(read: &Reading) -> anyhow::Result<()> {
    say("What was not checked in this way:")?;
    for gap in &read.not_checked {
        say(&format!("  - {}. {}", gap.what, gap.why))?;
    }
    let verdict = &read.verdict;
    say(&format!("\nSigned by {}.", verdict.key))?;
    if !read.chain_keys.is_empty() {
        let (documents, keys) = (counted(verdict.documents, "document", "documents"), read.chain_keys.join(", "));
        say(&format!("{documents} in the chain, signed by {keys}."))?;
    }
    let homes = &read.homes;
    say(&format!(
        "People: {} with their home here, {} in other cells, {} on other servers.",
        homes.here, homes.other_cells, homes.other_servers
    ))?;
    if let Some(tickets) = &read.tickets {
        say(&format!(
            "Tickets of {}: {} at home here; of {} the document does not bear them out.",
            counted(tickets.people as u64, "person", "people"),
            tickets.at_home,
            tickets.not_counted
        ))?;
    }
    if let Some(keys) = read.keystore_keys {
        say(&format!("Keys of people's own: {keys}."))?;
    }
    if read.keys_of_coming > 0 {
        say(&format!("Of these, {} are of people who are on the way here by the database.", read.keys_of_coming))?;
    }
    let log = &read.access_log;
    say(&format!("Access log: {} looks at the data of {} people.", log.entries, log.people))?;
    say(&drawn(verdict.drawn.into()))?;
    let countersigned: Vec<&str> = verdict.countersigned.iter().map(|one| text(one, "cell")).collect();
    if !countersigned.is_empty() {
        say(&by_whom(&countersigned))?;
    }
    for table in &verdict.changed {
        say(&format!("  {}: {} rows then, {} now", table.table, table.reported, table.now))?;
    }
    for wrong in &verdict.wrong {
        say(&format!("Wrong: {wrong}"))?;
    }
    for row in &read.foreign {
        let user = row.user.as_deref().unwrap_or("nobody who is known");
        say(&format!("  {} [{}] of {user}", row.table, row.key))?;
    }
    if verdict.passed { say("The report stands.") } else { Ok(()) }
}

fn drawn(rows: u64) -> String {
    let were = if rows == 1 { "was" } else { "were" };
    format!("{} {were} drawn at random and looked up.", counted(rows, "row", "rows"))
}

fn by_whom(countersigned: &[&str]) -> String {
    match countersigned {
        [] => "Countersigned by no other cell.".to_owned(),
        cells => format!("Countersigned by {}.", cells.join(", ")),
    }
}
