//! GET /console/blocklists (registers of what is blocked, what of ours stands in them, and since when)

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, extract::State, routing::get};
use domicile_app::blocklists::Blocklists;
use domicile_core::clock::{Clock, DAY_MS};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    frame::{Broken, Part, page},
    visitor::Insider,
};
use crate::{
    admin::AdminServices,
    pages::{
        Page,
        chart::{Lane, Mark, lanes, legend},
        shown::{number, tag, time, words},
    },
};

/// How far back the chart goes.
const BACK_MS: i64 = 90 * DAY_MS;
/// Lanes of the chart at most.
const LANES: usize = 60;
/// Listings that are shown at most.
const LISTED: usize = 500;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/blocklists", get(show))
}

async fn show(
    Insider(visitor): Insider,
    State(blocklists): State<Arc<Blocklists>>,
    State(clock): State<Arc<dyn Clock>>,
) -> Result<Page, Broken> {
    let (status, listings) = (blocklists.status().await?, blocklists.listings().await?);
    let (mut after, mut alerts) = (0, Vec::new());
    loop {
        let page = blocklists.alerts(after).await?;
        alerts.extend(list(&page["alerts"]).iter().cloned());
        match page["next"].as_i64() {
            Some(next) => after = next,
            None => break,
        }
    }
    let now_ms = clock.now_ms();
    let searched: Vec<&str> = list(&status["searched_for"]).iter().filter_map(Value::as_str).collect();
    let content = html! {
        p.lead { "Whether this deployment stands in a register of what is blocked. Searched for: " (searched.join(", ")) }
        (registers(list(&status["blocklists"])))
        h2 { "Listings over time" }
        (chart(&alerts, now_ms))
        h2 { "What stands there now" }
        (listed(list(&listings["listings"])))
    };
    Ok(page(&visitor, Part::Blocklists, "Blocklists", &content))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_default()
}

fn registers(registers: &[Value]) -> Markup {
    let count = |value: &Value| value.as_i64().map_or_else(|| "–".to_owned(), number);
    html! {
        @if registers.is_empty() {
            div.card { p { "No register is watched: a section [[blocklists]] of the configuration names one." } }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Registers" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Register" } th scope="col" { "Where" } th.number scope="col" { "Entries" } th scope="col" { "Read" } th scope="col" { "Of" }
                            th scope="col" { "Whole" } th.number scope="col" { "Listed" } th.number scope="col" { "Near" }
                        }
                    }
                    tbody {
                        @for register in registers {
                            @let hits = register["listed"].as_u64().unwrap_or_default();
                            tr {
                                th scope="row" { (text(register, "name")) br; span.soft { (text(register, "authority")) } }
                                td { (text(register, "jurisdiction")) } td.number { (count(&register["entries"])) }
                                td { @match register["read_ts"].as_i64() { Some(at) => { (time(at)) } None => { (tag("warn", "never")) } } }
                                td { @if let Some(at) = register["updated_ts"].as_i64() { (time(at)) } }
                                td {
                                    @match register["whole"].as_bool() {
                                        Some(true) => { (tag("good", "whole")) }
                                        Some(false) => { @for alert in list(&register["alerts"]) { (tag("bad", text(alert, "kind"))) " " } @if list(&register["alerts"]).is_empty() { (tag("bad", "not whole")) } }
                                        None => { span.soft { "–" } }
                                    }
                                }
                                td.number { @if hits > 0 { (tag("bad", &hits.to_string())) } @else { "0" } }
                                td.number { (count(&register["near"])) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn chart(alerts: &[Value], now_ms: i64) -> Markup {
    let first = now_ms - BACK_MS;
    let found = spans(alerts, first, now_ms);
    html! {
        @if found.is_empty() {
            div.card.fine { p { "Nothing of this deployment stood in a register in the last 90 days." } }
        } @else {
            (lanes("The last 90 days", &found, (first, now_ms)))
            (legend([("bad".to_owned(), "listed"), ("warn".to_owned(), "near to what is listed")]))
        }
    }
}

/// A lane for each of ours in each register.
fn spans(alerts: &[Value], first: i64, now_ms: i64) -> Vec<Lane> {
    let mut found: BTreeMap<(&str, &str), Lane> = BTreeMap::new();
    for alert in alerts {
        let class = match text(alert, "kind") {
            "appeared" => "bad",
            "near" => "warn",
            _ => continue,
        };
        let (Some(own), Some(from)) = (alert["own"].as_str(), alert["created_ts"].as_i64()) else { continue };
        let upto = alert["ended_ts"].as_i64().unwrap_or(now_ms);
        if upto < first {
            continue;
        }
        let register = text(alert, "blocklist");
        let lane = found.entry((own, register)).or_insert_with(|| Lane {
            name: own.to_owned(),
            about: register.to_owned(),
            marks: Vec::new(),
        });
        let matched = text(&alert["detail"], "matched");
        let until = if alert["ended_ts"].is_null() { "until now" } else { "and gone again" };
        lane.marks.push(Mark { from, upto, class, title: format!("{} as {matched}, {until}", text(alert, "kind")) });
    }
    found.into_values().take(LANES).collect()
}

fn listed(listings: &[Value]) -> Markup {
    html! {
        @if listings.is_empty() {
            div.card.fine { p { "Nothing." } }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Listings" {
                table {
                    thead {
                        tr {
                            th.text scope="col" { "Of ours" } th scope="col" { "How" } th.text scope="col" { "Entry" } th.text scope="col" { "By whom" } th.text scope="col" { "Why" }
                            th scope="col" { "Seen first" }
                        }
                    }
                    tbody {
                        @for listing in listings.iter().take(LISTED) {
                            @let hit = listing["listed"].as_bool() == Some(true);
                            tr {
                                th.text.mono scope="row" { (text(listing, "own")) }
                                td { (tag(if hit { "bad" } else { "warn" }, text(listing, "how"))) }
                                td.text.mono { (text(listing, "matched")) }
                                td.text {
                                    (text(listing, "authority"))
                                    @if !text(listing, "number").is_empty() { ", no. " (text(listing, "number")) }
                                    @if !text(listing, "date").is_empty() { ", " (text(listing, "date")) }
                                    br; span.soft { (text(listing, "blocklist")) @if !text(listing, "block_type").is_empty() { ", " (words(text(listing, "block_type"))) } }
                                }
                                td.text { (text(listing, "reason")) }
                                td { @if let Some(at) = listing["appeared_ts"].as_i64() { (time(at)) } }
                            }
                        }
                    }
                }
            }
            @if listings.len() > LISTED { p.soft { "There are more: " code { "domicile blocklist list" } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_listing_is_a_mark_from_its_first_day_to_its_last() {
        let alert = |kind: &str, created: i64, ended: Option<i64>| {
            json!({ "kind": kind, "own": "chat.example.org", "blocklist": "rkn", "created_ts": created, "ended_ts": ended,
                    "detail": { "matched": "<b>*.example.org" } })
        };
        let alerts = [
            alert("appeared", 100, Some(200)),
            alert("appeared", 300, None),
            alert("disappeared", 200, Some(200)),
            alert("appeared", 1, Some(2)),
        ];
        let found = spans(&alerts, 50, 400);
        assert_eq!(found.len(), 1);
        let marks: Vec<(i64, i64)> = found[0].marks.iter().map(|mark| (mark.from, mark.upto)).collect();
        assert_eq!(marks, [(100, 200), (300, 400)]);
        assert!(!chart(&alerts, 400).into_string().contains("<b>*"));
    }
}
