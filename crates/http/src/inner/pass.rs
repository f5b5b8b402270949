//! Any method, /_domicile/inner/v1/client/… (requests of people who have moved here, which their old address passes on)

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, header::AUTHORIZATION},
    response::{IntoResponse, Response},
    routing::any,
};
use domicile_core::error::ErrorKind;
use tower::ServiceExt;

use crate::{
    error::Failure,
    extract::BodyLimit,
    federation::extract,
    router::{self, Apis},
    state::Services,
};

/// What stands before the path of a request that is passed on.
pub const PREFIX: &str = "/_domicile/inner/v1/client";
/// What the client said in `Authorization`.
pub const TOKEN: &str = "x-domicile-authorization";
/// Bytes of a request that is passed on.
pub const BYTES: usize = 64 * 1024 * 1024;

pub(super) fn routes(services: &Services) -> Router<Services> {
    // The same routes that this cell's own clients ask, but for what passes requests on: nothing goes round in circles.
    let client = router::client_routes(services.clone(), Apis::CLIENT);
    let pass = move |state: State<Services>, request: Request| pass(client.clone(), state, request);
    Router::new().route(&format!("{PREFIX}/{{*path}}"), any(pass))
}

async fn pass(client: Router, State(services): State<Services>, mut request: Request) -> Result<Response, Failure> {
    request.extensions_mut().insert(BodyLimit(BYTES));
    let (parts, raw, _) = extract::inner(request, &services.inbound).await?;
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str()).strip_prefix(PREFIX);
    let path = path.filter(|path| path.starts_with("/_matrix/") || path.starts_with("/_domicile/client"));
    let path = path.ok_or_else(|| ErrorKind::Unrecognized.with("There is no such endpoint."))?;
    let mut builder = axum::http::Request::builder().method(parts.method).uri(path);
    for (name, value) in &parts.headers {
        if name != AUTHORIZATION && name.as_str() != TOKEN {
            builder = builder.header(name, value);
        }
    }
    if let Some(token) = parts.headers.get(TOKEN) {
        builder = builder.header(AUTHORIZATION, HeaderValue::clone(token));
    }
    let request =
        builder.body(Body::from(raw)).map_err(|_| ErrorKind::BadRequest.with("The request cannot be passed on."))?;
    Ok(client.oneshot(request).await.into_response())
}
