//! Listings, warnings and alerts in words, from their JSON, which is the same from a file and from a running server.

use domicile_residency::blocklist::{How, Listing, Warning};
use serde_json::Value;

use crate::commands::date;

/// A listing, on three lines.
pub(super) fn listing(json: &Value) -> String {
    match serde_json::from_value(json.clone()) {
        Ok(listing) => lines(&listing),
        Err(_) => json.to_string(),
    }
}

/// The same, of one that was just found.
pub(super) fn lines(listing: &Listing) -> String {
    let matched =
        if listing.key.matched == listing.key.own { String::new() } else { format!(" [{}]", listing.key.matched) };
    let said = decision(listing);
    let place = format!("{}, {}", listing.part, listing.place);
    format!("  {} {}{matched}\n      {said}\n      {place}", listing.key.own, listing.how.explained())
}

/// Who decided what, on one line.
fn decision(listing: &Listing) -> String {
    let by = [
        (listing.key.authority.as_str(), ""),
        (listing.key.number.as_str(), "no. "),
        (listing.date.as_str(), "of "),
        (listing.entry_type.as_str(), "entry type "),
        (listing.block_type.as_str(), "blocked by "),
        (listing.reason.as_str(), "because: "),
    ];
    let said: Vec<String> =
        by.iter().filter(|(value, _)| !value.is_empty()).map(|(value, word)| format!("{word}{value}")).collect();
    if said.is_empty() { "no decision is named".to_owned() } else { said.join(", ") }
}

/// What an alert is about, on one line.
pub(super) fn detail(alert: &Value) -> String {
    let detail = &alert["detail"];
    if let Ok(listing) = serde_json::from_value::<Listing>(detail.clone()) {
        let how: How = listing.how;
        return format!("{} {} [{}]; {}", listing.key.own, how.explained(), listing.key.matched, decision(&listing));
    }
    match (warning(detail), detail["reason"].as_str()) {
        (Some(said), _) => said,
        (None, Some(reason)) => format!("{}: {reason}", detail["part"].as_str().unwrap_or_default()),
        (None, None) => detail.to_string(),
    }
}

/// A warning in words, from its JSON.
pub(super) fn warning(json: &Value) -> Option<String> {
    serde_json::from_value(json.clone()).ok().map(|warning| explained(&warning))
}

/// A warning in words.
pub(super) fn explained(warning: &Warning) -> String {
    match warning {
        Warning::Damaged { part, line, byte, reason, count } => {
            let place = if *line == 0 { String::new() } else { format!(", line {line} (byte {byte})") };
            let more = if *count > 1 { format!(" There are {count} such problems.") } else { String::new() };
            format!("{part}{place}: {reason}.{more}")
        }
        Warning::Stale { updated_ms } => {
            format!(
                "The register is stale: it was last changed on {}. Look for a mirror that is kept up.",
                date(*updated_ms)
            )
        }
        Warning::Ahead { updated_ms } => {
            format!(
                "The register says that it is of {}, which is yet to come, so its age is unknown.",
                date(*updated_ms)
            )
        }
        Warning::Shrunk { before, now } => format!(
            "The register has shrunk from {before} to {now} entries; part of it may be missing. If it is not, look at it with --accept-smaller."
        ),
        Warning::Broad { first, count } => format!(
            "The register has {count} entries too wide to be about anybody, first `{}` ({}, line {}).",
            first.matched, first.part, first.place.line
        ),
        Warning::Overfull { more } => {
            format!("More than is kept was found: {more} further meetings of entries with what is yours.")
        }
    }
}
