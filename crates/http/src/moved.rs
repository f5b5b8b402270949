//! Requests of people who are on their way to another cell, or have moved there: these wait, or are passed on until the old address ends.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domicile_app::{
    accounts::sessions::{TokenHash, token_hash},
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
    passing::{self, NotPassed},
};

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
pub(crate) async fn of_request(request: Request) -> Result<(Request, Option<TokenHash>), MatrixError> {
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
    let answer = passing::pass(link, cell, request).await.map(|mut answer| {
        // Who has moved on from there is told where to.
        answer.headers_mut().remove(passing::MOVED);
        answer
    });
    answer.map_err(|not| match not {
        NotPassed::Request(error) => error,
        NotPassed::Unreached(error) => {
            tracing::info!(%error, "a request of somebody who has moved could not be passed on");
            let text = "Your account has moved to another part of the service, which cannot be reached from here at the moment: try again soon.";
            MatrixError { retry_after_ms: Some(2_000), ..ErrorKind::Unavailable.with(text) }
        }
    })
}
