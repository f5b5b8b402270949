//! POST /account/{language}/object (a move that was announced, and somebody's word against it)

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use domicile_app::{
    moves::{self, Shown},
    residency::Layout,
};
use maud::{Markup, html};
use serde::Deserialize;

use super::{
    acts::refused, address, home::called, known, never::RuledOut, page::token, visitor::Visitor, words::Words,
};
use crate::{
    error::Failure,
    pages::{
        go_to,
        shown::{date, time},
    },
    state::Services,
};

/// Letters of an objection.
const LONGEST: usize = 1_000;

#[derive(Deserialize)]
struct Objection {
    #[serde(default)]
    reason: String,
}

/// Objects: nothing is moved before the operator has decided.
pub(super) async fn object(
    State(services): State<Services>,
    Path(language): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (visitor, form) = Visitor::acting(&services, known(&language)?, request).await?;
    let Objection { reason } = form.fields()?;
    match services.moves.object(&visitor.session.user_id, reason.trim().to_owned()).await {
        Ok(_) => Ok(go_to(&format!("{}#move", address(visitor.language)), Vec::new())),
        Err(error) => refused(&services, &visitor, error).await,
    }
}

/// What is planned, or that nothing is.
pub(super) fn section(
    words: &Words,
    visitor: &Visitor,
    layout: Option<&Layout>,
    (last, ruled_out): (Option<&Shown>, &[RuledOut]),
) -> Markup {
    let state = last.and_then(|last| moves::State::parse(&last.state));
    let is_ruled_out = |last: &Shown| ruled_out.iter().any(|(region, _)| Some(region) == last.to_region.as_ref());
    html! {
        h2 id="move" { (words.moves) }
        @match last.zip(state) {
            None | Some((_, moves::State::Done)) => { div.card { p { (words.no_move) } } }
            Some((last, moves::State::Stopped)) => {
                div.card {
                    p {
                        (words.move_stopped) " " @if let Some(at) = last.ended_ts { (date(at)) } (visitor.language.stop())
                        // Nobody decided it: the rules did.
                        @if last.progress.decided_by.is_none() && is_ruled_out(last) { (visitor.language.gap()) (words.never_ended) }
                    }
                    p { (words.no_move) }
                }
            }
            Some((last, state)) => { (open(words, visitor, layout, (last, state, is_ruled_out(last)))) }
        }
    }
}

fn open(
    words: &Words,
    visitor: &Visitor,
    layout: Option<&Layout>,
    (last, state, is_ruled_out): (&Shown, moves::State, bool),
) -> Markup {
    let language = visitor.language;
    let is_planned = matches!(state, moves::State::Announced | moves::State::Objected);
    html! {
        div.card.care {
            p { @if is_planned { (words.move_planned) } @else { (words.moving) } " " b { (region(layout, last)) } (language.stop()) }
            @if is_planned && is_ruled_out { p { b { (words.never_ends) } } }
            @else if state == moves::State::Announced { p { (words.move_begins) " " (time(last.begin_ts)) " UTC" (language.stop()) } }
            @if !last.reason.is_empty() { p { (words.move_reason) } p.said { (last.reason) } }
            p.soft { (words.move_means) }
            @if let Some(objection) = &last.progress.objection {
                p { b { (words.objected) } (language.gap()) @if is_planned && last.progress.decided_by.is_none() { (words.objection_waits) } @else { (words.objection_over) } }
                @if !objection.is_empty() { p.said { (objection) } }
            }
        }
        @if state == moves::State::Announced && last.progress.decided_by.is_none() {
            form.act.card method="post" action={ (address(visitor.language)) "/object" } {
                (token(visitor))
                p { (words.object_about) }
                label { (words.objection) textarea name="reason" maxlength=(LONGEST) {} }
                button type="submit" { (words.object_button) }
            }
        }
    }
}

/// The region of the new home, with whose law holds there.
fn region(layout: Option<&Layout>, last: &Shown) -> String {
    let Some(name) = &last.to_region else { return last.to.clone() };
    let known = layout.and_then(|layout| layout.regions.iter().find(|region| region.name == *name));
    known.map_or_else(|| name.clone(), called)
}
