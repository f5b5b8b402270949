//! The Server-Server API, in areas named as ruma names them.

pub mod authenticated_media;
pub mod authorization;
pub mod backfill;
mod device;
pub mod directory;
pub mod discovery;
pub mod event;
pub mod extract;
mod keys;
mod ledger;
mod membership;
pub mod openid;
pub mod query;
pub mod space;
pub mod thirdparty;
mod transactions;
mod x_matrix;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::header,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
};
use domicile_app::media::ByteStream;

use crate::state::Services;

pub(crate) use ledger::counted_inner;

/// All of the Server-Server API.
pub fn routes() -> Router<Services> {
    Router::new()
        .merge(authenticated_media::routes())
        .merge(authorization::routes())
        .merge(backfill::routes())
        .merge(device::routes())
        .merge(directory::routes())
        .merge(discovery::routes())
        .merge(event::routes())
        .merge(keys::routes())
        .merge(membership::routes())
        .merge(openid::routes())
        .merge(query::routes())
        .merge(space::routes())
        .merge(thirdparty::routes())
        .merge(transactions::routes())
}

/// The same, with what other servers are given counted.
pub fn counted(services: &Services) -> Router<Services> {
    routes().route_layer(from_fn_with_state(Arc::clone(&services.ledger), ledger::counted))
}

/// JSON that is written while it goes out.
fn json(body: ByteStream) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], Body::from_stream(body)).into_response()
}
