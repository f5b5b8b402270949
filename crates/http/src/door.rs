//! The front door of a cell among others: requests of clients whose home is another cell go there, where its region lets people in through any
//! door. They are neither kept nor logged here.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use domicile_app::{
    Error,
    accounts::Sessions,
    front_door::{ADDRESS, FrontDoor, THROUGH, TOKEN, Way},
};
use domicile_core::{error::ErrorKind, locality::CellName};
use http::{HeaderMap, HeaderValue, Method, Uri, header, request::Parts};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    error::Failure,
    extract::{BodyLimit, Client, bearer, read},
    state::Services,
};

/// Bytes of a request that is passed through: the largest is an upload.
const BYTES: usize = 256 << 20;
/// Headers that matter to whoever answers.
const HEADERS: [header::HeaderName; 5] =
    [header::CONTENT_TYPE, header::ACCEPT, header::RANGE, header::IF_NONE_MATCH, header::CONTENT_DISPOSITION];

/// Stands before the Client-Server API.
pub(crate) async fn stand_before(State(services): State<Services>, request: Request, next: Next) -> Response {
    match Box::pin(decide(&services, request)).await {
        Ok(Decided::Here(request)) => next.run(*request).await,
        Ok(Decided::Answered(answer)) => answer,
        Err(failure) => failure.into_response(),
    }
}

enum Decided {
    /// This cell answers.
    Here(Box<Request>),
    /// The home has answered.
    Answered(Response),
}

/// What a login or a refresh says of who it is.
#[derive(Deserialize)]
struct Who {
    #[serde(rename = "type")]
    kind: Option<String>,
    identifier: Option<Identifier>,
    user: Option<String>,
    refresh_token: Option<Value>,
}

#[derive(Deserialize)]
struct Identifier {
    user: Option<String>,
}

async fn decide(services: &Services, request: Request) -> Result<Decided, Failure> {
    let door = &services.front_door;
    let path = request.uri().path();
    let is_post = request.method() == Method::POST;
    if is_post && path.ends_with("/login") && path.starts_with("/_matrix/client/") {
        return login(door, request).await;
    }
    if is_post && path.ends_with("/refresh") && path.starts_with("/_matrix/client/") {
        return refresh(services, request).await;
    }
    let token = bearer(request.headers(), request.uri().query()).map(str::to_owned);
    match token {
        Some(token) if !is_known(&services.sessions, &token).await => match door.home_of(&token).await {
            Some(cell) => {
                let (parts, body) = whole(request).await?;
                through(door, &cell, parts, body).await
            }
            None => Ok(Decided::Here(Box::new(request))),
        },
        _ => Ok(Decided::Here(Box::new(request))),
    }
}

/// Whether a token is one of this cell's, be it expired or of a locked account.
async fn is_known(sessions: &Sessions, token: &str) -> bool {
    match sessions.authenticate_to_leave(token).await {
        Err(Error::Matrix(error)) => error.kind != ErrorKind::UnknownToken,
        _ => true,
    }
}

async fn login(door: &Arc<FrontDoor>, request: Request) -> Result<Decided, Failure> {
    let address = request.extensions().get::<Client>().and_then(|client| client.address);
    let (parts, body) = whole(request).await?;
    let who = serde_json::from_slice::<Who>(&body).ok();
    // Anything but a password says of whom it is only to whoever made it.
    let who = who.filter(|who| who.kind.as_deref() == Some("m.login.password"));
    let name = who.and_then(|who| who.identifier.and_then(|identifier| identifier.user).or(who.user));
    let Some(name) = name else { return Ok(here(parts, body)) };
    match door.login(&name, address).await? {
        Way::Here => Ok(here(parts, body)),
        Way::Refused(error) => Err(error.into()),
        Way::Through { cell, address } => {
            let answered = answer(door, &cell, parts, body).await?;
            Ok(Decided::Answered(with_address(answered, &address)))
        }
    }
}

async fn refresh(services: &Services, request: Request) -> Result<Decided, Failure> {
    let (parts, body) = whole(request).await?;
    let token = serde_json::from_slice::<Who>(&body).ok().and_then(|who| who.refresh_token);
    let token = token.as_ref().and_then(Value::as_str);
    match token {
        Some(token) if !services.sessions.may_refresh(token).await? => match services.front_door.home_of(token).await {
            Some(cell) => through(&services.front_door, &cell, parts, body).await,
            None => Ok(here(parts, body)),
        },
        _ => Ok(here(parts, body)),
    }
}

fn here(parts: Parts, body: Bytes) -> Decided {
    Decided::Here(Box::new(Request::from_parts(parts, Body::from(body))))
}

async fn whole(mut request: Request) -> Result<(Parts, Bytes), Failure> {
    request.extensions_mut().insert(BodyLimit(BYTES));
    Ok(read(request).await?)
}

async fn through(door: &Arc<FrontDoor>, cell: &CellName, parts: Parts, body: Bytes) -> Result<Decided, Failure> {
    Ok(Decided::Answered(answer(door, cell, parts, body).await?.map(Body::from)))
}

async fn answer(
    door: &Arc<FrontDoor>,
    cell: &CellName,
    parts: Parts,
    body: Bytes,
) -> Result<http::Response<Bytes>, Failure> {
    let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let uri: Uri = format!("{THROUGH}{path}").parse().map_err(Error::internal)?;
    let mut request = http::Request::new(body);
    *request.method_mut() = parts.method;
    *request.uri_mut() = uri;
    for name in HEADERS {
        if let Some(value) = parts.headers.get(&name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    // Between cells, `Authorization` is the cell's own.
    if let Some(token) = parts.headers.get(header::AUTHORIZATION) {
        request.headers_mut().insert(TOKEN, token.clone());
    }
    let address = parts.extensions.get::<Client>().and_then(|client| client.address);
    if let Some(address) = address.and_then(|address| HeaderValue::try_from(address.to_string()).ok()) {
        request.headers_mut().insert(ADDRESS, address);
    }
    Ok(door.through(cell, request).await?)
}

/// The answer to a login with the address of the home, to which clients go from then on (client-server, `well_known`).
fn with_address(answer: http::Response<Bytes>, address: &str) -> Response {
    if !answer.status().is_success() {
        return answer.map(Body::from);
    }
    let (mut parts, body) = answer.into_parts();
    let Ok(Value::Object(mut login)) = serde_json::from_slice(&body) else {
        return Response::from_parts(parts, Body::from(body));
    };
    login.insert("well_known".to_owned(), serde_json::json!({ "m.homeserver": { "base_url": address } }));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(Value::Object(login).to_string()))
}

/// A request that another cell passes through, as the client made it.
pub(crate) fn as_made(headers: &mut HeaderMap) -> Client {
    headers.remove(header::AUTHORIZATION);
    if let Some(token) = headers.remove(TOKEN) {
        headers.insert(header::AUTHORIZATION, token);
    }
    let address = headers.remove(ADDRESS);
    Client { address: address.and_then(|address| address.to_str().ok()?.parse().ok()) }
}
