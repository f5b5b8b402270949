//! `domicile ledger`: what crossed a border, by day.

use anyhow::Context;
use axum::http::Method;
use clap::Args;
use domicile_core::{
    clock::{Clock, DAY_MS, SystemClock},
    config::Config,
};
use serde_json::Value;

use super::{date, say};
use crate::admin_socket::ask;

/// Days that are shown without `--from`.
const USUAL: i64 = 30;

/// Which days.
#[derive(Debug, Args)]
pub(super) struct LedgerCommand {
    /// The first day, such as 2026-11-01. Without it: thirty days ago.
    #[arg(long)]
    from: Option<String>,
    /// The last day. Without it: today.
    #[arg(long)]
    to: Option<String>,
    /// For programs.
    #[arg(long)]
    json: bool,
}

/// A date as days since the epoch.
fn days(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, '-');
    let (year, month, day): (i64, i64, i64) =
        (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days from the civil date, by the proleptic Gregorian calendar counted from March.
    let year_from_march = if month <= 2 { year - 1 } else { year };
    let era = year_from_march.div_euclid(400);
    let year_of_era = year_from_march.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let found = era * 146_097 + day_of_era - 719_468;
    // The 31st of a month that has none would be another day.
    (date(found * DAY_MS) == text).then_some(found)
}

fn given(text: Option<&str>, usual: i64) -> anyhow::Result<i64> {
    text.map_or(Ok(usual), |text| days(text).with_context(|| format!("`{text}` is no day: write 2026-11-30")))
}

pub(super) async fn run(config: &Config, command: LedgerCommand) -> anyhow::Result<()> {
    let today = SystemClock.now_ms().div_euclid(DAY_MS);
    let (from, to) = (given(command.from.as_deref(), today - USUAL)?, given(command.to.as_deref(), today)?);
    let path = format!("/_domicile/admin/v1/ledger?from={from}&to={to}");
    let mut answer = ask(config, Method::GET, &path, &Value::Null).await?;
    for crossing in answer["crossings"].as_array_mut().into_iter().flatten() {
        let day = crossing["day"].as_i64().unwrap_or_default();
        crossing["date"] = date(day * DAY_MS).into();
    }
    if command.json {
        return say(&answer.to_string());
    }
    let crossings = answer["crossings"].as_array().cloned().unwrap_or_default();
    if crossings.is_empty() {
        return say("Nothing crossed a border in these days.");
    }
    say(&format!(
        "{:<10}  {:<11} {:<12} {:<8} {:<10} {:>10} {:>14}  basis",
        "day", "class", "flow", "from", "to", "count", "bytes"
    ))?;
    for crossing in &crossings {
        let text = |key: &str| crossing[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| crossing[key].as_i64().unwrap_or_default();
        let basis = text("basis");
        say(&format!(
            "{:<10}  {:<11} {:<12} {:<8} {:<10} {:>10} {:>14}  {}",
            text("date"),
            text("class"),
            text("flow"),
            text("origin"),
            text("destination"),
            number("items"),
            number("bytes"),
            if basis.is_empty() { "(none given)" } else { &basis }
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_a_day() {
        for (text, day) in [("1970-01-01", Some(0)), ("2000-02-29", Some(11_016)), ("2026-05-28", Some(20_601))] {
            assert_eq!(days(text), day, "{text}");
        }
        for wrong in ["2026-02-30", "2026-13-01", "yesterday", "2026-1-1", ""] {
            assert_eq!(days(wrong), None, "{wrong}");
        }
    }
}
