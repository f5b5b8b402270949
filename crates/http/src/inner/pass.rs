//! Any method, /_domicile/inner/v1/client/… (requests of this cell's people who came to another one, or whose old address that is)

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, Uri},
    response::{IntoResponse, Response},
    routing::any,
};
use domicile_app::{
    Error,
    accounts::sessions::{TokenHash, token_hash},
    moves::{Departures, Way},
};
use domicile_core::{
    error::{ErrorKind, MatrixError},
    locality::CellName,
};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tower::ServiceExt;

use super::from_cell;
use crate::{
    door,
    error::Failure,
    extract::BodyLimit,
    moved::of_request,
    passing::{self, BYTES, MOVED, PREFIX},
    router::{self, Apis},
    state::Services,
};

pub(super) fn routes(services: &Services) -> Router<Services> {
    // The same routes that this cell's own clients ask, but for what passes requests on: nothing goes round in circles. Whoever is on the way
    // waits here as there.
    let client = router::client_routes(services.clone(), Apis::CLIENT);
    let pass = move |state: State<Services>, request: Request| pass(client.clone(), state, request);
    Router::new().route(&format!("{PREFIX}/{{*path}}"), any(pass))
}

async fn pass(client: Router, State(services): State<Services>, mut request: Request) -> Result<Response, Failure> {
    request.extensions_mut().insert(BodyLimit(BYTES));
    let (mut parts, raw, cell) = from_cell(request, &services.inbound).await?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str()).strip_prefix(PREFIX);
    let path = path.filter(|path| path.starts_with("/_matrix/") || path.starts_with("/_domicile/client"));
    let path = path.ok_or_else(|| ErrorKind::Unrecognized.with("There is no such endpoint."))?;
    let uri: Uri = path.parse().map_err(|_| ErrorKind::BadRequest.with("The request cannot be passed on."))?;
    // A token shows that its owner has signed in. A password is taken where the region says so.
    if parts.method == Method::POST && door::is_operation(uri.path(), "login") {
        services.front_door.opens_to(&cell)?;
    }
    let asker = passing::as_made(&mut parts.headers);
    let mut request = Request::new(Body::from(raw));
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (parts.method, uri, parts.headers);
    request.extensions_mut().insert(asker);
    let (request, hash) = of_request(request).await?;
    if let Some(hash) = hash {
        match services.departures.way(&hash).await {
            Way::Here => note(&services, &hash, &cell).await?,
            Way::Later(error) => return Err(error.into()),
            Way::Elsewhere(_) => return Ok(moved(&services.departures, &hash)),
        }
    }
    let gives_token = *request.method() == Method::POST
        && ["login", "refresh"].iter().any(|name| door::is_operation(request.uri().path(), name));
    let answer = client.oneshot(request).await.into_response();
    if gives_token && answer.status().is_success() { given(&services, answer, &cell).await } else { Ok(answer) }
}

/// Notes that a token goes through the hands of the cell at whose door its owner is.
async fn note(services: &Services, hash: &TokenHash, cell: &CellName) -> Result<(), Failure> {
    match services.front_door.seen() {
        Some(seen) => Ok(seen.note(hash, cell).await?),
        None => Ok(()),
    }
}

/// The same of one that an answer gives.
async fn given(services: &Services, answer: Response, cell: &CellName) -> Result<Response, Failure> {
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(Error::internal)?.to_bytes();
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(token) = said["access_token"].as_str() {
        note(services, &token_hash(token), cell).await?;
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

/// What is answered for somebody who has left. A cell that lets people in by its door asks again where they are; their client, if it should come to
/// that, is told to sign in there and to keep its keys.
fn moved(departures: &Departures, hash: &TokenHash) -> Response {
    let told = departures.check_address(hash).err().unwrap_or_else(|| {
        // They came back this moment.
        let text = "Your account is on its way to another part of the service: try again soon.";
        MatrixError { retry_after_ms: Some(2_000), ..ErrorKind::Unavailable.with(text) }.into()
    });
    let mut answer = Failure(told).into_response();
    answer.headers_mut().insert(MOVED, HeaderValue::from_static("1"));
    answer
}
