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
    line["reason"].as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
