//! GET /status (the status page, in several languages, and its feeds)
//!
//! Everything is written already and comes from memory: no database is asked, and a browser may keep it for a minute.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
            IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Response},
    routing::get,
};
use domicile_app::standing::{Language, StatusPage, Written};
use domicile_core::error::ErrorKind;

use crate::{error::Failure, state::Services};

const HTML: &str = "text/html; charset=utf-8";
const ATOM: &str = "application/atom+xml; charset=utf-8";

/// The routes.
pub(crate) fn routes() -> Router<Services> {
    Router::new()
        .route("/status", get(best))
        .route("/status/{language}", get(page))
        .route("/status/{language}/feed.atom", get(feed))
}

/// The page in the language that the browser likes best.
async fn best(State(status): State<Arc<StatusPage>>, headers: HeaderMap) -> Response {
    let wanted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let language = Language::accepted(wanted);
    let mut answer = written(&status, &status.page(language), HTML, language, &headers);
    answer.headers_mut().insert(VARY, HeaderValue::from_static("accept-language"));
    answer
}

async fn page(
    State(status): State<Arc<StatusPage>>,
    Path(language): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let language = known(&language)?;
    Ok(written(&status, &status.page(language), HTML, language, &headers))
}

async fn feed(
    State(status): State<Arc<StatusPage>>,
    Path(language): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let language = known(&language)?;
    Ok(written(&status, &status.feed(language), ATOM, language, &headers))
}

fn known(code: &str) -> Result<Language, Failure> {
    let found = Language::ALL.into_iter().find(|language| language.code() == code);
    Ok(found.ok_or_else(|| ErrorKind::NotFound.with("The status page is in en, de, ru and zh."))?)
}

fn written(
    status: &StatusPage,
    page: &Written,
    kind: &'static str,
    language: Language,
    headers: &HeaderMap,
) -> Response {
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_known = known.split(',').any(|tag| tag.trim().trim_start_matches("W/") == page.etag);
    let mut answer =
        if is_known { StatusCode::NOT_MODIFIED.into_response() } else { Body::from(page.body.clone()).into_response() };
    let text = |value: &str| HeaderValue::from_str(value).unwrap_or(HeaderValue::from_static(""));
    let told: [(HeaderName, HeaderValue); 7] = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CONTENT_LANGUAGE, HeaderValue::from_static(language.code())),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=60, stale-if-error=86400")),
        (ETAG, text(&page.etag)),
        (CONTENT_SECURITY_POLICY, text(status.policy())),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    answer.headers_mut().extend(told);
    answer
}
