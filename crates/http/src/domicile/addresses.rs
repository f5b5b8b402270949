//! GET /.well-known/domicile/addresses and /_domicile/client/v1/addresses (where else the service is reached, signed)

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::header::{CACHE_CONTROL, CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use domicile_app::standing::Addresses;

use crate::{error::Failure, extract::Caller, state::Services};

pub(super) fn routes() -> Router<Services> {
    Router::new()
        .route("/.well-known/domicile/addresses", get(for_everybody))
        .route("/_domicile/client/v1/addresses", get(for_user))
}

async fn for_everybody(State(addresses): State<Arc<Addresses>>) -> Result<Response, Failure> {
    Ok(told(addresses.for_everybody()?, "public, max-age=3600"))
}

/// For the caller, unless their country is one in which the operator does not tell it.
async fn for_user(State(addresses): State<Arc<Addresses>>, Caller(session): Caller) -> Result<Response, Failure> {
    Ok(told(addresses.for_user(session.user_num).await?, "private, max-age=3600"))
}

fn told(document: Bytes, kept: &'static str) -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, kept)], document).into_response()
}
