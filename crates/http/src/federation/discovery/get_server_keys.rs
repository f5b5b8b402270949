//! GET /_matrix/key/v2/server (Publishing Keys)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::OwnKeys;
use ruma::api::federation::discovery::get_server_keys::v2::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// The keys of this server.
pub(super) async fn get_server_keys(State(keys): State<Arc<OwnKeys>>, _request: Public<Request>) -> Reply<Response> {
    Ok(Answer(Response::new(keys.list()?)))
}
