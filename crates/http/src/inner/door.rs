//! POST /_domicile/inner/v1/door/whose and /_domicile/inner/v1/door/through/… (people of this cell who came to another one)

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::{any, post},
};
use domicile_app::{
    federation::Inbound,
    front_door::{FrontDoor, THROUGH, TokenAnswer, TokenQuestion, WHOSE},
};
use domicile_core::error::ErrorKind;
use http::Uri;
use tower::ServiceExt as _;

use crate::{door, error::Failure, extract::BodyLimit, federation::extract, router, state::Services};

/// Bytes of a request that is passed through.
const BYTES: usize = 256 << 20;

/// The routes; `services` answers clients.
pub(super) fn routes(services: &Services) -> Router<Services> {
    let behind = router::own_client_api(services.clone());
    let services = services.clone();
    let passing = move |request: Request| through(behind.clone(), services.clone(), request);
    Router::new().route(WHOSE, post(whose)).route(&format!("{THROUGH}/{{*rest}}"), any(passing))
}

/// Tells whether a token is one of this cell's.
async fn whose(
    State(inbound): State<Arc<Inbound>>,
    State(front_door): State<Arc<FrontDoor>>,
    request: Request,
) -> Result<Json<TokenAnswer>, Failure> {
    let (_, raw, cell) = extract::inner(request, &inbound).await?;
    inbound.may_ask(&cell)?;
    let question: TokenQuestion = serde_json::from_slice(&raw)
        .map_err(|error| ErrorKind::BadJson.with(format!("The request cannot be read: {error}.")))?;
    Ok(Json(front_door.is_ours(&question).await?))
}

/// Answers a client that another cell passes through.
async fn through(behind: Router, services: Services, request: Request) -> Response {
    match Box::pin(opened(&services, request)).await {
        Ok(request) => behind.oneshot(request).await.unwrap_or_else(|never| match never {}),
        Err(failure) => failure.into_response(),
    }
}

async fn opened(services: &Services, mut request: Request) -> Result<Request, Failure> {
    request.extensions_mut().insert(BodyLimit(BYTES));
    let (mut parts, raw, cell) = extract::inner(request, &services.inbound).await?;
    services.inbound.may_ask(&cell)?;
    services.front_door.opens()?;
    let path = parts.uri.path_and_query().and_then(|path| path.as_str().strip_prefix(THROUGH));
    let uri = path.and_then(|path| path.parse::<Uri>().ok());
    parts.uri = uri.ok_or_else(|| ErrorKind::InvalidParam.with("The path is none."))?;
    let client = door::as_made(&mut parts.headers);
    parts.extensions = http::Extensions::new();
    parts.extensions.insert(client);
    Ok(Request::from_parts(parts, Body::from(raw)))
}
