//! GET /console/standing, and duties under it (what the law asks, and the answers)

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Query, State},
    routing::get,
};
use domicile_app::standing::{Duties, DutyText, Line, Section, Table};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    frame::{Broken, Part, page},
    visitor::Insider,
};
use crate::{
    admin::AdminServices,
    pages::{
        Page,
        shown::{self, number, tag, words},
    },
};

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/standing", get(table)).route("/console/standing/{code}/{id}", get(duty))
}

#[derive(Deserialize)]
struct Which {
    #[serde(default)]
    all: bool,
}

async fn table(
    Insider(visitor): Insider,
    State(duties): State<Arc<Duties>>,
    Query(which): Query<Which>,
) -> Result<Page, Broken> {
    let table = duties.table(which.all).await?;
    Ok(page(&visitor, Part::Standing, "Standing", &table_of(&table, which.all)))
}

fn table_of(table: &Table, all: bool) -> Markup {
    html! {
        p.lead {
            "What the law of each jurisdiction asks of this deployment, and how it stands. Facts with sources, not legal advice: "
            (number(table.users)) " accounts, " (number(table.users_unknown)) " of them with no jurisdiction noted."
        }
        @if table.jurisdictions.is_empty() {
            div.card {
                p { "No jurisdiction is noted for anybody, and there is no dossier." }
                p { code { "domicile user jurisdiction NAME CODE" } " notes one." }
            }
        }
        @for section in &table.jurisdictions { (section_of(section)) }
        @if all {
            p { a href="/console/standing" { "Only those that concern this deployment" } }
        } @else if !table.others.is_empty() {
            p { "Nobody is noted as living in " (table.others.join(", ")) ". " a href="/console/standing?all=true" { "Show what is asked there" } }
        }
    }
}

fn section_of(section: &Section) -> Markup {
    let (mut applies, mut rest): (Vec<&Line>, Vec<&Line>) =
        section.duties.iter().partition(|line| line.answer.word() != "not_triggered");
    applies.sort_by_key(|line| urgency(line.answer.word()));
    rest.sort_by(|one, other| one.duty.cmp(&other.duty));
    html! {
        section aria-labelledby={ "at-" (section.code) } {
            h2 id={ "at-" (section.code) } { (section.name) " " span.soft { (section.code) } }
            p.soft {
                (number(section.users)) " accounts · dossier: "
                a href={ "/console/dossiers/" (section.code) } { (section.dossier.map_or("none yet".to_owned(), |status| words(status.word()))) }
                " · catalogue as of " (section.as_of)
            }
            @if let Some(note) = &section.note { p { (note) } }
            (lines(&applies, &format!("What applies in {}", section.name)))
            @if !rest.is_empty() {
                details {
                    summary { (shown::counted(rest.len(), "duty does not apply", "duties do not apply")) ", and by how far" }
                    (lines(&rest, &format!("What does not apply in {}", section.name)))
                }
            }
        }
    }
}

fn lines(lines: &[&Line], label: &str) -> Markup {
    html! {
        @if !lines.is_empty() {
            div.wide tabindex="0" role="region" aria-label=(label) {
                table {
                    thead { tr { th scope="col" { "Answer" } th.text scope="col" { "Duty, and why the answer is so" } th scope="col" { "Law" } } }
                    tbody {
                        @for line in lines {
                            tr {
                                td { (answer(line.answer.word())) }
                                td.text { a href={ "/console/standing/" (line.duty) } { (line.title) } br; span.soft { (line.reason) } }
                                td { (line.law) @if line.confidence.word() != "sourced" { br; span.soft { (words(line.confidence.word())) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// An answer in a word.
pub(super) fn answer(word: &str) -> Markup {
    match word {
        "met_by" => tag("good", "met"),
        "needs_operator" => tag("bad", "needs you"),
        "conflicts_with" => tag("warn", "conflict"),
        "declined_by_design" => tag("", "declined"),
        other => tag("", other),
    }
}

fn urgency(word: &str) -> u8 {
    match word {
        "needs_operator" => 0,
        "conflicts_with" => 1,
        "chosen_not_to" => 2,
        "met_by" => 3,
        _ => 4,
    }
}

async fn duty(
    Insider(visitor): Insider,
    State(duties): State<Arc<Duties>>,
    Path((code, id)): Path<(String, String)>,
) -> Result<Page, Broken> {
    let duty = duties.duty(&format!("{code}/{id}")).await?;
    Ok(page(&visitor, Part::Standing, &duty.line.title, &duty_of(&duty)))
}

fn duty_of(duty: &DutyText) -> Markup {
    let text = &duty.text;
    html! {
        p.lead { (answer(duty.line.answer.word())) " " (duty.line.reason) }
        div.card {
            dl {
                dt { "Jurisdiction" } dd { (duty.jurisdiction) }
                dt { "Asks" } dd { (text.asks) }
                dt { "Entails" } dd { (text.entails) }
                dt { "Risk to users" } dd { (text.risk_to_users) }
                @if !text.data.is_empty() { dt { "Data" } dd { (text.data.join("; ")) } }
                @if let Some(storage) = text.storage { dt { "Stored" } dd { (words(storage.word())) } }
                @if let Some(retention) = &text.retention { dt { "Kept" } dd { (retention) } }
                @if let Some(report) = &text.report { dt { "Report" } dd { (report) } }
                @for clock in &text.clocks { dt { "Clock" } dd { (clock.hours) " hours: " (clock.what) } }
                @if let Some(registration) = &text.registration {
                    dt { "Registration" }
                    dd {
                        (registration.authority) "; " (registration.register)
                        @if let Some(channel) = &registration.channel { "; " (channel) }
                        @if let Some(deadline) = &registration.deadline { "; " (deadline) }
                    }
                }
                dt { "Catalogue" } dd { "as of " (duty.as_of) ", " code { (duty.line.duty) } }
            }
        }
        @if !text.sanctions.is_empty() {
            h2 { "What follows on failure" }
            div.card { ol { @for step in &text.sanctions { li { (step) } } } }
        }
        @if let Some(declined) = &text.declined_by_design {
            h2 { "Declined by design" }
            @for (language, said) in &declined.words { div.card lang=(language) { p.said { (said) } } }
        }
        @for conflict in &text.conflicts { h2 { "Conflict with " (conflict.with) } div.card { p { (conflict.how) } } }
        h2 { "Sources" }
        div.card {
            ul.plain {
                @for source in &text.sources {
                    li {
                        (source.law) @if let Some(article) = &source.article { ", art. " (article) }
                        @if let Some(date) = &source.date { ", since " (date) }
                        " · " (words(source.confidence.word()))
                        @if let Some(url) = source.url.as_deref().filter(|url| url.starts_with("https://")) {
                            " · " a href=(url) rel="noreferrer" { (url) }
                        }
                    }
                }
            }
        }
        h2 { "To decide against it" }
        div.card {
            p { "A decision not to meet a duty is made on the command line, with a reason that stands in the table:" }
            pre { "domicile standing decide " (duty.line.duty) " --why \"…\"" }
        }
    }
}
