//! One duty, for people at a terminal.

use std::fmt::Write as _;

use serde_json::Value;

use super::table::{reason, word};
use crate::commands::layout::wrapped;

const WIDTH: usize = 100;
const INDENT: usize = 16;

/// All that the catalogue says about a duty, and its answer.
pub(super) fn text(duty: &Value) -> String {
    let mut out = String::new();
    let law = &duty["text"];
    let of = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let _ = writeln!(out, "{} · {}\n{}\n", of(duty, "duty"), of(duty, "jurisdiction"), of(duty, "title"));
    field(&mut out, "Answer", &format!("{}: {}", word(&of(duty, "answer")), reason(duty)));
    field(&mut out, "Asks", &of(law, "asks"));
    field(&mut out, "Entails", &of(law, "entails"));
    field(&mut out, "For users", &of(law, "risk_to_users"));
    field(&mut out, "Data", &texts(&law["data"], "; "));
    field(&mut out, "Stored", &of(law, "storage").replace('_', " "));
    field(&mut out, "Kept", &of(law, "retention"));
    field(&mut out, "Contacts", &texts(&law["contacts"], ", ").replace('_', " "));
    if law["registration"].is_object() {
        let registration = &law["registration"];
        let parts: Vec<String> = ["authority", "register", "channel", "deadline"]
            .iter()
            .map(|key| of(registration, key))
            .filter(|part| !part.is_empty())
            .collect();
        field(&mut out, "Registration", &parts.join("; "));
    }
    for clock in law["clocks"].as_array().into_iter().flatten() {
        field(&mut out, "Clock", &format!("{} hours: {}", clock["hours"], of(clock, "what")));
    }
    field(&mut out, "Report", &of(law, "report"));
    field(&mut out, "On failure", &texts(&law["sanctions"], " → "));
    for conflict in law["conflicts"].as_array().into_iter().flatten() {
        field(&mut out, "Conflict", &format!("{}: {}", of(conflict, "with"), of(conflict, "how")));
    }
    let words = law["declined_by_design"]["words"].as_object();
    for (language, said) in words.into_iter().flatten() {
        field(&mut out, &format!("Words ({language})"), said.as_str().unwrap_or_default());
    }
    for source in law["sources"].as_array().into_iter().flatten() {
        let parts = [
            of(source, "law"),
            source["article"].as_str().map(|article| format!("art. {article}")).unwrap_or_default(),
            source["date"].as_str().map(|date| format!("since {date}")).unwrap_or_default(),
            of(source, "url"),
            of(source, "confidence").replace('_', " "),
        ];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        field(&mut out, "Source", &parts.join(", "));
    }
    field(&mut out, "As of", &of(duty, "as_of"));
    out
}

fn field(out: &mut String, name: &str, text: &str) {
    for (index, line) in wrapped(text, WIDTH - INDENT).into_iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        let _ = writeln!(out, "{name:<INDENT$}{line}");
    }
}

fn texts(value: &Value, between: &str) -> String {
    let texts: Vec<&str> = value.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    texts.join(between)
}
