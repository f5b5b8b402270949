//! GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags (Room tagging)

use std::sync::Arc;

use axum::{Json, extract::State};
use domicile_app::account_data::AccountData;
use ruma::api::client::tag::get_tags::v3::Request;
use serde_json::{Value, json};

use crate::{error::Failure, extract::Authed};

/// The tags of a room.
pub(super) async fn get_tags(
    State(data): State<Arc<AccountData>>,
    request: Authed<Request>,
) -> Result<Json<Value>, Failure> {
    let Request { user_id, room_id, .. } = request.body;
    let tags = data.tags(&request.session, &user_id, &room_id).await?;
    Ok(Json(json!({ "tags": tags })))
}
