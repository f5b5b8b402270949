//! GET /.well-known/matrix/client (Well-known URIs)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::discovery::Discovery;
use domicile_core::error::ErrorKind;
use ruma::api::client::discovery::discover_homeserver::{HomeserverInfo, Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Where clients find the server.
pub(super) async fn discover_homeserver(
    State(discovery): State<Arc<Discovery>>,
    _request: Public<Request>,
) -> Reply<Response> {
    let unknown = || ErrorKind::NotFound.with("The server's public address is not configured.");
    let base_url = discovery.homeserver.clone().ok_or_else(unknown)?;
    Ok(Answer(Response::new(HomeserverInfo::new(base_url))))
}
