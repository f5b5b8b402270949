//! GET /console/dossiers, and each with a note under it (registrations with authorities)

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use domicile_app::standing::{
    Dossiers,
    dossiers::{Change, Dossier, Whole},
};
use domicile_core::{
    calendar::{day, parse_day},
    clock::Clock,
    error::{ErrorKind, MatrixError},
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    frame::{Broken, Part, page, refusal, token},
    papers,
    visitor::{Act, Insider, Visitor},
};
use crate::{
    admin::AdminServices,
    pages::{
        Page, go_to,
        shown::{bytes, date, date_or_none, tag, time, until, words},
    },
};

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/dossiers", get(list)).route("/console/dossiers/{code}", get(one).post(note))
}

async fn list(
    Insider(visitor): Insider,
    State(dossiers): State<Arc<Dossiers>>,
    State(clock): State<Arc<dyn Clock>>,
) -> Result<Page, Broken> {
    let (all, now_ms) = (dossiers.list().await?, clock.now_ms());
    let content = html! {
        p.lead { "The registration with each authority: where it stands, and what comes next." }
        @if all.is_empty() { div.card { p { "There is no dossier." } } }
        @for dossier in &all { (card(dossier, now_ms)) }
        div.card { p { "A dossier is begun on the command line:" } pre { "domicile dossier set CODE --status draft" } }
    };
    Ok(page(&visitor, Part::Dossiers, "Dossiers", &content))
}

fn card(dossier: &Dossier, now_ms: i64) -> Markup {
    html! {
        div.card {
            h3 { a href={ "/console/dossiers/" (dossier.code) } { (dossier.code) } " " (status(&dossier.status)) " " span.soft { "since " (date(dossier.status_ts)) } }
            @if let Some(authority) = &dossier.authority { p { (authority) @if let Some(register) = &dossier.register { ", " (register) } } }
            @if let Some(next) = &dossier.next_action {
                p { b { "Next: " } (next) @if let Some(due) = dossier.next_due_ts { " · " (until(now_ms, due)) } }
            }
            @if let Some(expires) = dossier.expires_ts { p.soft { "It ends " (until(now_ms, expires)) ", on " (date(expires)) } }
        }
    }
}

fn status(word: &str) -> Markup {
    let class = match word {
        "registered" => "good",
        "refused" | "lapsed" => "bad",
        "draft" | "filed" => "warn",
        _ => "",
    };
    tag(class, word)
}

async fn one(
    Insider(visitor): Insider,
    State(dossiers): State<Arc<Dossiers>>,
    Path(code): Path<String>,
) -> Result<Page, Broken> {
    let whole = dossiers.get(&code).await?;
    let dossier = &whole.dossier;
    let typed = Typed {
        note: dossier.note.clone().unwrap_or_default(),
        next_action: dossier.next_action.clone().unwrap_or_default(),
        next_due: dossier.next_due_ts.map(day).unwrap_or_default(),
    };
    Ok(page_of(&visitor, &whole, &typed, None))
}

/// What somebody filled in.
#[derive(Clone, Debug, Default, Deserialize)]
struct Typed {
    note: String,
    next_action: String,
    next_due: String,
}

impl Typed {
    fn change(&self) -> Result<Change, domicile_app::Error> {
        let due = match self.next_due.trim() {
            "" => 0,
            text => parse_day(text)
                .ok_or_else(|| ErrorKind::InvalidParam.with(format!("`{text}` is no day: write it as 2026-11-28.")))?,
        };
        Ok(Change {
            note: Some(self.note.replace('\r', "")),
            next_action: Some(self.next_action.clone()),
            next_due_ts: Some(due),
            ..Change::default()
        })
    }
}

async fn note(
    State(dossiers): State<Arc<Dossiers>>,
    Path(code): Path<String>,
    Act { visitor, fields: typed }: Act<Typed>,
) -> Result<Response, Broken> {
    // One that is not there is not begun by a note.
    dossiers.get(&code).await?;
    let done = match typed.change() {
        Ok(change) => dossiers.set(&code, change, &visitor.account.name).await,
        Err(error) => Err(error),
    };
    match done {
        Ok(_) => Ok(go_to(&format!("/console/dossiers/{code}"), Vec::new())),
        Err(error) => {
            let refused = Broken::refused(error)?;
            Ok(page_of(&visitor, &dossiers.get(&code).await?, &typed, Some(&refused)).into_response())
        }
    }
}

fn page_of(visitor: &Visitor, whole: &Whole, typed: &Typed, refused: Option<&MatrixError>) -> Page {
    let dossier = &whole.dossier;
    let fields = [
        ("Legal entity", &dossier.legal_entity),
        ("Authority", &dossier.authority),
        ("Register", &dossier.register),
        ("Number", &dossier.number),
    ];
    let content = html! {
        p.lead { (status(&dossier.status)) " since " (date(dossier.status_ts)) }
        div.card {
            dl {
                @for (name, value) in fields { dt { (name) } dd { @match value { Some(value) => { (value) } None => { span.soft { "–" } } } } }
                dt { "Filed" } dd { (date_or_none(dossier.filed_ts)) }
                dt { "Registered" } dd { (date_or_none(dossier.registered_ts)) }
                dt { "Ends" } dd { (date_or_none(dossier.expires_ts)) }
                dt { "Note" } dd.said { (dossier.note.as_deref().unwrap_or("–")) }
                dt { "Next" } dd { (dossier.next_action.as_deref().unwrap_or("–")) @if let Some(due) = dossier.next_due_ts { ", until " (date(due)) } }
            }
        }
        @if visitor.is_editor() {
            (refusal(refused))
            details open[refused.is_some()] { summary { "Change the note and what comes next" } (form(visitor, &dossier.code, typed)) }
        }
        h2 { "Contacts" }
        (contacts(dossier))
        h2 { "Papers" }
        (papers::list(&whole.papers))
        div.card { p { "A paper is written on the command line, because it rests on a fresh audit:" } pre { "domicile audit\ndomicile dossier " (dossier.code) " --for authority --format html" } }
        @if !whole.documents.is_empty() {
            h2 { "Documents" }
            div.card {
                ul.plain {
                    @for document in &whole.documents {
                        li { (document.name) ", " (bytes(document.bytes)) br; span.soft.mono { (document.sha256) } br; span.soft { (document.who) ", " (date(document.added_ts)) } }
                    }
                }
            }
        }
        h2 { "History" }
        div.card { ol.log { @for entry in &whole.history { li { p { (entry.what) } p.soft { (entry.who) ", " (time(entry.at_ts)) " UTC" } } } } }
        div.card { p { "Where it stands, the register and contacts are changed on the command line:" } pre { "domicile dossier set " (dossier.code) " --status …\ndomicile dossier contact " (dossier.code) " ROLE ADDRESS" } }
    };
    page(visitor, Part::Dossiers, &format!("Dossier {}", dossier.code), &content)
}

fn form(visitor: &Visitor, code: &str, typed: &Typed) -> Markup {
    html! {
        form.act.card method="post" action={ "/console/dossiers/" (code) } {
            (token(visitor))
            label { "Note" textarea name="note" { (typed.note) } }
            div.pair {
                label { "What comes next" input name="next_action" value=(typed.next_action); }
                label { "Until" input type="date" name="next_due" value=(typed.next_due); }
            }
            button type="submit" { "Save" }
        }
    }
}

fn contacts(dossier: &Dossier) -> Markup {
    html! {
        @if dossier.contacts.is_empty() {
            div.card { p { "Nobody is named." } }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Contacts" {
                table {
                    thead { tr { th scope="col" { "Role" } th.text scope="col" { "Address" } th scope="col" { "Public" } th scope="col" { "Person" } } }
                    tbody {
                        @for contact in &dossier.contacts {
                            tr {
                                td { (words(&contact.role)) } td.text { (contact.address) }
                                td { @if contact.is_public { (tag("good", "public")) } @else { span.soft { "no" } } }
                                td { (contact.person.as_ref().and_then(|person| person.name.as_deref()).unwrap_or("–")) }
                            }
                        }
                    }
                }
            }
        }
    }
}
