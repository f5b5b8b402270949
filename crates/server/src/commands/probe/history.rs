//! `domicile probe history`, `show`, `invite`, `vantages`, `dismiss`: what the server keeps.

use axum::http::Method;
use domicile_core::config::Config;
use domicile_residency::interference::{Report, ooni};
use serde_json::{Value, json};

use crate::{admin_socket::ask, commands::say};

const PROBES: &str = "/_domicile/admin/v1/probes";
const VANTAGES: &str = "/_domicile/admin/v1/probe-vantages";

/// A text as a part of a path or a query: all but the plainest letters as their codes.
fn part(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Results, the newest first.
pub(super) async fn history(config: &Config, host: Option<&str>, limit: usize, json: bool) -> anyhow::Result<()> {
    let (mut before, mut results): (Option<i64>, Vec<Value>) = (None, Vec::new());
    while results.len() < limit {
        let mut path = format!("{PROBES}?x=");
        if let Some(host) = host {
            path += "&host=";
            path += &part(host);
        }
        if let Some(before) = before {
            path += "&before=";
            path += &before.to_string();
        }
        let answer = ask(config, Method::GET, &path, &Value::Null).await?;
        for result in answer["results"].as_array().into_iter().flatten() {
            // The run at which a page ends is told again at the beginning of the next.
            if !results.contains(result) {
                results.push(result.clone());
            }
        }
        before = answer["next"].as_i64();
        if before.is_none() {
            break;
        }
    }
    results.truncate(limit);
    if json {
        return say(&json!({ "results": results }).to_string());
    }
    if results.is_empty() {
        return say("Nothing was looked at yet: set probe.interval, or ask with `domicile probe now`.");
    }
    for result in &results {
        let text = |key: &str| result[key].as_str().unwrap_or_default();
        let when = ooni::timestamp(result["started_ts"].as_i64().unwrap_or_default());
        let vantage = result["vantage"].as_str().unwrap_or("here");
        say(&plain(&format!(
            "{:>6}  {when}  {:<15}  {}:{}  ({vantage})",
            result["run"],
            text("verdict"),
            text("host"),
            result["port"]
        )))?;
        if text("verdict") != "ok" {
            for said in result["evidence"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                say(&format!("        - {}", plain(said)))?;
            }
        }
    }
    Ok(())
}

/// Has the running server look now.
pub(super) async fn now(config: &Config, json: bool) -> anyhow::Result<()> {
    told(&ask(config, Method::POST, PROBES, &Value::Null).await?, json)
}

/// One run, whole.
pub(super) async fn show(config: &Config, run: i64, json: bool) -> anyhow::Result<()> {
    told(&ask(config, Method::GET, &format!("{PROBES}/{run}"), &Value::Null).await?, json)
}

fn told(answer: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        return say(&answer.to_string());
    }
    let report: Report = serde_json::from_value(answer["report"].clone())?;
    super::show::report(&report, &[])
}

/// Invites somebody to report.
pub(super) async fn invite(config: &Config, name: &str, json: bool) -> anyhow::Result<()> {
    let answer = ask(config, Method::POST, VANTAGES, &json!({ "name": name })).await?;
    if json {
        return say(&answer.to_string());
    }
    say(&format!(
        "{name} may report with this code, which is not shown again: {}",
        answer["code"].as_str().unwrap_or_default()
    ))
}

/// Everybody who was invited.
pub(super) async fn vantages(config: &Config, json: bool) -> anyhow::Result<()> {
    let answer = ask(config, Method::GET, VANTAGES, &Value::Null).await?;
    if json {
        return say(&answer.to_string());
    }
    for vantage in answer["vantages"].as_array().into_iter().flatten() {
        let when = ooni::timestamp(vantage["created_ts"].as_i64().unwrap_or_default());
        let reported = if vantage["reported"] == true { "has reported" } else { "has not reported yet" };
        say(&format!("{when}  {}  {reported}", plain(vantage["name"].as_str().unwrap_or_default())))?;
    }
    Ok(())
}

/// Takes no more reports with somebody's code.
pub(super) async fn dismiss(config: &Config, name: &str) -> anyhow::Result<()> {
    ask(config, Method::DELETE, &format!("{VANTAGES}/{}", part(name)), &Value::Null).await?;
    say(&format!("{name} can report no more."))
}

fn plain(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_can_stand_in_paths() {
        assert_eq!(part("a-B.c"), "a-B.c");
        assert_eq!(part("é &/"), "%C3%A9%20%26%2F");
    }
}
