//! GET /.well-known/matrix/client (Well-known URIs)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{discovery::Discovery, front_door::FrontDoor};
use domicile_core::error::ErrorKind;
use ruma::api::client::discovery::discover_homeserver::{HomeserverInfo, Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Where clients find the server: a cell of a deployment, where the document says that its people find it.
pub(super) async fn discover_homeserver(
    State(discovery): State<Arc<Discovery>>,
    State(front_door): State<Arc<FrontDoor>>,
    _request: Public<Request>,
) -> Reply<Response> {
    let unknown = || ErrorKind::NotFound.with("The server's public address is not configured.");
    let base_url = front_door.own_address().or_else(|| discovery.homeserver.clone()).ok_or_else(unknown)?;
    Ok(Answer(Response::new(HomeserverInfo::new(base_url))))
}
