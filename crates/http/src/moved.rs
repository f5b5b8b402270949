//! Requests of people who are on their way to another cell, or have moved there: these wait, or are passed on until the old address ends.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domicile_app::{
    accounts::sessions::{TokenHash, token_hash},
    federation::Bounds,
    moves::{Departures, Way},
    residency::InnerLink,
};
use domicile_core::{
    error::{ErrorKind, MatrixError},
    limits,
    locality::CellName,
};
use http_body_util::{BodyExt, Limited};

use crate::{
    error::Failure,
    extract::token,
    inner::pass::{BYTES, PREFIX, TOKEN},
};

/// The longest that an answer may take: as long as a client waits for news, and a bit.
const TIME: Duration = Duration::from_millis(limits::SYNC_TIMEOUT_MS + 30_000);

/// What passes requests on.
#[derive(Clone)]
pub struct Passing {
    /// Whose requests these are.
    pub departures: Arc<Departures>,
    /// The way to other cells.
    pub link: Arc<InnerLink>,
}

/// Looks whose a request is before anything else does.
pub async fn pass_on(State(passing): State<Passing>, request: Request, next: Next) -> Response {
    let hash = match of_request(request).await {
        Ok((request, None)) => return next.run(request).await,
        Ok((request, Some(hash))) => (request, hash),
        Err(error) => return Failure::from(error).into_response(),
    };
    let (request, hash) = hash;
    match passing.departures.way(&hash).await {
        Way::Here => next.run(request).await,
        Way::Later(error) => Failure::from(error).into_response(),
        Way::Elsewhere(cell) => match passed(&passing.link, &cell, request).await {
            Ok(response) => response,
            Err(error) => Failure::from(error).into_response(),
        },
    }
}

/// The hash of the token of a request. That of a refresh stands in its body.
async fn of_request(request: Request) -> Result<(Request, Option<TokenHash>), MatrixError> {
    if let Some(token) = token(request.headers(), request.uri().query()) {
        let hash = token_hash(token);
        return Ok((request, Some(hash)));
    }
    if !request.uri().path().ends_with("/refresh") {
        return Ok((request, None));
    }
    let (parts, body) = request.into_parts();
    let too_large = || ErrorKind::TooLarge.with("The request's body is too large, or did not arrive whole.");
    let bytes = Limited::new(body, limits::BODY_BYTES).collect().await.map_err(|_| too_large())?.to_bytes();
    let told: Option<serde_json::Value> = serde_json::from_slice(&bytes).ok();
    let hash = told.and_then(|told| told.get("refresh_token")?.as_str().map(token_hash));
    Ok((Request::from_parts(parts, Body::from(bytes)), hash))
}

async fn passed(link: &InnerLink, cell: &CellName, request: Request) -> Result<Response, MatrixError> {
    let (parts, body) = request.into_parts();
    let unreadable = || ErrorKind::TooLarge.with("The request's body is too large, or did not arrive whole.");
    let bytes = Limited::new(body, BYTES).collect().await.map_err(|_| unreadable())?.to_bytes();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut passed = axum::http::Request::builder().method(parts.method).uri(format!("{PREFIX}{path}"));
    for name in [header::CONTENT_TYPE, header::ACCEPT, header::RANGE, header::USER_AGENT] {
        if let Some(value) = parts.headers.get(&name) {
            passed = passed.header(name, value);
        }
    }
    if let Some(token) = parts.headers.get(header::AUTHORIZATION) {
        passed = passed.header(TOKEN, HeaderValue::clone(token));
    }
    let passed = passed.body(bytes).map_err(|_| unreadable())?;
    let bounds = Bounds { time: TIME, bytes: BYTES };
    let answer = link.ask(cell, passed, bounds).await.map_err(|error| {
        tracing::info!(%error, "a request of somebody who has moved could not be passed on");
        let text = "Your account has moved to another part of the service, which cannot be reached from here at the moment: try again soon.";
        MatrixError { retry_after_ms: Some(2_000), ..ErrorKind::Unavailable.with(text) }
    })?;
    let (mut head, bytes) = answer.into_parts();
    for name in [header::CONNECTION, header::TRANSFER_ENCODING, HeaderName::from_static("keep-alive")] {
        head.headers.remove(name);
    }
    // The layer for browsers adds its own.
    head.headers.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    Ok(Response::from_parts(head, Body::from(bytes)))
}
