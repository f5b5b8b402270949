//! GET /_matrix/client/v3/voip/turnServer (Voice over IP)

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use domicile_app::calls::Calls;
use ruma::api::client::voip::get_turn_server_info::v3 as api;
use serde_json::json;

use crate::{answer::Answer, extract::Authed};

/// Credentials for the TURN servers. Without one the object is empty, which clients take for "no servers"; they ask again after an error.
pub(super) async fn get_turn_server_info(State(calls): State<Arc<Calls>>, request: Authed<api::Request>) -> Response {
    match calls.credentials(&request.session) {
        None => Json(json!({})).into_response(),
        Some(found) => {
            let life = Duration::from_millis(found.life_ms.unsigned_abs());
            Answer(api::Response::new(found.username, found.password, found.uris, life)).into_response()
        }
    }
}
