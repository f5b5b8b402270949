//! GET /.well-known/matrix/server (Resolving server names)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::discovery::Discovery;
use domicile_core::error::ErrorKind;
use ruma::api::federation::discovery::discover_homeserver::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Where other servers find this one.
pub(super) async fn discover_homeserver(
    State(discovery): State<Arc<Discovery>>,
    _request: Public<Request>,
) -> Reply<Response> {
    let unknown = || ErrorKind::NotFound.with("The server's address for other servers is not configured.");
    Ok(Answer(Response::new(discovery.server.clone().ok_or_else(unknown)?)))
}
