//! `domicile federation status [HOST]`

use axum::http::Method;
use domicile_core::{
    clock::{Clock, DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, SystemClock},
    config::Config,
};
use serde_json::{Value, json};

use super::{DESTINATIONS, path};
use crate::{admin_socket::ask, commands::say};

/// Where rooms are told whose members are being fetched.
const PARTIAL_ROOMS: &str = "/_domicile/admin/v1/federation/partial_rooms";
/// Widest name and widest error that the table shows whole.
const NAME: usize = 40;
const ERROR: usize = 100;

pub(super) async fn run(config: &Config, host: Option<&str>, as_json: bool) -> anyhow::Result<()> {
    let found = match host {
        Some(host) => vec![ask(config, Method::GET, &path(host)?, &Value::Null).await?],
        None => all(config).await?,
    };
    let partial = if host.is_none() {
        let answer = ask(config, Method::GET, PARTIAL_ROOMS, &Value::Null).await?;
        answer["rooms"].as_array().cloned().unwrap_or_default()
    } else {
        Vec::new()
    };
    if as_json {
        return say(&json!({ "destinations": found, "partial_rooms": partial }).to_string());
    }
    let now_ms = SystemClock.now_ms();
    if found.is_empty() {
        say("Every server has been told everything.")?;
    } else {
        for line in table(&found, now_ms) {
            say(&line)?;
        }
    }
    for line in partial_rooms(&partial, now_ms) {
        say(&line)?;
    }
    Ok(())
}

/// The lines about rooms that were joined before all of their members were known; none if there are none.
fn partial_rooms(rooms: &[Value], now_ms: i64) -> Vec<String> {
    let told = rooms.iter().map(|room| {
        let since = span(now_ms - room["joined_ts"].as_i64().unwrap_or(now_ms));
        let error = match text(&room["last_error"], ERROR) {
            error if error.is_empty() => "they are being fetched".to_owned(),
            error => error,
        };
        format!("{}  joined {since} ago  {error}", text(&room["room_id"], NAME))
    });
    let head = (!rooms.is_empty()).then(|| "Rooms of which not all members are known yet:".to_owned());
    head.into_iter().chain(told).collect()
}

/// What stands here is partly another server's text.
fn text(value: &Value, most: usize) -> String {
    let text = value.as_str().unwrap_or_default();
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(most).collect()
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
        let rooms = [json!({ "room_id": "!a:b.c", "joined_ts": now_ms - 5_000, "last_error": "b.c: no\nanswer" })];
        assert_eq!(
            partial_rooms(&rooms, now_ms),
            ["Rooms of which not all members are known yet:", "!a:b.c  joined 5s ago  b.c: no answer"]
        );
        assert!(partial_rooms(&[], now_ms).is_empty());
    }
}
