//! GET /console/probes, and runs under it (whether somebody interferes with the ways to this deployment, over time)

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    routing::get,
};
use domicile_app::probes::{Probes, history::Shown};
use domicile_core::clock::{Clock, DAY_MS, HOUR_MS};
use maud::{Markup, html};

use super::{
    frame::{Broken, Part, page},
    overview::newest,
    visitor::Insider,
};
use crate::{
    admin::AdminServices,
    pages::{
        Page,
        chart::{Lane, Mark, lanes, legend},
        shown::{bytes, tag, time, words},
    },
};

/// How far back the chart goes.
const BACK_MS: i64 = 30 * DAY_MS;
/// Pages of results that are read for it.
const PAGES: usize = 40;
/// How long a result stands for what comes after it, at most.
const STANDS_MS: i64 = 6 * HOUR_MS;
/// Longest run that is shown as it is, in bytes.
const RUN_BYTES: usize = 256 * 1024;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/probes", get(show)).route("/console/probes/{run}", get(run))
}

async fn show(
    Insider(visitor): Insider,
    State(probes): State<Arc<Probes>>,
    State(clock): State<Arc<dyn Clock>>,
) -> Result<Page, Broken> {
    let now_ms = clock.now_ms();
    let (first, mut before, mut history) = (now_ms - BACK_MS, None, Vec::<Shown>::new());
    for _ in 0..PAGES {
        let (found, next) = probes.history(before, None).await?;
        history.extend(found.into_iter().filter(|seen| seen.started_ts >= first));
        match next {
            Some(next) if history.last().is_none_or(|seen| seen.started_ts >= first) => before = Some(next),
            _ => break,
        }
    }
    let found = lanes_of(&history, now_ms);
    let content = html! {
        p.lead { "What was seen of the ways to this deployment, from here and from those who were invited to look from elsewhere." }
        @if found.is_empty() {
            div.card { p { "Nothing was looked at in the last 30 days: " code { "domicile probe now" } " looks now, and probe.interval says how often the server does." } }
        } @else {
            (lanes("The last 30 days", &found, (first, now_ms)))
            (legend([("good".to_owned(), "ok"), ("bad".to_owned(), "interfered with, or down"), ("warn".to_owned(), "no network there"), ("unsure".to_owned(), "cannot be said")]))
            h2 { "As seen last" }
            (table(&newest(history)))
        }
    };
    Ok(page(&visitor, Part::Probes, "Probes", &content))
}

/// The colour of a verdict.
fn class(verdict: &str) -> &'static str {
    match verdict {
        "ok" => "good",
        "inconclusive" => "unsure",
        "network_down" => "warn",
        _ => "bad",
    }
}

/// A lane for each way to each address, from results of which the newest come first. What follows each other and says the same is one mark.
fn lanes_of(history: &[Shown], now_ms: i64) -> Vec<Lane> {
    let mut found: BTreeMap<(String, i64, Option<String>), Lane> = BTreeMap::new();
    for seen in history.iter().rev() {
        let lane = found.entry((seen.host.clone(), seen.port, seen.vantage.clone())).or_insert_with(|| Lane {
            name: format!("{}:{}", seen.host, seen.port),
            about: format!("from {}", seen.vantage.as_deref().unwrap_or("this server")),
            marks: Vec::new(),
        });
        let title = words(&seen.verdict);
        let upto = seen.started_ts.saturating_add(STANDS_MS).min(now_ms);
        match lane.marks.last_mut() {
            Some(last) if last.title == title && last.upto >= seen.started_ts => last.upto = upto,
            last => {
                if let Some(last) = last {
                    last.upto = last.upto.min(seen.started_ts);
                }
                lane.marks.push(Mark { from: seen.started_ts, upto, class: class(&seen.verdict), title });
            }
        }
    }
    found.into_values().collect()
}

fn table(newest: &[Shown]) -> Markup {
    let rate = |rate: Option<i64>| rate.map_or_else(|| "–".to_owned(), |rate| format!("{}/s", bytes(rate)));
    html! {
        div.wide tabindex="0" role="region" aria-label="As seen last" {
            table {
                thead {
                    tr {
                        th scope="col" { "Address" } th scope="col" { "From" } th scope="col" { "Verdict" } th.text scope="col" { "Because" }
                        th.number scope="col" { "Speed" } th scope="col" { "Run" }
                    }
                }
                tbody {
                    @for seen in newest {
                        tr {
                            th scope="row" { (seen.host) ":" (seen.port) }
                            td { (seen.vantage.as_deref().unwrap_or("this server")) }
                            td { (verdict(&seen.verdict)) }
                            td.text { ul.plain { @for reason in &seen.evidence { li { (reason) } } } }
                            td.number { (rate(seen.rates.0)) br; span.soft { (rate(seen.rates.1)) " elsewhere" } }
                            td { a href={ "/console/probes/" (seen.run) } { (time(seen.started_ts)) } }
                        }
                    }
                }
            }
        }
    }
}

fn verdict(word: &str) -> Markup {
    let class = match class(word) {
        "unsure" => "warn",
        other => other,
    };
    tag(class, word)
}

async fn run(
    Insider(visitor): Insider,
    State(probes): State<Arc<Probes>>,
    Path(number): Path<i64>,
) -> Result<Page, Broken> {
    let report = probes.one(number).await?;
    let whole = serde_json::to_string_pretty(&report).map_err(domicile_app::Error::internal)?;
    let (is_long, upto) = (whole.len() > RUN_BYTES, whole.floor_char_boundary(RUN_BYTES));
    let content = html! {
        p.lead { "Begun " (time(report.run.started_ms)) " UTC. " a href="/console/probes" { "All probes" } }
        @for (measurement, seen) in report.judged() {
            div.card {
                h3 { (measurement.target.url()) " " (verdict(seen.kind.name())) }
                ul { @for reason in &seen.evidence { li { (reason) } } }
            }
        }
        details {
            summary { "Everything that was measured" }
            pre { (whole.get(..upto).unwrap_or_default()) @if is_long { "\n…" } }
            p.soft { "As text for a terminal: " code { "domicile probe show " (number) } }
        }
    };
    Ok(page(&visitor, Part::Probes, &format!("Probe run {number}"), &content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(at: i64, verdict: &str) -> Shown {
        Shown {
            run: at,
            vantage: None,
            started_ts: at,
            host: "chat.example.org".to_owned(),
            port: 443,
            verdict: verdict.to_owned(),
            evidence: Vec::new(),
            rates: (None, None),
        }
    }

    #[test]
    fn what_says_the_same_is_one_mark() {
        let hour = |hours: i64| hours * HOUR_MS;
        // The newest first, as the history has them.
        let history = [seen(hour(30), "ok"), seen(hour(2), "sni_reset"), seen(hour(1), "ok"), seen(0, "ok")];
        let found = lanes_of(&history, hour(31));
        let marks: Vec<(i64, i64, &str)> =
            found[0].marks.iter().map(|mark| (mark.from, mark.upto, mark.class)).collect();
        assert_eq!(marks, [(0, hour(2), "good"), (hour(2), hour(8), "bad"), (hour(30), hour(31), "good")]);
    }
}
