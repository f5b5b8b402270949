//! GET /console/arrivals (people who move to this cell from another: how many, and how far each is)

use std::{collections::BTreeMap, sync::Arc};

use axum::{Router, extract::State, routing::get};
use domicile_app::moves::{Arriving, Coming, CountedArrivals, Moves};
use domicile_core::clock::{Clock, DAY_MS, MINUTE_MS};
use maud::{Markup, html};

use super::{
    frame::{Broken, Part, page},
    moves::tile,
    visitor::Insider,
};
use crate::{
    admin::AdminServices,
    pages::{
        Page,
        shown::{about, number, tag, time},
    },
};

/// Arrivals that are shown one by one.
const SHOWN: usize = 200;
/// For how long it is nothing unusual that a vault waits for the directory's word, and that somebody is being brought.
const USUAL_WAIT_MS: i64 = 5 * MINUTE_MS;
const USUAL_WAY_MS: i64 = DAY_MS;
/// How far people are, and what the column of a table is called that counts them.
const COLUMNS: [(&str, Coming); 4] = [
    ("Being brought", Coming::Brought),
    ("Vault waits", Coming::Waits),
    ("Just at home", Coming::Here),
    ("At home", Coming::Settled),
];

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/arrivals", get(show))
}

async fn show(
    Insider(visitor): Insider,
    State(moves): State<Arc<Moves>>,
    State(clock): State<Arc<dyn Clock>>,
) -> Result<Page, Broken> {
    let counts = moves.arrival_counts().await?;
    let arriving = moves.arriving(SHOWN).await?;
    let now_ms = clock.now_ms();
    let content = html! {
        p.lead {
            "People whose account comes to this cell from another one. Nobody is named here: the cell that they leave knows who moves, by whose order and why. "
            a href="/console/moves" { "Those who leave" } " have a page of their own."
        }
        @if counts.is_empty() {
            div.card { p { "Nobody has moved here from another cell." } }
        } @else {
            (tiles(&counts, &arriving, now_ms))
            (by_cell(&counts))
            (one_by_one(&arriving, &counts, now_ms))
        }
        (commands())
    };
    Ok(page(&visitor, Part::Arrivals, "Arrivals", &content))
}

/// How many of these are so far.
fn of<'c>(counts: impl IntoIterator<Item = &'c CountedArrivals>, is: impl Fn(Coming) -> bool) -> i64 {
    let counts = counts.into_iter().filter(|one| Coming::parse(&one.state).is_some_and(&is));
    counts.map(|one| one.count).sum()
}

/// Whether somebody has stood where they are for longer than is usual.
fn is_late(one: &Arriving, now_ms: i64) -> bool {
    let since = now_ms.saturating_sub(one.since_ts);
    match Coming::parse(&one.state) {
        Some(Coming::Brought) => since > USUAL_WAY_MS,
        Some(Coming::Waits) => since > USUAL_WAIT_MS,
        _ => false,
    }
}

fn tiles(counts: &[CountedArrivals], arriving: &[Arriving], now_ms: i64) -> Markup {
    let late = arriving.iter().filter(|one| is_late(one, now_ms)).count();
    // Those who are late stand first, so of more than are read the others are counted only where all that were read are late.
    let at_least = late == SHOWN;
    let late = i64::try_from(late).unwrap_or(i64::MAX);
    html! {
        ul.tiles {
            (tile(None, of(counts, |state| !state.is_home()), "on the way here", false))
            (tile((late > 0).then_some("warn"), late, "take unusually long", at_least))
            (tile(None, of(counts, Coming::is_home), "at home here", false))
        }
    }
}

fn by_cell(counts: &[CountedArrivals]) -> Markup {
    let mut cells: BTreeMap<(&str, &str), Vec<&CountedArrivals>> = BTreeMap::new();
    for one in counts {
        cells.entry((one.from_region.as_deref().unwrap_or("–"), &one.from)).or_default().push(one);
    }
    html! {
        h2 { "Where from" }
        div.wide tabindex="0" role="region" aria-label="Arrivals by cell and how far they are" {
            table {
                thead {
                    tr {
                        th scope="col" { "Region" } th scope="col" { "Cell" }
                        @for (name, _) in COLUMNS { th.number scope="col" { (name) } }
                        th.text scope="col" { "How far" }
                    }
                }
                tbody { @for ((region, cell), counts) in &cells { (of_cell(region, cell, counts)) } }
            }
        }
    }
}

fn of_cell(region: &str, cell: &str, counts: &[&CountedArrivals]) -> Markup {
    let of = |is: &dyn Fn(Coming) -> bool| of(counts.iter().copied(), is);
    let count = |count: i64| html! { td.number.zero[count == 0] { (number(count)) } };
    let (home, all) = (of(&Coming::is_home), of(&|_| true));
    html! {
        tr {
            td { (region) } th scope="row" { (cell) }
            @for (_, wanted) in COLUMNS { (count(of(&|state| state == wanted))) }
            td.text {
                progress.good max=(all) value=(home) aria-label={ "At home here of all who come from " (cell) } {}
                span.soft { (number(home)) " of " (number(all)) " at home" }
            }
        }
    }
}

fn one_by_one(arriving: &[Arriving], counts: &[CountedArrivals], now_ms: i64) -> Markup {
    let all = of(counts, |state| state != Coming::Settled);
    let more = all.saturating_sub(i64::try_from(arriving.len()).unwrap_or(i64::MAX));
    html! {
        h2 { "Under way" }
        @if arriving.is_empty() {
            div.card.fine { p { "Nobody is on the way here." } }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Arrivals that are under way" {
                table {
                    thead { tr { th scope="col" { "Move" } th scope="col" { "From" } th scope="col" { "Stands" } th.text scope="col" { "How far" } th scope="col" { "So far since" } } }
                    tbody { @for one in arriving { (row_of(one, now_ms)) } }
                }
            }
            @if more > 0 { p.soft { "And " (number(more)) " more, who have got as far as they are later." } }
        }
    }
}

fn row_of(one: &Arriving, now_ms: i64) -> Markup {
    let state = Coming::parse(&one.state);
    let late = is_late(one, now_ms);
    let class = match state {
        _ if late => "warn",
        Some(Coming::Brought) => "",
        _ => "good",
    };
    html! {
        tr {
            th.mono scope="row" { (one.move_id) }
            td { (one.from) @if let Some(region) = &one.from_region { " " span.soft { (region) } } }
            td { (tag(class, &one.state)) }
            td.text {
                @match state {
                    Some(Coming::Brought) => { "rooms and files are brought; " (number(one.files)) @if one.files == 1 { " file is here" } @else { " files are here" } }
                    Some(Coming::Waits) => { "the vault is here, sealed, and waits for the directory's word" }
                    Some(Coming::Here) => { "at home here; what reached the cell that they left still comes" }
                    _ => {}
                }
                @if late { (why_late(state, now_ms.saturating_sub(one.since_ts))) }
            }
            td { (time(one.since_ts)) }
        }
    }
}

/// What may be the matter, and where that is to be seen.
fn why_late(state: Option<Coming>, since_ms: i64) -> Markup {
    html! {
        p.soft {
            "For " (about(since_ms)) ". "
            @if state == Some(Coming::Waits) {
                "The cell that they leave or the directory may be out of reach: " code { "domicile directory status" } " says how it is."
            } @else {
                "It may have been called off while this cell was out of reach: " code { "domicile move --list" } " says so at the cell that they leave."
            }
        }
    }
}

fn commands() -> Markup {
    html! {
        h2 { "What you do" }
        div.card {
            p { "A move is ordered, stopped and decided about at the cell that the person leaves; here nothing has to be done." }
            pre {
                "domicile move --arriving                    # these, here\n"
                "domicile move --list                        # who they are and what went wrong, at the cell that they leave\n"
                "domicile explain USER                       # why the home of somebody who has come is here"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(state: Coming, count: i64) -> CountedArrivals {
        let (from, state) = ("ch1".to_owned(), state.word().to_owned());
        CountedArrivals { from, from_region: Some("ch".to_owned()), state, count, first_ts: 0, last_ts: 0 }
    }

    #[test]
    fn every_state_is_in_a_column_and_at_home_or_on_the_way() {
        for state in Coming::ALL {
            assert!(COLUMNS.iter().any(|(_, column)| *column == state), "{state:?}");
        }
        let counts = Coming::ALL.map(|state| counted(state, 2));
        let page = by_cell(&counts).into_string();
        assert!(page.contains("4 of 8 at home") && page.contains("max=\"8\" value=\"4\""), "{page}");
    }

    #[test]
    fn who_waits_unusually_long_is_told_of() {
        let one = |state: Coming, since_ts| Arriving {
            move_id: "m".to_owned(),
            from: "ch1".to_owned(),
            from_region: None,
            state: state.word().to_owned(),
            since_ts,
            files: 1,
        };
        let now_ms = 10 * DAY_MS;
        for (state, since_ms, late) in [
            (Coming::Waits, USUAL_WAIT_MS, false),
            (Coming::Waits, USUAL_WAIT_MS + 1, true),
            (Coming::Brought, USUAL_WAIT_MS + 1, false),
            (Coming::Brought, USUAL_WAY_MS + 1, true),
            (Coming::Here, 9 * DAY_MS, false),
        ] {
            let row = row_of(&one(state, now_ms - since_ms), now_ms).into_string();
            assert_eq!(row.contains("tag warn"), late, "{state:?}: {row}");
            assert_eq!(row.contains("domicile "), late, "{state:?}: {row}");
        }
    }
}
