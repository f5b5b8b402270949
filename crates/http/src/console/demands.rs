//! GET /console/demands, and each with its answer under it (demands of authorities)

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use domicile_app::standing::{
    Demands,
    demands::{Answered, Counts, Demand, Outcome},
};
use domicile_core::{
    clock::Clock,
    error::{ErrorKind, MatrixError},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    frame::{Broken, Part, page, refusal, token},
    visitor::{Act, Insider, Visitor},
};
use crate::{
    admin::AdminServices,
    pages::{
        Page, go_to,
        shown::{bytes, number, tag, time, until, words},
    },
};

/// Answered demands that are listed: the newest.
const LISTED: usize = 200;
/// What stands before a class's name in a field's.
const GIVEN: &str = "given_";

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/demands", get(list)).route("/console/demands/{demand}", get(one).post(answer))
}

async fn list(
    Insider(visitor): Insider,
    State(demands): State<Arc<Demands>>,
    State(clock): State<Arc<dyn Clock>>,
) -> Result<Page, Broken> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let (found, next) = demands.list(after).await?;
        all.extend(found);
        match next {
            Some(next) => after = next,
            None => break,
        }
    }
    let (mut open, mut answered): (Vec<Demand>, Vec<Demand>) =
        all.into_iter().partition(|demand| demand.answered_ts.is_none());
    open.sort_by_key(|demand| demand.due_ts.unwrap_or(i64::MAX));
    answered.reverse();
    let counts = demands.counts().await?;
    let content = html! {
        p.lead { "What authorities demanded, until when it is to be answered, and what was decided. The counts are on the status page." }
        h2 { "Open" }
        @if open.is_empty() { div.card.fine { p { "No demand waits for an answer." } } }
        @for demand in &open { (open_one(demand, clock.now_ms())) }
        div.card { p { "A demand that came is written down on the command line:" } pre { "domicile demand add CODE --authority … --basis … --scope …" } }
        @if !answered.is_empty() { h2 { "Answered" } (answered_ones(&answered)) }
        h2 { "Counts" }
        (counts_of(&counts))
    };
    Ok(page(&visitor, Part::Demands, "Demands", &content))
}

fn open_one(demand: &Demand, now_ms: i64) -> Markup {
    html! {
        div.card.urgent[demand.is_late].care[!demand.is_late] {
            h3 { a href={ "/console/demands/" (demand.demand) } { "Demand " (demand.demand) " of " (demand.authority) } " " span.soft { (demand.code) } }
            (clock_of(demand, now_ms))
            p.soft { (demand.basis) }
        }
    }
}

/// How much of a demand's time is over.
fn clock_of(demand: &Demand, now_ms: i64) -> Markup {
    html! {
        @match demand.due_ts {
            Some(due_ts) => {
                @let whole = due_ts.saturating_sub(demand.received_ts).max(1);
                @let over = now_ms.saturating_sub(demand.received_ts).clamp(0, whole);
                p {
                    progress.late[demand.is_late] max=(whole) value=(over) aria-label="Time that is over" {}
                    b { (until(now_ms, due_ts)) } ", due " (time(due_ts)) " UTC; it came " (time(demand.received_ts))
                }
            }
            None => { p { "No date is set for the answer; it came " (time(demand.received_ts)) " UTC." } }
        }
    }
}

fn answered_ones(answered: &[Demand]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="Answered demands" {
            table {
                thead {
                    tr {
                        th.number scope="col" { "Demand" } th scope="col" { "Where" } th.text scope="col" { "Authority" }
                        th scope="col" { "Came" } th scope="col" { "Answered" } th scope="col" { "Decided" } th.number scope="col" { "Given" }
                    }
                }
                tbody {
                    @for demand in answered.iter().take(LISTED) {
                        tr {
                            td.number { a href={ "/console/demands/" (demand.demand) } { (demand.demand) } }
                            td { (demand.code) } td.text { (demand.authority) } td { (time(demand.received_ts)) }
                            td { @if let Some(at) = demand.answered_ts { (time(at)) } }
                            td { (tag("", &demand.state)) } td.number { (bytes(demand.given.values().sum())) }
                        }
                    }
                }
            }
        }
        @if answered.len() > LISTED { p.soft { "Older ones: " code { "domicile demand list" } } }
    }
}

fn counts_of(counts: &Counts) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="Counts of demands" {
            table {
                thead {
                    tr {
                        th scope="col" { "Year" } th scope="col" { "Where" } th.number scope="col" { "Came" } th.number scope="col" { "Open" }
                        th.number scope="col" { "Nothing given" } th.number scope="col" { "Something given" } th.number scope="col" { "Bytes given" }
                    }
                }
                tbody {
                    @for (year, codes) in counts.years.iter().rev() {
                        @for (code, count) in codes {
                            tr {
                                td { (year) } td { (code) } td.number { (number(count.received)) } td.number { (number(count.open)) }
                                td.number { (number(count.nothing_given)) } td.number { (number(count.given)) } td.number { (bytes(count.bytes)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

async fn one(
    Insider(visitor): Insider,
    State(demands): State<Arc<Demands>>,
    State(clock): State<Arc<dyn Clock>>,
    Path(demand): Path<i64>,
) -> Result<Page, Broken> {
    let demand = demands.get(demand).await?;
    Ok(page_of(&visitor, &demand, clock.now_ms(), &Typed::default(), None))
}

/// What somebody filled in.
#[derive(Clone, Debug, Default, Deserialize)]
struct Typed {
    #[serde(default)]
    outcome: String,
    #[serde(default)]
    decision: String,
    /// Bytes by class, each with its field's name.
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

impl Typed {
    fn answered(&self, who: &str) -> Result<Answered, domicile_app::Error> {
        let outcome = OUTCOMES.into_iter().find(|(_, word, _)| *word == self.outcome).map(|(outcome, ..)| outcome);
        let mut given = BTreeMap::new();
        for (field, text) in &self.others {
            let Some(class) = field.strip_prefix(GIVEN) else { continue };
            if text.trim().is_empty() {
                continue;
            }
            let bytes = text
                .trim()
                .parse()
                .map_err(|_| ErrorKind::InvalidParam.with(format!("{class}: `{text}` is no number of bytes.")))?;
            given.insert(class.to_owned(), bytes);
        }
        Ok(Answered {
            outcome: outcome.ok_or_else(|| ErrorKind::InvalidParam.with("Say what was decided."))?,
            decision: self.decision.clone(),
            who: who.to_owned(),
            given,
        })
    }
}

const OUTCOMES: [(Outcome, &str, &str); 5] = [
    (Outcome::Refused, "refused", "Refused: nothing was given, for a reason"),
    (Outcome::Nothing, "nothing", "Nothing: there is nothing that could be given"),
    (Outcome::Partly, "partly", "Partly: a part was given"),
    (Outcome::Complied, "complied", "Complied: what was demanded was given"),
    (Outcome::Withdrawn, "withdrawn", "Withdrawn: the authority took it back"),
];

async fn answer(
    State(demands): State<Arc<Demands>>,
    State(clock): State<Arc<dyn Clock>>,
    Path(number): Path<i64>,
    Act { visitor, fields: typed }: Act<Typed>,
) -> Result<Response, Broken> {
    let done = match typed.answered(&visitor.account.name) {
        Ok(answered) => demands.answer(number, answered).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(go_to(&format!("/console/demands/{number}"), Vec::new())),
        Err(error) => {
            let refused = Broken::refused(error)?;
            let demand = demands.get(number).await?;
            Ok(page_of(&visitor, &demand, clock.now_ms(), &typed, Some(&refused)).into_response())
        }
    }
}

fn page_of(visitor: &Visitor, demand: &Demand, now_ms: i64, typed: &Typed, refused: Option<&MatrixError>) -> Page {
    let content = html! {
        p.lead { (demand.code) " · " (tag(if demand.is_late { "bad" } else { "" }, &demand.state)) }
        @if demand.answered_ts.is_none() { div.card.urgent[demand.is_late].care[!demand.is_late] { (clock_of(demand, now_ms)) } }
        div.card {
            dl {
                dt { "Authority" } dd { (demand.authority) }
                @if let Some(reference) = &demand.reference { dt { "Their file" } dd { (reference) } }
                dt { "Legal basis" } dd { (demand.basis) }
                @if let Some(duty) = &demand.duty { dt { "Duty" } dd { a href={ "/console/standing/" (duty) } { (duty) } } }
                dt { "Demanded" } dd.said { (demand.scope) }
                dt { "Came" } dd { (time(demand.received_ts)) " UTC" }
            }
        }
        @if let Some(answered_ts) = demand.answered_ts {
            h2 { "The answer" }
            div.card {
                dl {
                    dt { "Decided" } dd { (words(&demand.state)) ", by " (demand.decided_by.as_deref().unwrap_or("–")) ", " (time(answered_ts)) " UTC" }
                    dt { "Why" } dd.said { (demand.decision.as_deref().unwrap_or("–")) }
                    dt { "Given" }
                    dd { @if demand.given.is_empty() { "nothing" } @for (class, sum) in &demand.given { (class) ": " (bytes(*sum)) " " } }
                }
            }
        } @else if visitor.is_editor() {
            h2 { "Note the answer" }
            (refusal(refused))
            (form(visitor, demand, typed))
        }
    };
    page(visitor, Part::Demands, &format!("Demand {}", demand.demand), &content)
}

fn form(visitor: &Visitor, demand: &Demand, typed: &Typed) -> Markup {
    let given = |class: &str| typed.others.get(&format!("{GIVEN}{class}")).cloned().unwrap_or_default();
    html! {
        form.act.card method="post" action={ "/console/demands/" (demand.demand) } {
            (token(visitor))
            label {
                "What was decided"
                select name="outcome" required {
                    option value="" { "Choose" }
                    @for (_, word, about) in OUTCOMES { option value=(word) selected[typed.outcome == word] { (about) } }
                }
            }
            label { "Why, and what was written" textarea name="decision" required { (typed.decision) } }
            details open[typed.others.keys().any(|field| field.starts_with(GIVEN) && !given(field.trim_start_matches(GIVEN)).is_empty())] {
                summary { "What was given, in bytes by class" }
                div.pair {
                    @for class in Demands::classes() {
                        label { (class) input type="number" min="1" inputmode="numeric" name={ (GIVEN) (class) } value=(given(class)); }
                    }
                }
            }
            p.hint { "It is noted under your name, and cannot be changed afterwards. Message content and keys cannot be given: there are none." }
            button type="submit" { "Note the answer" }
        }
    }
}
