//! GET /console/ledger (what crossed a border, by day, as a chart)

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use axum::{
    Router,
    extract::{Query, State},
    routing::get,
};
use domicile_app::evidence::ledger::Crossing;
use domicile_core::clock::{Clock, DAY_MS};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    frame::{Broken, Part, page},
    visitor::Insider,
};
use crate::{
    admin::{AdminServices, Evidence},
    pages::{
        Page,
        chart::{Stacked, stacked},
        shown::{bytes, number},
    },
};

/// How many days can be shown.
const DAYS: [i64; 3] = [30, 90, 365];

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/ledger", get(show))
}

/// What is shown.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
struct Wanted {
    days: i64,
    by: By,
    of: Of,
}

impl Default for Wanted {
    fn default() -> Self {
        Self { days: DAYS[0], by: By::Way, of: Of::Bytes }
    }
}

/// What has a colour of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Way,
    Flow,
    Class,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Of {
    Bytes,
    Items,
}

impl By {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::Way, "way", "From and to"),
        (Self::Flow, "flow", "In which way"),
        (Self::Class, "class", "Class of data"),
    ];

    fn of(self, crossing: &Crossing) -> String {
        match self {
            Self::Way => format!("{} → {}", crossing.origin, crossing.destination),
            Self::Flow => crossing.flow.clone(),
            Self::Class => crossing.class.clone(),
        }
    }
}

impl Of {
    const ALL: [(Self, &'static str, &'static str); 2] =
        [(Self::Bytes, "bytes", "Bytes"), (Self::Items, "items", "Number")];

    fn of(self, crossing: &Crossing) -> i64 {
        match self {
            Self::Bytes => crossing.bytes,
            Self::Items => crossing.items,
        }
    }

    fn shown(self) -> fn(i64) -> String {
        match self {
            Self::Bytes => bytes,
            Self::Items => number::<i64>,
        }
    }
}

async fn show(
    Insider(visitor): Insider,
    State(evidence): State<Evidence>,
    State(clock): State<Arc<dyn Clock>>,
    Query(wanted): Query<Wanted>,
) -> Result<Page, Broken> {
    let days = wanted.days.clamp(1, DAYS[2]);
    let today = clock.now_ms().div_euclid(DAY_MS);
    let first = today - days + 1;
    let crossings = evidence.ledger.between(first, today).await?;
    let content = html! {
        p.lead { "What left this cell's region, by day: sums, and nothing about a person. Other people's servers together are called outer." }
        (choice(wanted))
        (stacked(&chart(&crossings, first, days, wanted)))
        h2 { "In these days" }
        (sums(&crossings))
    };
    Ok(page(&visitor, Part::Ledger, "Export ledger", &content))
}

fn choice(wanted: Wanted) -> Markup {
    html! {
        form.card method="get" action="/console/ledger" {
            div.pair {
                label { "Days" select name="days" { @for days in DAYS { option value=(days) selected[days == wanted.days] { (days) } } } }
                label { "Colours" select name="by" { @for (by, word, name) in By::ALL { option value=(word) selected[by == wanted.by] { (name) } } } }
                label { "Height" select name="of" { @for (of, word, name) in Of::ALL { option value=(word) selected[of == wanted.of] { (name) } } } }
            }
            p { button type="submit" { "Show" } }
        }
    }
}

fn chart(crossings: &[Crossing], first: i64, days: i64, wanted: Wanted) -> Stacked {
    let series: BTreeSet<String> = crossings.iter().map(|crossing| wanted.by.of(crossing)).collect();
    let series: Vec<String> = series.into_iter().collect();
    let length = usize::try_from(days).unwrap_or_default();
    let mut rows = vec![vec![0_i64; series.len()]; length];
    for crossing in crossings {
        let day = usize::try_from(crossing.day - first).ok();
        let column = series.binary_search(&wanted.by.of(crossing)).ok();
        let cell = day.and_then(|day| rows.get_mut(day)).zip(column).and_then(|(row, column)| row.get_mut(column));
        if let Some(sum) = cell {
            *sum = sum.saturating_add(wanted.of.of(crossing));
        }
    }
    let what = if wanted.of == Of::Bytes { "Bytes" } else { "Items" };
    let title = format!("{what} that left, by day");
    Stacked { title, first, series, days: rows, number: wanted.of.shown() }
}

fn sums(crossings: &[Crossing]) -> Markup {
    let mut sums: BTreeMap<[&str; 5], (i64, i64)> = BTreeMap::new();
    for one in crossings {
        let key = [&one.origin, &one.destination, &one.flow, &one.class, &one.basis].map(String::as_str);
        let sum = sums.entry(key).or_default();
        *sum = (sum.0.saturating_add(one.items), sum.1.saturating_add(one.bytes));
    }
    html! {
        @if sums.is_empty() {
            div.card { p { "Nothing left this region." } }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Sums of these days" {
                table {
                    thead {
                        tr {
                            th scope="col" { "From" } th scope="col" { "To" } th scope="col" { "Way" } th scope="col" { "Class" }
                            th.number scope="col" { "Items" } th.number scope="col" { "Bytes" } th.text scope="col" { "Legal basis" }
                        }
                    }
                    tbody {
                        @for ([origin, destination, flow, class, basis], (items, sum)) in &sums {
                            tr {
                                td { (origin) } td { (destination) } td { (flow) } td { (class) }
                                td.number { (number(*items)) } td.number { (bytes(*sum)) } td.text { (basis) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crossings_become_columns_of_their_day() {
        let crossing = |day: i64, flow: &str, bytes: i64| Crossing {
            day,
            class: "content".to_owned(),
            origin: "eu".to_owned(),
            destination: "outer".to_owned(),
            flow: flow.to_owned(),
            basis: String::new(),
            items: 1,
            bytes,
        };
        let crossings =
            [crossing(10, "events", 5), crossing(10, "events", 7), crossing(12, "media", 3), crossing(99, "media", 1)];
        let wanted = Wanted { days: 3, by: By::Flow, of: Of::Bytes };
        let drawn = chart(&crossings, 10, 3, wanted);
        assert_eq!(drawn.series, ["events", "media"]);
        assert_eq!(drawn.days, [vec![12, 0], vec![0, 0], vec![0, 3]]);
    }
}
