//! GET /console/regions (regions and cells, and how many accounts there are)

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use domicile_app::{
    accounts::Users,
    federation::{Outbound, outbound::Behind},
    residency::{
        CellLayout, Cuts, DirectoryStatus, Layout, RegionLayout,
        cuts::{CutStatus, ShownCut, Waited},
    },
    standing::Duties,
};
use domicile_core::error::ErrorKind;
use maud::{Markup, html};

use super::{
    frame::{Broken, Part, page},
    visitor::Visitor,
};
use crate::{
    admin::AdminServices,
    pages::{
        Page,
        shown::{number, tag, time},
    },
};

/// What numbers are rounded down to for those who are no operators of the region.
const ROUND: u64 = 100;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/regions", get(show))
}

async fn show(
    visitor: Visitor,
    State(users): State<Arc<Users>>,
    State(duties): State<Arc<Duties>>,
    State(outbound): State<Arc<Outbound>>,
    State(cuts): State<Arc<Cuts>>,
) -> Result<Page, Broken> {
    let accounts = accounts(duties.table(false).await?.users, visitor.is_insider());
    let Some(cells) = users.localities().cells() else {
        return Ok(page(&visitor, Part::Regions, "Regions and cells", &only(&visitor, &accounts)));
    };
    let layout = Layout::of(&cells.own);
    let directory = if visitor.is_insider() { Some(cells.names.status().await?) } else { None };
    let cuts = if visitor.is_insider() { cuts.status().await? } else { CutStatus::default() };
    let mut behind = Vec::new();
    if visitor.is_insider() {
        for cell in layout.regions.iter().flat_map(|region| &region.cells).filter(|cell| !cell.is_own) {
            match outbound.how_far(&cell.destination).await {
                Ok(found) => behind.push((cell.name.clone(), found)),
                // Nobody here has met anybody there yet, so there was nothing to tell.
                Err(domicile_app::Error::Matrix(error)) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    let content = html! {
        p.lead {
            "By the deployment document " (layout.serial) ". A cell counts its own accounts; how many another one has is shown by its own console, so that no \
             cell has to know."
        }
        @for region in &layout.regions { (region_of(region, &accounts, &behind)) }
        (cuts_of(&cuts))
        (flows(&layout))
        @if let Some(status) = &directory { (directory_of(status)) }
        @if !layout.gone.is_empty() {
            h2 { "Cells that are gone" }
            div.card { ul.plain { @for (name, what) in &layout.gone { li { (name) " " (tag("", what)) } } } }
        }
        @if visitor.is_insider() { p { a href="/console/moves" { "People who move from here to another cell" } ", and " a href="/console/arrivals" { "people who come" } } }
    };
    Ok(page(&visitor, Part::Regions, "Regions and cells", &content))
}

/// How many accounts are here, as somebody may know it.
fn accounts(count: u64, exact: bool) -> String {
    match count {
        count if exact => number(count),
        count if count < ROUND => format!("fewer than {ROUND}"),
        count => format!("about {}", number(count / ROUND * ROUND)),
    }
}

/// A deployment of one cell.
fn only(visitor: &Visitor, accounts: &str) -> Markup {
    html! {
        p.lead { "This deployment has one cell, which is all of it." }
        ul.tiles { li { div { b { (accounts) } span { "accounts" } } } li { div { b { (visitor.region.as_str()) } span { "its region" } } } }
        div.card {
            p { "It can become a deployment of several regions under traffic: " code { "domicile deployment init" } " begins one." }
        }
    }
}

fn region_of(region: &RegionLayout, accounts: &str, behind: &[(String, Behind)]) -> Markup {
    html! {
        section aria-labelledby={ "region-" (region.name) } {
            h2 id={ "region-" (region.name) } {
                (region.name) " "
                @if region.is_own { (tag("good", "here")) " " }
                @if !region.trusted { (tag("warn", "not trusted")) }
            }
            div.card {
                dl {
                    dt { "Jurisdictions" } dd { (region.jurisdictions.join(", ")) }
                    dt { "Signing in" } dd { (region.front_door) }
                    dt { "Names and pictures" } dd { (region.profiles) }
                    dt { "With other servers" } dd { (region.outer) }
                }
            }
            div.wide tabindex="0" role="region" aria-label={ "Cells of " (region.name) } {
                table {
                    thead { tr { th scope="col" { "Cell" } th.number scope="col" { "Accounts" } th scope="col" { "Does" } th scope="col" { "Way to it" } th.text scope="col" { "Clients find it at" } } }
                    tbody { @for cell in &region.cells { (cell_of(cell, accounts, behind)) } }
                }
            }
        }
    }
}

fn cell_of(cell: &CellLayout, accounts: &str, behind: &[(String, Behind)]) -> Markup {
    let behind = behind.iter().find(|(name, _)| *name == cell.name).map(|(_, behind)| behind);
    html! {
        tr {
            th scope="row" { (cell.name) @if cell.is_own { " " (tag("good", "this cell")) } }
            td.number { @if cell.is_own { (accounts) } @else { span.soft { "its own matter" } } }
            td {
                @if cell.directory { "directory" }
                @if cell.directory && !cell.gateway_for.is_empty() { ", " }
                @if !cell.gateway_for.is_empty() { "gateway for " (cell.gateway_for.join(", ")) }
            }
            td {
                @match behind {
                    None => { span.soft { "–" } }
                    Some(behind) if behind.failures > 0 => {
                        (tag("bad", "out of reach"))
                        @if let Some(since) = behind.failing_since_ts { " since " (time(since)) }
                        @if behind.events > 0 { ", " (number(behind.events)) " events wait" }
                    }
                    Some(behind) if behind.events > 0 => { (tag("warn", "behind")) " " (number(behind.events)) " events wait" }
                    Some(_) => { (tag("good", "told all")) }
                }
            }
            td.text { (cell.client_url) }
        }
    }
}

/// Cells that are or were cut off. Nothing if there are none.
fn cuts_of(cuts: &CutStatus) -> Markup {
    html! {
        @if !cuts.now.is_empty() || !cuts.past.is_empty() {
            h2 { "Cut off" }
            div.wide tabindex="0" role="region" aria-label="Cells that are or were cut off" {
                table {
                    thead { tr { th scope="col" { "Cell" } th scope="col" { "Since" } th scope="col" { "Until" } th.text scope="col" { "Waited here" } th.text scope="col" { "Waited there" } th.number scope="col" { "People told" } } }
                    tbody { @for cut in cuts.now.iter().chain(&cuts.past) { (cut_of(cut)) } }
                }
            }
            p.soft { "What waited there is known when the cell has said so. People are told once, and once more when it is over." }
        }
    }
}

fn cut_of(cut: &ShownCut) -> Markup {
    html! {
        tr {
            th scope="row" { (cut.cell) }
            td { (time(cut.since_ts)) }
            td {
                @match (cut.whole_ts, cut.declared_ts) {
                    (Some(at), _) => (time(at)),
                    (None, Some(_)) => (tag("bad", "cut off")),
                    (None, None) => (tag("warn", "not reached")),
                }
            }
            td.text { (waited(cut.here)) }
            td.text { @match cut.there { Some(there) => (waited(there)), None => span.soft { "–" } } }
            td.number { (cut.told) }
        }
    }
}

fn waited(what: Waited) -> String {
    let Waited { removals, bans, sign_outs, messages } = what;
    format!("{removals} removals, {bans} bans, {sign_outs} sign-outs, {messages} messages and other events")
}

fn flows(layout: &Layout) -> Markup {
    html! {
        h2 { "What may cross" }
        @if layout.flows.is_empty() {
            div.card { p { "Nothing may be copied from one region's people into another region." } }
        } @else {
            div.wide tabindex="0" role="region" aria-label="What may cross between regions" {
                table {
                    thead { tr { th scope="col" { "From people of" } th scope="col" { "Into" } th scope="col" { "What" } th.text scope="col" { "Legal basis" } } }
                    tbody {
                        @for flow in &layout.flows {
                            tr { td { (flow.from) } td { (flow.to) } td { (flow.rule) } td.text { (flow.basis) } }
                        }
                    }
                }
            }
            p.soft { "Between two regions the stricter direction wins. A pair that is not here shares nothing." }
        }
    }
}

fn directory_of(status: &DirectoryStatus) -> Markup {
    html! {
        h2 { "The directory" }
        div.card {
            dl {
                dt { "Decides" } dd { (status.decider) ", term " (status.term) @if status.decides_here { " " (tag("good", "this cell")) } }
                dt { "Known here" } dd { (number(i128::try_from(status.tickets).unwrap_or_default())) " people's homes, " (number(i128::try_from(status.at_home).unwrap_or_default())) " of them here" }
                @if let Some(waits) = &status.waits { dt { "Waits" } dd { (waits) } }
                @for follower in &status.followers {
                    dt { "Follows" }
                    dd {
                        (follower.cell) ", "
                        @match follower.behind { None => "not heard from yet", Some(0) => "has everything", Some(behind) => { (behind) " behind" } }
                        @if follower.wrong.is_some() { " " (tag("bad", "does not follow")) }
                    }
                }
                @if let Some(behind) = status.behind { dt { "Follows" } dd { "this cell, " (behind) " behind" } }
                @for trouble in &status.troubles { dt { "Trouble" } dd { (trouble) } }
                @if let Some(names) = status.names { dt { "Names taken" } dd { (number(names)) " in the whole deployment" } }
                @if let Some(index) = status.log_index { dt { "Log" } dd { "entry " (index) @if let Some(hash) = &status.log_hash { ", " span.mono { (hash) } } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_no_operator_of_the_region_learns_round_numbers() {
        assert_eq!(accounts(1_234, true), "1\u{202f}234");
        assert_eq!(accounts(1_234, false), "about 1\u{202f}200");
        assert_eq!(accounts(99, false), "fewer than 100");
        assert_eq!(accounts(3, true), "3");
    }
}
