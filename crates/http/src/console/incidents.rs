//! GET and POST /console/incidents, and each with its updates under it (what happens to the service, and who is told)

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use domicile_app::{
    e2ee::key_incidents::ShownIncident,
    standing::{
        Incidents, KeyNotices, Language,
        incidents::{FirstUpdate, Incident, IncidentKind, IncidentState, NewIncident, NewUpdate},
    },
};
use domicile_core::error::MatrixError;
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
        shown::{counted, tag, time, words},
    },
};

/// Incidents that are over and shown.
const PAST: usize = 100;
/// What stands before a language's code in a field's name.
const WORDS: &str = "words_";

const KINDS: [(IncidentKind, &str); 6] = [
    (IncidentKind::Unreachable, "The service cannot be reached from somewhere"),
    (IncidentKind::Throttled, "It is slow there"),
    (IncidentKind::Listed, "It stands in a register of what is blocked"),
    (IncidentKind::Outage, "It does not work"),
    (IncidentKind::Maintenance, "It is being worked on"),
    (IncidentKind::Other, "Something else"),
];

const STATES: [(IncidentState, &str); 4] = [
    (IncidentState::FirstSign, "Something hints at it"),
    (IncidentState::Confirmed, "It is so"),
    (IncidentState::Watching, "It seems over, and is being watched"),
    (IncidentState::Resolved, "It is over"),
];

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/console/incidents", get(list).post(open))
        .route("/console/incidents/{incident}", get(one).post(update))
}

/// What somebody filled in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Typed {
    kind: String,
    state: String,
    code: String,
    note: String,
    is_public: Option<String>,
    /// What people read, by language, each with its field's name.
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

impl Typed {
    fn words(&self) -> BTreeMap<String, String> {
        let fields = self.others.iter().filter_map(|(field, text)| Some((field.strip_prefix(WORDS)?, text)));
        let said = fields.filter(|(_, text)| !text.trim().is_empty());
        said.map(|(language, text)| (language.to_owned(), text.replace('\r', ""))).collect()
    }

    fn note(&self) -> Option<String> {
        Some(self.note.replace('\r', "")).filter(|note| !note.trim().is_empty())
    }

    fn said(&self, language: &str) -> &str {
        self.others.get(&format!("{WORDS}{language}")).map(String::as_str).unwrap_or_default()
    }
}

async fn list(
    Insider(visitor): Insider,
    State(incidents): State<Arc<Incidents>>,
    State(notices): State<Arc<KeyNotices>>,
) -> Result<Page, Broken> {
    let keys = notices.incidents().list().await?;
    Ok(list_page(&visitor, (&incidents.list().await?, &keys), &Typed::default(), None))
}

fn list_page(
    visitor: &Visitor,
    (all, keys): (&[Incident], &[ShownIncident]),
    typed: &Typed,
    refused: Option<&MatrixError>,
) -> Page {
    let (now, past): (Vec<&Incident>, Vec<&Incident>) = all.iter().partition(|incident| incident.resolved_ts.is_none());
    let content = html! {
        p.lead { "One record each, from the first sign to the end, with everything that people were told." }
        h2 { "Now" }
        @if now.is_empty() { div.card.fine { p { "There is none." } } }
        @for incident in &now { (card(incident)) }
        @if visitor.is_editor() {
            (refusal(refused))
            details open[refused.is_some()] { summary { "Open an incident that you know of" } (open_form(visitor, typed)) }
        }
        @if !keys.is_empty() { h2 { "Keys of other cells' people" } (key_counts(keys)) }
        @if !past.is_empty() { h2 { "Over" } @for incident in past.iter().take(PAST) { (card(incident)) } }
    };
    page(visitor, Part::Incidents, "Incidents", &content)
}

/// What was noticed in the last 90 days, by cell and kind. Nobody is named on a page.
fn key_counts(keys: &[ShownIncident]) -> Markup {
    let mut rows: BTreeMap<(&str, &str), (usize, i64, i64)> = BTreeMap::new();
    for incident in keys {
        let row = rows.entry((&incident.home, &incident.kind)).or_default();
        *row = (row.0 + 1, row.1.max(incident.last_ts), row.2 + incident.told);
    }
    html! {
        div.card {
            p { "Whoever has control of a cell can change the keys of its people, add devices to them, and try to bring them into rooms. Those who share a room with such a person are told." }
            table {
                thead { tr { th { "Their cell" } th { "What" } th { "How many" } th { "Last" } th { "People told" } } }
                tbody { @for ((home, kind), (count, last_ts, told)) in &rows {
                    tr { td { (home) } td { (key_kind(kind)) } td { (count) } td { (time(*last_ts)) " UTC" } td { (told) } }
                } }
            }
            p { "Each with whom it was:" } pre { "domicile incident keys" }
        }
    }
}

fn key_kind(kind: &str) -> &str {
    match kind {
        "master_changed" => "Another master key",
        "unsigned_device" => "A new device without its owner's signature",
        "uninvited_join" => "A join that no one invited",
        other => other,
    }
}

fn card(incident: &Incident) -> Markup {
    let is_open = incident.resolved_ts.is_none();
    let last = incident.updates.last();
    html! {
        div.card.urgent[is_open] {
            h3 { a href={ "/console/incidents/" (incident.incident) } { (title(incident)) } " " (tag(if is_open { "bad" } else { "good" }, &incident.state)) }
            p.soft {
                (time(incident.began_ts)) @if let Some(over) = incident.resolved_ts { " – " (time(over)) } " UTC · "
                @if incident.is_public { "on the status page" } @else { "not on the status page" }
            }
            @if let Some(text) = last.and_then(|last| last.words.get("en").or(last.note.as_ref())) { p { (shortened(text)) } }
        }
    }
}

fn title(incident: &Incident) -> String {
    let place = incident.code.as_ref().map(|code| format!(" in {code}")).unwrap_or_default();
    format!("Incident {}: {}{place}", incident.incident, words(&incident.kind))
}

fn shortened(text: &str) -> String {
    let short: String = text.chars().take(240).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

async fn open(
    State(incidents): State<Arc<Incidents>>,
    State(notices): State<Arc<KeyNotices>>,
    Act { visitor, fields: typed }: Act<Typed>,
) -> Result<Response, Broken> {
    let kind = KINDS.into_iter().map(|(kind, _)| kind).find(|kind| kind.word() == typed.kind);
    let code = typed.code.trim().to_ascii_uppercase();
    let new = NewIncident {
        kind: kind.unwrap_or(IncidentKind::Other),
        code: Some(code).filter(|code| !code.is_empty()),
        first: FirstUpdate {
            words: typed.words(),
            note: typed.note(),
            is_public: typed.is_public.is_some(),
            who: visitor.account.name.clone(),
        },
    };
    match incidents.open(new).await {
        Ok(incident) => Ok(go_to(&format!("/console/incidents/{}", incident.incident), Vec::new())),
        Err(error) => {
            let refused = Broken::refused(error)?;
            let keys = notices.incidents().list().await?;
            Ok(list_page(&visitor, (&incidents.list().await?, &keys), &typed, Some(&refused)).into_response())
        }
    }
}

async fn one(
    Insider(visitor): Insider,
    State(incidents): State<Arc<Incidents>>,
    Path(number): Path<i64>,
) -> Result<Page, Broken> {
    let incident = incidents.get(number).await?;
    let is_public = incident.is_public.then(|| "on".to_owned());
    let typed = Typed { state: incident.state.clone(), is_public, ..Typed::default() };
    Ok(one_page(&visitor, &incident, &typed, None))
}

async fn update(
    State(incidents): State<Arc<Incidents>>,
    Path(number): Path<i64>,
    Act { visitor, fields: typed }: Act<Typed>,
) -> Result<Response, Broken> {
    let new = NewUpdate {
        state: STATES.into_iter().map(|(state, _)| state).find(|state| state.word() == typed.state),
        words: typed.words(),
        note: typed.note(),
        is_public: Some(typed.is_public.is_some()),
        who: visitor.account.name.clone(),
    };
    match incidents.update(number, new).await {
        Ok(_) => Ok(go_to(&format!("/console/incidents/{number}"), Vec::new())),
        Err(error) => {
            let refused = Broken::refused(error)?;
            Ok(one_page(&visitor, &incidents.get(number).await?, &typed, Some(&refused)).into_response())
        }
    }
}

fn one_page(visitor: &Visitor, incident: &Incident, typed: &Typed, refused: Option<&MatrixError>) -> Page {
    let is_open = incident.resolved_ts.is_none();
    let told: i64 = incident.updates.iter().map(|update| update.told).sum();
    let content = html! {
        p.lead {
            (tag(if is_open { "bad" } else { "good" }, &incident.state)) " since " (time(incident.began_ts)) " UTC"
            @if let Some(over) = incident.resolved_ts { ", over " (time(over)) " UTC" }
            " · " @if incident.is_public { a href="/status" { "on the status page" } } @else { "not on the status page" }
            " · " (counted(usize::try_from(told).unwrap_or_default(), "notice", "notices")) " in clients"
        }
        @if visitor.is_editor() && is_open {
            h2 { "Write an update" }
            (refusal(refused))
            (update_form(visitor, incident, typed))
            div.card { p { "To tell the people whom it concerns in their clients; the first command only counts them:" } pre { "domicile incident tell " (incident.incident) " --dry-run\ndomicile incident tell " (incident.incident) } }
        }
        h2 { "What was found, said and told" }
        div.card { ol.log { @for update in incident.updates.iter().rev() {
            li {
                p { (tag("", &update.state)) " " b { (update.who) } ", " (time(update.at_ts)) " UTC" @if update.told > 0 { " · told " (update.told) " people" } }
                @for (language, text) in &update.words { p.said lang=(language) { span.soft { (language) " " } (text) } }
                @if let Some(note) = &update.note { p.soft { "For the operator:" } pre { (note) } }
            }
        } } }
    };
    page(visitor, Part::Incidents, &title(incident), &content)
}

fn open_form(visitor: &Visitor, typed: &Typed) -> Markup {
    html! {
        form.act.card method="post" action="/console/incidents" {
            (token(visitor))
            div.pair {
                label { "What happens" select name="kind" required { @for (kind, about) in KINDS { option value=(kind.word()) selected[typed.kind == kind.word()] { (about) } } } }
                label { "Jurisdiction" small { "such as RU; empty: everybody" } input name="code" value=(typed.code) maxlength="2" pattern="[A-Za-z]{2}" autocapitalize="characters"; }
            }
            (said_fields(typed))
            button type="submit" { "Open it" }
        }
    }
}

fn update_form(visitor: &Visitor, incident: &Incident, typed: &Typed) -> Markup {
    html! {
        form.act.card method="post" action={ "/console/incidents/" (incident.incident) } {
            (token(visitor))
            label { "Where it stands now" select name="state" { @for (state, about) in STATES { option value=(state.word()) selected[typed.state == state.word()] { (about) } } } }
            (said_fields(typed))
            button type="submit" { "Add it" }
        }
    }
}

/// What people read, in each language of the status page, and what they do not.
fn said_fields(typed: &Typed) -> Markup {
    html! {
        label { "What people read, in English" textarea name={ (WORDS) "en" } { (typed.said("en")) } }
        details open[Language::ALL.into_iter().any(|language| language != Language::En && !typed.said(language.code()).is_empty())] {
            summary { "In other languages" }
            @for language in Language::ALL.into_iter().filter(|language| *language != Language::En) {
                label { (language.own_name()) textarea lang=(language.code()) name={ (WORDS) (language.code()) } { (typed.said(language.code())) } }
            }
        }
        label { "Note" small { "what only operators read" } textarea name="note" { (typed.note) } }
        label.check { input type="checkbox" name="is_public" checked[typed.is_public.is_some()]; "Show it on the status page" }
    }
}
