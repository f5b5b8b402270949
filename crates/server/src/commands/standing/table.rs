//! The table of duties, for people at a terminal.

use std::fmt::Write as _;

use serde_json::Value;

use crate::commands::{
    date,
    layout::{number, wrapped},
};

/// Letters of a line.
const WIDTH: usize = 100;
/// Where texts begin, after the answer.
const INDENT: usize = 20;

/// An answer in words.
pub(super) fn word(answer: &str) -> &'static str {
    match answer {
        "not_triggered" => "· not triggered",
        "met_by" => "✓ met",
        "needs_operator" => "! needs you",
        "chosen_not_to" => "○ chosen not to",
        "conflicts_with" => "≠ conflict",
        "declined_by_design" => "■ declined",
        _ => "?",
    }
}

/// The table.
pub(super) fn text(table: &Value) -> String {
    let mut out = String::new();
    let users = table["users"].as_u64().unwrap_or_default();
    let unknown = table["users_unknown"].as_u64().unwrap_or_default();
    let day = table["generated_ts"].as_i64().map(date).unwrap_or_default();
    let _ = writeln!(out, "Standing on {day}: {}{}", accounts(users), unknown_text(unknown, users));
    let sections = list(&table["jurisdictions"]);
    for section in sections {
        out.push('\n');
        head(&mut out, section);
        let mut untriggered = Vec::new();
        for line in list(&section["duties"]) {
            if line["answer"] == "not_triggered" { untriggered.push(line) } else { entry(&mut out, line) }
        }
        // What does not apply comes last: by how far is what a reader wants to know.
        for line in untriggered {
            entry(&mut out, line);
        }
    }
    let others: Vec<&str> = list(&table["others"]).iter().filter_map(Value::as_str).collect();
    if !others.is_empty() {
        let _ = writeln!(
            out,
            "\nNobody is noted as living in: {}. `domicile standing --all` shows what is asked there.",
            others.join(", ")
        );
    }
    if sections.is_empty() {
        out.push_str("\nNo jurisdiction is noted for anybody: `domicile user jurisdiction NAME CODE` notes one.\n");
    }
    let _ = writeln!(
        out,
        "\nMore about one: `domicile standing show NAME`. These are facts with sources, not legal advice."
    );
    out
}

fn accounts(count: u64) -> String {
    format!("{} {}", number(count), if count == 1 { "account" } else { "accounts" })
}

fn unknown_text(unknown: u64, users: u64) -> String {
    match unknown {
        0 => String::new(),
        all if all == users => ", none with a jurisdiction noted".to_owned(),
        some => format!(", {} of them with no jurisdiction noted", number(some)),
    }
}

fn head(out: &mut String, section: &Value) {
    let text = |key: &str| section[key].as_str().unwrap_or_default();
    let dossier = section["dossier"].as_str().unwrap_or("none");
    let title = format!("{} ({})", text("name"), text("code"));
    let users = accounts(section["users"].as_u64().unwrap_or_default());
    let _ = writeln!(out, "{title} — {users}, dossier: {}, as of {}", dossier.replace('_', " "), text("as_of"));
    let _ = writeln!(out, "{}", "─".repeat(WIDTH));
}

fn entry(out: &mut String, line: &Value) {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    let doubt = match text("confidence") {
        "second_hand" => " [second hand]",
        "unverified" => " [unverified]",
        _ => "",
    };
    let mut lines = wrapped(text("title"), WIDTH - INDENT);
    lines.extend(wrapped(&reason(line), WIDTH - INDENT - 2).into_iter().map(|line| format!("  {line}")));
    lines.extend(
        wrapped(&format!("{} · {}{doubt}", text("duty"), text("law")), WIDTH - INDENT - 2)
            .into_iter()
            .map(|line| format!("  {line}")),
    );
    for (index, line_text) in lines.iter().enumerate() {
        let answer = if index == 0 { word(text("answer")) } else { "" };
        // Counted in letters, as the marks are more than a byte.
        let pad = INDENT.saturating_sub(answer.chars().count() + 2);
        let _ = writeln!(out, "  {answer}{}{line_text}", " ".repeat(pad));
    }
}

/// Why the answer is what it is, in a sentence.
pub(super) fn reason(line: &Value) -> String {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    let count = |key: &str| number(line[key].as_u64().unwrap_or_default());
    match text("answer") {
        "met_by" => text("evidence").to_owned(),
        "needs_operator" => text("what").to_owned(),
        "chosen_not_to" => {
            let day = line["when_ts"].as_i64().map(date).unwrap_or_default();
            format!("{}, {day}: {}", text("who"), text("why"))
        }
        "conflicts_with" => format!("with {}: {}", text("with"), text("how")),
        "declined_by_design" => {
            "always, whatever is asked; the words for it are in `domicile standing show`".to_owned()
        }
        _ => untriggered(line, &text, &count),
    }
}

fn untriggered<'l>(line: &'l Value, text: &impl Fn(&str) -> &'l str, count: &impl Fn(&str) -> String) -> String {
    let unknown = line["unknown"].as_u64().unwrap_or_default();
    match text("because") {
        "below_threshold" => {
            let also = if unknown > 0 { format!(" (and {} nobody knows of)", count("unknown")) } else { String::new() };
            let counted = text("counted").replace("yearly", "a year's").replace("registered", "");
            let from = format!("{} {counted}", count("threshold"));
            format!("{}{also} of {} users: short by {}", count("ours"), from.trim(), count("short_by"))
        }
        "no_users" if unknown > 0 => {
            format!("nobody is noted as living there ({} are not noted at all)", count("unknown"))
        }
        "no_users" => "nobody lives there".to_owned(),
        "other_service" => {
            let services: Vec<&str> = list(&line["services"]).iter().filter_map(Value::as_str).collect();
            format!("it is for services with {}, and this is none", services.join(", ").replace('_', " "))
        }
        "exempt" => format!("it does not concern a service for a {}", text("audience")),
        "nobody_asked" => "it applies once an authority asks, and none has".to_owned(),
        "established" => "it is for those without an establishment there".to_owned(),
        "not_critical" => "it is for operators of critical infrastructure".to_owned(),
        other => other.to_owned(),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
