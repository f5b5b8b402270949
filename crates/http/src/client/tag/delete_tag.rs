//! DELETE /_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag} (Room tagging)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::account_data::AccountData;
use ruma::api::client::tag::delete_tag::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Takes a tag from a room.
pub(super) async fn delete_tag(State(data): State<Arc<AccountData>>, request: Authed<Request>) -> Reply<Response> {
    let Request { user_id, room_id, tag, .. } = request.body;
    data.remove_tag(&request.session, &user_id, &room_id, &tag).await?;
    Ok(Answer(Response::new()))
}
