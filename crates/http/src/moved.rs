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
    extract::{BodyLimit, token},
    passing::{MOVED, NotPassed, arrived, pass_whole},
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
    let (request, hash) = match of_request(request).await {
        Ok((request, None)) => return next.run(request).await,
        Ok((request, Some(hash))) => (request, hash),
        Err(error) => return Failure::from(error).into_response(),
    };
    match passing.departures.way(&hash).await {
        Way::Here => next.run(request).await,
        Way::Later(error) => Failure::from(error).into_response(),
        Way::Elsewhere(cell) => match passed(&passing, &hash, &cell, request).await {
            Ok(Passed::Answered(response)) => response,
            Ok(Passed::Back(request)) => next.run(*request).await,
            Err(error) => Failure::from(error).into_response(),
        },
    }
}

/// What became of a request that was passed on.
enum Passed {
    /// The answer.
    Answered(Response),
    /// Whoever asks came back here while it was on its way.
    Back(Box<Request>),
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

async fn passed(passing: &Passing, hash: &TokenHash, cell: &CellName, request: Request) -> Result<Passed, MatrixError> {
    let mut whole = arrived(request).await.map_err(told)?;
    let answer = pass_whole(&passing.link, cell, &whole.parts, whole.body.clone()).await;
    let mut answer = answer.map_err(told)?;
    if answer.headers_mut().remove(MOVED).is_none() {
        return Ok(Passed::Answered(answer));
    }
    match passing.departures.way(hash).await {
        Way::Here => {
            // That was for the way, and not for what answers here.
            whole.parts.extensions.remove::<BodyLimit>();
            Ok(Passed::Back(Box::new(Request::from_parts(whole.parts, Body::from(whole.body)))))
        }
        Way::Later(error) => Err(error),
        // Who has moved on from there is told where to.
        Way::Elsewhere(_) => Ok(Passed::Answered(answer)),
    }
}

fn told(not: NotPassed) -> MatrixError {
    match not {
        NotPassed::Request(error) => error,
        NotPassed::Unreached(error) => {
            tracing::info!(%error, "a request of somebody who has moved could not be passed on");
            let text = "Your account has moved to another part of the service, which cannot be reached from here at the moment: try again soon.";
            MatrixError { retry_after_ms: Some(2_000), ..ErrorKind::Unavailable.with(text) }
        }
    }
}
