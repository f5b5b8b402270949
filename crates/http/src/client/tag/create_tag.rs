//! PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag} (Room tagging)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::account_data::AccountData;
use domicile_core::error::ErrorKind;
use ruma::api::client::tag::create_tag::v3::{Request, Response};
use serde_json::{Map, Value};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Gives a room a tag.
pub(super) async fn create_tag(State(data): State<Arc<AccountData>>, request: Authed<Request>) -> Reply<Response> {
    let Request { user_id, room_id, tag, .. } = request.body;
    // The whole of what the client says of the tag, not just what ruma knows of it.
    let info: Map<String, Value> = if request.raw.is_empty() {
        Map::new()
    } else {
        serde_json::from_slice(&request.raw)
            .map_err(|error| ErrorKind::BadJson.with(format!("The request's body does not fit: {error}")))?
    };
    data.set_tag(&request.session, &user_id, &room_id, &tag, info).await?;
    Ok(Answer(Response::new()))
}
