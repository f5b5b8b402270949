//! Counting what other servers and cells are given when they ask: by what they asked, with the size of the answer.

use std::sync::Arc;

use axum::{
    body::HttpBody,
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use domicile_app::evidence::ledger::{Flow, Ledger, OUTER};
use http::header::CONTENT_LENGTH;

use crate::{listener::CellKey, state::Services};

/// Counts an answer that gives something.
pub(super) async fn counted(State(ledger): State<Arc<Ledger>>, request: Request, next: Next) -> Response {
    let flow = request.extensions().get::<MatchedPath>().and_then(|path| Flow::of_federation(path.as_str()));
    let response = next.run(request).await;
    if let Some(flow) = flow.filter(|_| response.status().is_success()) {
        ledger.add(OUTER, flow, 1, size(&response));
    }
    response
}

/// The same of answers to other cells, by the region of whoever asks. Their keys, with which the connection was opened, say who that is.
pub(crate) async fn counted_inner(State(services): State<Services>, request: Request, next: Next) -> Response {
    let flow = Flow::of_answer(request.uri().path());
    let cell =
        request.extensions().get::<CellKey>().and_then(|key| services.front_door.link()?.cell_of_key(key.spki()));
    let response = next.run(request).await;
    if let Some((flow, cell)) = flow.zip(cell).filter(|_| response.status().is_success()) {
        services.ledger.add_answer(&cell, flow, size(&response));
    }
    response
}

/// Bytes of an answer. What is written while it goes out has no size before: it counts as one answer, without bytes.
fn size(response: &Response) -> usize {
    let told = || response.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let exact = response.body().size_hint().exact().or_else(told);
    usize::try_from(exact.unwrap_or_default()).unwrap_or(usize::MAX)
}
