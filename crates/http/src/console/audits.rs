//! GET and POST /console/audits (evidence of where data is)

use axum::{Router, extract::State, response::Response, routing::get};
use domicile_app::evidence::audit;
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::{
    frame::{Broken, Part, page, token},
    visitor::{Act, Insider},
};
use crate::{
    admin::{AdminServices, Evidence},
    pages::{
        Page, go_to,
        shown::{number, tag, time, words},
    },
};

/// Documents that are listed: the newest.
const LISTED: usize = 100;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/audits", get(show).post(run))
}

async fn show(Insider(visitor): Insider, State(evidence): State<Evidence>) -> Result<Page, Broken> {
    let documents = evidence.audits.documents();
    let (mut all, chain, key) = (documents.all()?, documents.in_folder().chain()?, documents.public_key()?);
    all.reverse();
    let last = all.iter().find(|(.., document)| document["kind"] == audit::KIND).map(|(.., document)| document);
    let content = html! {
        p.lead { "Where every row of this cell is, walked table by table and signed. What no audit can tell is in each report first of all." }
        @match last {
            Some(document) => { (report(document)) }
            None => { div.card.care { p { "No audit was made yet." } } }
        }
        @if visitor.is_editor() {
            form.card method="post" action="/console/audits" {
                (token(&visitor))
                p { "An audit reads all tables in steps, while the server goes on." }
                p { button type="submit" { "Make an audit now" } }
            }
        }
        h2 { "Signed documents" }
        @for wrong in &chain.wrong { div.notice.bad { p { (wrong) } } }
        @if chain.wrong.is_empty() && chain.documents > 0 {
            p { (tag("good", "whole")) " Each of them is signed and names the one before it." }
        }
        p.soft { "Key " span.mono { (key) } }
        (list(&all))
        div.card {
            p { "To check a report on another machine, with a sample of rows and a canary:" }
            pre { "domicile audit verify FILE --sample 100 --canary" }
        }
    };
    Ok(page(&visitor, Part::Audits, "Audits", &content))
}

fn list(all: &[(u64, std::path::PathBuf, Value)]) -> Markup {
    html! {
        @if !all.is_empty() {
            div.wide tabindex="0" role="region" aria-label="Signed documents" {
                table {
                    thead { tr { th.number scope="col" { "Number" } th scope="col" { "Made" } th scope="col" { "Kind" } th.text scope="col" { "File" } } }
                    tbody {
                        @for (index, file, document) in all.iter().take(LISTED) {
                            tr {
                                td.number { (index) }
                                td { @if let Some(made) = document["made_ts"].as_i64() { (time(made)) } }
                                td { (words(document["kind"].as_str().unwrap_or_default())) }
                                td.text.mono { (file.display()) }
                            }
                        }
                    }
                }
            }
            @if all.len() > LISTED { p.soft { "Older ones are in the folder." } }
        }
    }
}

fn report(document: &Value) -> Markup {
    let body = &document["body"];
    let passed = body["passed"].as_bool() == Some(true);
    let count = |value: &Value| value.as_i64().map_or_else(|| "–".to_owned(), number);
    let (people, rooms, log) = (&body["homes"]["people"], &body["rooms"]["is"], &body["access_log"]["is"]);
    let empty = Vec::new();
    let tables = body["tables"]["all"].as_array().unwrap_or(&empty);
    html! {
        h2 { "The last audit" }
        div.card.fine[passed].urgent[!passed] {
            p {
                @if passed { (tag("good", "passed")) " No row of a person whose home is elsewhere is here." }
                @else { (tag("bad", "not passed")) " Rows that should not be here: " (count(&body["foreign"]["rows"])) }
                " " @if let Some(made) = document["made_ts"].as_i64() { (time(made)) " UTC, document " (document["number"]) }
            }
            dl {
                dt { "People" }
                dd { (count(&people["here"])) " have their home here, " (count(&people["other_cells"])) " in other cells, " (count(&people["other_servers"])) " on other servers" }
                dt { "Room copies" }
                dd { (count(&rooms["all"])) ": for somebody who is there " (count(&rooms["joined"])) ", was invited " (count(&rooms["invited"])) ", was there " (count(&rooms["left"])) ", for nobody " (count(&rooms["nobody"])) }
                dt { "Looks of operators" }
                dd { (count(&log["entries"])) ", at the data of this many people: " (count(&log["people"])) }
                dt { "People's own keys" } dd { (count(&body["keystore"]["keys"])) }
            }
        }
        details {
            summary { "What it does not cover" }
            div.card {
                dl {
                    @for entry in body["not_covered"].as_array().unwrap_or(&empty) {
                        dt { (entry["what"].as_str().unwrap_or_default()) } dd { (entry["why"].as_str().unwrap_or_default()) }
                    }
                }
            }
        }
        details {
            summary { "Rows by table" }
            div.wide tabindex="0" role="region" aria-label="Rows by table" {
                table {
                    thead {
                        tr {
                            th scope="col" { "Table" } th scope="col" { "Class" } th scope="col" { "Belongs to" }
                            th.number scope="col" { "Rows" } th.number scope="col" { "Here" } th.number scope="col" { "Foreign" }
                        }
                    }
                    tbody {
                        @for table in tables {
                            tr {
                                th.mono scope="row" { (table["table"].as_str().unwrap_or_default()) }
                                td { (table["class"].as_str().unwrap_or_default()) } td { (table["belongs"].as_str().unwrap_or_default()) }
                                td.number { (count(&table["rows"])) } td.number { (count(&table["here"])) } td.number { (count(&table["foreign"])) }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Nothing {}

async fn run(State(evidence): State<Evidence>, act: Act<Nothing>) -> Result<Response, Broken> {
    let Act { fields: Nothing {}, .. } = act;
    evidence.audits.run_witnessed(&evidence.witness).await?;
    Ok(go_to("/console/audits", Vec::new()))
}
