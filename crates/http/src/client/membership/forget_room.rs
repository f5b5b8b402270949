//! POST /_matrix/client/v3/rooms/{roomId}/forget (Room membership: Leaving rooms)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::Members;
use ruma::api::client::membership::forget_room::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Forgets a room that the user has left.
pub(super) async fn forget_room(State(members): State<Arc<Members>>, request: Authed<Request>) -> Reply<Response> {
    members.forget(&request.session, &request.body.room_id).await?;
    Ok(Answer(Response::new()))
}
