//! Dossiers, for people at a terminal.

use std::fmt::Write as _;

use domicile_core::calendar::{day, minute};
use serde_json::Value;

use crate::commands::layout::wrapped;

const WIDTH: usize = 84;

/// All dossiers, a line each.
pub(super) fn list(answer: &Value) -> String {
    let dossiers = items(answer, "dossiers");
    if dossiers.is_empty() {
        return "There is no dossier. `domicile dossier set CODE --status draft` begins one.".to_owned();
    }
    let mut out = format!("{:<4} {:<14} {:<11} {:<11} {}\n", "", "status", "since", "expires", "next");
    for dossier in dossiers {
        let next = match (text(dossier, "next_action"), at(dossier, "next_due_ts")) {
            ("", None) => String::new(),
            (next, None) => next.to_owned(),
            (next, Some(due)) => format!("{next} (until {due})"),
        };
        let status = text(dossier, "status").replace('_', " ");
        let (since, expires) = (at(dossier, "status_ts"), at(dossier, "expires_ts"));
        let since = since.unwrap_or_default();
        let expires = expires.unwrap_or_else(|| "–".to_owned());
        let _ = writeln!(out, "{:<4} {status:<14} {since:<11} {expires:<11} {next}", text(dossier, "code"));
    }
    out
}

/// One dossier whole.
pub(super) fn whole(dossier: &Value) -> String {
    let status = text(dossier, "status").replace('_', " ");
    let since = at(dossier, "status_ts").unwrap_or_default();
    let mut out = format!("Dossier {}: {status}, since {since}\n\n", text(dossier, "code"));
    for (name, key) in [
        ("Legal entity", "legal_entity"),
        ("Authority", "authority"),
        ("Register", "register"),
        ("Number", "number"),
        ("Note", "note"),
    ] {
        field(&mut out, name, text(dossier, key));
    }
    for (name, key) in [("Filed", "filed_ts"), ("Registered", "registered_ts"), ("Expires", "expires_ts")] {
        field(&mut out, name, &at(dossier, key).unwrap_or_default());
    }
    let due = at(dossier, "next_due_ts").map(|due| format!(" (until {due})")).unwrap_or_default();
    field(&mut out, "Next", &format!("{}{due}", text(dossier, "next_action")));
    for contact in items(dossier, "contacts") {
        let public = if contact["is_public"] == true { "public" } else { "not public" };
        let person = contact["person"]["name"].as_str().map(|name| format!(", {name}")).unwrap_or_default();
        let role = text(contact, "role").replace('_', " ");
        field(&mut out, &format!("→ {role}"), &format!("{}{person} ({public})", text(contact, "address")));
    }
    for document in items(dossier, "documents") {
        let line =
            format!("{}, {} bytes, SHA-256 {}", text(document, "name"), document["bytes"], text(document, "sha256"));
        field(&mut out, "Document", &line);
    }
    for paper in items(dossier, "papers") {
        let stage = |what: &str, by: &str, ts: &str| {
            paper[by].as_str().map(|who| format!("{what} {} by {who}", at(paper, ts).unwrap_or_default()))
        };
        let stages = [
            ("made", "made_by", "made_ts"),
            ("reviewed", "reviewed_by", "reviewed_ts"),
            ("sent", "sent_by", "sent_ts"),
        ];
        let line: Vec<String> = stages.into_iter().filter_map(|(what, by, ts)| stage(what, by, ts)).collect();
        field(&mut out, &format!("Paper {}", paper["paper"]), &line.join(", "));
    }
    out.push('\n');
    for entry in items(dossier, "history").iter().take(20) {
        let when = entry["at_ts"].as_i64().map(minute).unwrap_or_default();
        field(&mut out, &when, &format!("{}: {}", text(entry, "who"), text(entry, "what")));
    }
    out
}

fn field(out: &mut String, name: &str, text: &str) {
    for (index, line) in wrapped(text, WIDTH).into_iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        let _ = writeln!(out, "{name:<18} {line}");
    }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn at(value: &Value, key: &str) -> Option<String> {
    value[key].as_i64().map(day)
}

fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}
