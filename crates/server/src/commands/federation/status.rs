//! `domicile federation status [HOST]`

use axum::http::Method;
use domicile_core::{
    clock::{Clock, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, SystemClock},
    config::Config,
};
use serde_json::{Value, json};

use super::{DESTINATIONS, path};
use crate::{admin_socket::ask, commands::say};

/// Widest name and widest error that the table shows whole.
const NAME: usize = 40;
const ERROR: usize = 100;

pub(super) async fn run(config: &Config, host: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let found = match host {
        Some(host) => vec![ask(config, Method::GET, &path(host)?, &Value::Null).await?],
        None => all(config).await?,
    };
    if as_json {
        return say(&json!({ "destinations": found }).to_string());
    }
    if found.is_empty() {
        return say("Every server has been told everything.");
    }
    for line in table(&found, SystemClock.now_ms()) {
        say(&line)?;
    }
    Ok(())
}

async fn all(config: &Config) -> anyhow::Result<Vec<Value>> {
    let (mut after, mut found) = (0, Vec::new());
    loop {
        let answer = ask(config, Method::GET, &format!("{DESTINATIONS}?after={after}"), &Value::Null).await?;
        found.extend(answer["destinations"].as_array().cloned().unwrap_or_default());
        match answer["next"].as_i64() {
            Some(next) => after = next,
            None => return Ok(found),
        }
    }
}

/// The lines of a table: a head, then each server.
fn table(found: &[Value], now_ms: i64) -> Vec<String> {
    let text = |value: &Value, most| {
        let text = value.as_str().unwrap_or_default();
        // What stands here is partly the other server's text.
        text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(most).collect::<String>()
    };
    let names: Vec<String> = found.iter().map(|row| text(&row["destination"], NAME)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("SERVER".len());
    let mut lines = vec![format!(
        "{:width$}  {:>6}  {:>8}  {:>8}  {:>9}  LAST ERROR",
        "SERVER", "EVENTS", "MESSAGES", "FAILING", "NEXT TRY"
    )];
    for (row, name) in found.iter().zip(names) {
        let failing = row["failing_since_ts"].as_i64().map_or_else(|| "-".to_owned(), |since| span(now_ms - since));
        let next = match row["retry_ts"].as_i64() {
            Some(retry) if retry > now_ms => format!("in {}", span(retry - now_ms)),
            _ => "now".to_owned(),
        };
        let number = |key: &str| row[key].as_i64().unwrap_or_default();
        let error = match text(&row["last_error"], ERROR) {
            error if error.is_empty() => "-".to_owned(),
            error => error,
        };
        lines.push(format!(
            "{name:width$}  {:>6}  {:>8}  {failing:>8}  {next:>9}  {error}",
            number("events"),
            number("messages")
        ));
    }
    lines
}

/// A time as a person says it: in its largest unit.
fn span(ms: i64) -> String {
    let (unit, letter) = match ms {
        DAY_MS.. => (DAY_MS, 'd'),
        HOUR_MS.. => (HOUR_MS, 'h'),
        MINUTE_MS.. => (MINUTE_MS, 'm'),
        _ => (SECOND_MS, 's'),
    };
    format!("{}{letter}", ms.max(0) / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_can_be_read() {
        let row = |name: &str, events: i64, since: Option<i64>, retry: Option<i64>, error: Option<&str>| {
            json!({
                "destination": name, "events": events, "messages": 2, "failures": 3, "failing_since_ts": since,
                "retry_ts": retry, "last_error": error,
            })
        };
        let now_ms = 10 * DAY_MS;
        let lines = table(
            &[
                row("example.org", 17, Some(7 * DAY_MS), Some(now_ms + 90 * MINUTE_MS), Some("no\nanswer")),
                row("a.b", 0, None, None, None),
            ],
            now_ms,
        );
        assert_eq!(
            lines,
            [
                "SERVER       EVENTS  MESSAGES   FAILING   NEXT TRY  LAST ERROR",
                "example.org      17         2        3d      in 1h  no answer",
                "a.b               0         2         -        now  -",
            ]
        );
        assert_eq!((span(59_999), span(-5)), ("59s".to_owned(), "0s".to_owned()));
    }
}
