//! GET /console/moves (people who move from this cell to another: how many, and how far each is)

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, extract::State, routing::get};
use domicile_app::moves::{Counted, Moves, Shown, State as Step};
use domicile_core::clock::Clock;
use maud::{Markup, html};

use super::{
    frame::{Broken, Part, page},
    visitor::Insider,
};
use crate::{
    admin::AdminServices,
    pages::{
        Page,
        shown::{about, counted, number, tag, time},
    },
};

/// Moves that are shown one by one.
const SHOWN: usize = 200;
/// Letters that are shown of what went wrong.
const ERROR: usize = 300;
/// States in which somebody is on the way, and what the column of a table is called that counts them.
const ON_THE_WAY: [(&str, &[Step]); 4] = [
    ("Announced", &[Step::Announced]),
    ("Objected", &[Step::Objected]),
    ("Being copied", &[Step::Copying]),
    ("Handed over", &[Step::HandedOver, Step::Issued, Step::Left, Step::Erased]),
];

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/moves", get(show))
}

async fn show(
    Insider(visitor): Insider,
    State(moves): State<Arc<Moves>>,
    State(clock): State<Arc<dyn Clock>>,
) -> Result<Page, Broken> {
    let counts = moves.counts().await?;
    let under_way = moves.under_way(SHOWN).await?;
    let content = html! {
        p.lead {
            "People whose account goes from this cell to another one. Nobody is named here: " code { "domicile move --list" } " says who moves, and what somebody \
             said who objects. " a href="/console/arrivals" { "Those who come" } " have a page of their own."
        }
        @if counts.is_empty() {
            div.card { p { "Nobody has been moved away from here." } }
        } @else {
            (tiles(&counts, &under_way))
            (by_cell(&counts))
            (one_by_one(&under_way, &counts, clock.now_ms()))
        }
        (commands())
    };
    Ok(page(&visitor, Part::Moves, "Moves", &content))
}

/// How many of these moves are in one of some states.
fn of<'c>(counts: impl IntoIterator<Item = &'c Counted>, states: &[Step]) -> i64 {
    let is = |one: &&Counted| states.iter().any(|state| state.word() == one.state);
    counts.into_iter().filter(is).map(|one| one.count).sum()
}

fn open(counts: &[Counted]) -> i64 {
    ON_THE_WAY.iter().map(|(_, states)| of(counts, states)).sum()
}

fn tiles(counts: &[Counted], under_way: &[Shown]) -> Markup {
    let failing = under_way.iter().filter(|one| one.attempts > 0).count();
    // Of more moves than are read, nobody has counted the others.
    let at_least = under_way.len() == SHOWN && failing > 0;
    let (objected, failing) = (of(counts, &[Step::Objected]), i64::try_from(failing).unwrap_or(i64::MAX));
    html! {
        ul.tiles {
            (tile(None, open(counts), "under way", false))
            (tile((objected > 0).then_some("warn"), objected, "objected: you decide", false))
            (tile((failing > 0).then_some("bad"), failing, "tried again", at_least))
            (tile(None, of(counts, &[Step::Done]), "done", false))
            (tile(None, of(counts, &[Step::Stopped]), "stopped", false))
        }
    }
}

/// One number of the head of a page. `at_least`: there may be more.
pub(super) fn tile(class: Option<&str>, count: i64, name: &str, at_least: bool) -> Markup {
    html! { li class=[class] { div { b { (number(count)) @if at_least { "+" } } span { (name) } } } }
}

fn by_cell(counts: &[Counted]) -> Markup {
    let mut cells: BTreeMap<(&str, &str), Vec<&Counted>> = BTreeMap::new();
    for one in counts {
        cells.entry((one.to_region.as_deref().unwrap_or("–"), &one.to)).or_default().push(one);
    }
    html! {
        h2 { "Where to" }
        div.wide tabindex="0" role="region" aria-label="Moves by cell and state" {
            table {
                thead {
                    tr {
                        th scope="col" { "Region" } th scope="col" { "Cell" }
                        @for (name, _) in ON_THE_WAY { th.number scope="col" { (name) } }
                        th.number scope="col" { "Done" } th.number scope="col" { "Stopped" } th.text scope="col" { "How far" }
                    }
                }
                tbody { @for ((region, cell), counts) in &cells { (of_cell(region, cell, counts)) } }
            }
        }
    }
}

fn of_cell(region: &str, cell: &str, counts: &[&Counted]) -> Markup {
    let of = |states: &[Step]| of(counts.iter().copied(), states);
    let count = |count: i64| html! { td.number.zero[count == 0] { (number(count)) } };
    let (done, all) = (of(&[Step::Done]), counts.iter().map(|one| one.count).sum::<i64>() - of(&[Step::Stopped]));
    html! {
        tr {
            td { (region) } th scope="row" { (cell) }
            @for (_, states) in ON_THE_WAY { (count(of(states))) }
            (count(done)) (count(of(&[Step::Stopped])))
            td.text {
                @if all > 0 {
                    progress.good max=(all) value=(done) aria-label={ "Done of all moves to " (cell) } {}
                    span.soft { (number(done)) " of " (number(all)) " done" }
                } @else { span.soft { "–" } }
            }
        }
    }
}

fn one_by_one(under_way: &[Shown], counts: &[Counted], now_ms: i64) -> Markup {
    let all = open(counts);
    let more = all.saturating_sub(i64::try_from(under_way.len()).unwrap_or(i64::MAX));
    html! {
        h2 { "Under way" }
        @if under_way.is_empty() {
            div.card.fine { p { "Nobody is on the way." } }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Moves that are under way" {
                table {
                    thead { tr { th scope="col" { "Move" } th scope="col" { "To" } th scope="col" { "Stands" } th.text scope="col" { "How far" } th scope="col" { "Since" } th scope="col" { "Ordered by" } } }
                    tbody { @for one in under_way { (row_of(one, now_ms)) } }
                }
            }
            @if more > 0 { p.soft { "And " (number(more)) " more, whose next step is due later." } }
        }
    }
}

fn row_of(one: &Shown, now_ms: i64) -> Markup {
    let state = Step::parse(&one.state);
    let class = match state {
        _ if one.attempts > 0 => "bad",
        Some(Step::Objected) => "warn",
        Some(Step::Announced) => "",
        _ => "good",
    };
    html! {
        tr {
            th.mono scope="row" { (one.move_id) }
            td { (one.to) @if let Some(region) = &one.to_region { " " span.soft { (region) } } }
            td { (tag(class, &one.state)) }
            td.text {
                (how_far(one, state, now_ms))
                @if one.attempts > 0 { (failing(one, now_ms)) }
            }
            td { (time(one.created_ts)) }
            td { (one.by) }
        }
    }
}

fn how_far(one: &Shown, state: Option<Step>, now_ms: i64) -> Markup {
    let progress = &one.progress;
    html! {
        @match state {
            Some(Step::Announced) if one.begin_ts > now_ms => { "begins in " (about(one.begin_ts - now_ms)) }
            Some(Step::Announced) => { "begins now" }
            Some(Step::Objected) => { "waits for your decision" }
            Some(Step::Copying) => {
                (bar("rooms", progress.rooms.done, progress.rooms.of))
                (bar("files", progress.media.done, progress.media.of))
            }
            Some(Step::HandedOver) => { "let go; the directory is asked" }
            Some(Step::Issued) => { "the new home opens the vault" }
            Some(Step::Left) => { (bar("rows and files erased here", progress.erased.done, progress.erased.of)) }
            Some(Step::Erased) => {
                @if progress.untold.is_empty() { "the last room copies go" }
                @else { (counted(progress.untold.len(), "cell is", "cells are")) " still to be told: " (progress.untold.join(", ")) }
            }
            _ => {}
        }
    }
}

/// How many of something are done; nothing where nobody knows yet how many there are.
fn bar(what: &str, done: u64, of: u64) -> Markup {
    html! {
        @if of == 0 { span.soft { "no " (what) " so far" } br; }
        @else {
            progress.good max=(of) value=(done.min(of)) aria-label=(what) {}
            span.soft { (number(done)) " of " (number(of)) " " (what) } br;
        }
    }
}

/// What went wrong the last time. Whom it was about is nobody's business here.
fn failing(one: &Shown, now_ms: i64) -> Markup {
    let error = one.error.as_deref().unwrap_or("it is not known why").replace(&one.user_id, "the person");
    let shown: String = error.chars().take(ERROR).collect();
    let wait = one.due_ts.saturating_sub(now_ms);
    html! {
        p.said { "Failed " (counted(usize::try_from(one.attempts).unwrap_or(usize::MAX), "time", "times")) ": " (shown) }
        p.soft { @if wait <= 0 { "Tried again now." } @else { "Tried again in " (about(wait)) "." } }
    }
}

fn commands() -> Markup {
    html! {
        h2 { "What you do" }
        div.card {
            p { "People are moved on the command line; nothing is moved from here." }
            pre {
                "domicile move USER --to REGION --dry-run    # what would move, and whom it concerns\n"
                "domicile move USER --to REGION --notice 14 --reason \"…\"\n"
                "domicile move --list                        # who moves, and what they say\n"
                "domicile move USER --go-on                  # after an objection\n"
                "domicile move USER --stop                   # before anything is handed over"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted_as(to: &str, state: Step, count: i64) -> Counted {
        let (to, state) = (to.to_owned(), state.word().to_owned());
        Counted { to, to_region: Some("ch".to_owned()), state, count, first_ts: 0, last_ts: 0 }
    }

    #[test]
    fn every_state_is_in_a_column() {
        for state in Step::ALL {
            let open = open(&[counted_as("ch1", state, 1)]);
            assert_eq!(open, i64::from(!state.is_over()), "{state:?}");
        }
    }

    #[test]
    fn stopped_moves_count_for_nothing_in_how_far_it_is() {
        let counts = [
            counted_as("ch1", Step::Done, 3),
            counted_as("ch1", Step::Copying, 1),
            counted_as("ch1", Step::Stopped, 5),
        ];
        let page = by_cell(&counts).into_string();
        assert!(page.contains("3 of 4 done") && page.contains("max=\"4\" value=\"3\""), "{page}");
    }
}
