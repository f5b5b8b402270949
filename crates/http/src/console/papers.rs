//! GET /console/papers/{paper}, POST …/review (papers for authorities)

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use domicile_app::standing::{
    Dossiers,
    dossiers::{
        PaperRecord,
        paper::{Block, Paper},
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
        shown::{tag, time},
    },
};

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/papers/{paper}", get(one)).route("/console/papers/{paper}/review", post(review))
}

/// Papers of a dossier.
pub(super) fn list(papers: &[PaperRecord]) -> Markup {
    html! {
        @if papers.is_empty() {
            div.card { p { "No paper was written for the authority yet." } }
        } @else {
            div.wide tabindex="0" role="region" aria-label="Papers" {
                table {
                    thead { tr { th.number scope="col" { "Paper" } th scope="col" { "Stands" } th scope="col" { "Made" } th scope="col" { "Reviewed" } th scope="col" { "Sent" } } }
                    tbody {
                        @for paper in papers {
                            tr {
                                td.number { a href={ "/console/papers/" (paper.paper) } { (paper.paper) } }
                                td { (stands(paper)) }
                                td { (paper.made_by) ", " (time(paper.made_ts)) }
                                td { (by_and_when(paper.reviewed_by.as_ref(), paper.reviewed_ts)) }
                                td { (by_and_when(paper.sent_by.as_ref(), paper.sent_ts)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn stands(paper: &PaperRecord) -> Markup {
    match (paper.reviewed_ts, paper.sent_ts) {
        (_, Some(_)) => tag("good", "sent"),
        (Some(_), None) => tag("warn", "reviewed"),
        (None, None) => tag("warn", "to be reviewed"),
    }
}

fn by_and_when(who: Option<&String>, at: Option<i64>) -> Markup {
    html! { @match who.zip(at) { Some((who, at)) => { (who) ", " (time(at)) } None => { span.soft { "–" } } } }
}

async fn one(
    Insider(visitor): Insider,
    State(dossiers): State<Arc<Dossiers>>,
    Path(number): Path<i64>,
) -> Result<Page, Broken> {
    let (paper, record) = dossiers.paper(number).await?;
    Ok(page_of(&visitor, &paper, &record, None))
}

#[derive(Deserialize)]
struct Nothing {}

async fn review(
    State(dossiers): State<Arc<Dossiers>>,
    Path(number): Path<i64>,
    Act { visitor, fields: Nothing {} }: Act<Nothing>,
) -> Result<Response, Broken> {
    match dossiers.review(number, &visitor.account.name).await {
        Ok(_) => Ok(go_to(&format!("/console/papers/{number}"), Vec::new())),
        Err(error) => {
            let refused = Broken::refused(error)?;
            let (paper, record) = dossiers.paper(number).await?;
            Ok(page_of(&visitor, &paper, &record, Some(&refused)).into_response())
        }
    }
}

fn page_of(visitor: &Visitor, paper: &Paper, record: &PaperRecord, refused: Option<&MatrixError>) -> Page {
    let content = html! {
        p.lead { (stands(record)) " " a href={ "/console/dossiers/" (record.code) } { "Dossier " (record.code) } " · made by " (record.made_by) ", " (time(record.made_ts)) " UTC" }
        (refusal(refused))
        p.soft.mono { "SHA-256 " (record.sha256) }
        @if visitor.is_editor() && record.reviewed_ts.is_none() {
            form.card method="post" action={ "/console/papers/" (record.paper) "/review" } {
                (token(visitor))
                p { "Somebody who did not make it reviews a paper before it is sent." }
                p { button type="submit" { "I have reviewed it" } }
            }
        }
        @if record.reviewed_ts.is_some() && record.sent_ts.is_none() {
            div.card { p { "When it has gone to the authority:" } pre { "domicile dossier sent " (record.paper) } }
        }
        article.card {
            h2 { (paper.title) }
            @for line in &paper.under { p.soft { (line) } }
            @for section in &paper.sections { h3 { (section.title) } @for block in &section.blocks { (block_of(block)) } }
        }
    };
    page(visitor, Part::Dossiers, &format!("Paper {}", record.paper), &content)
}

fn block_of(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Text(text) => { p.said { (text) } }
            Block::Fields(fields) => { dl { @for (name, value) in fields { dt { (name) } dd { (value) } } } }
            Block::List(items) => { ul { @for item in items { li { (item) } } } }
            Block::Table(head, rows) => {
                div.wide tabindex="0" role="region" aria-label="A table of the paper" {
                    table {
                        thead { tr { @for name in head { th scope="col" { (name) } } } }
                        tbody { @for row in rows { tr { @for cell in row { td.text { (cell) } } } } }
                    }
                }
            }
        }
    }
}
