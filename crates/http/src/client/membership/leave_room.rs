//! POST /_matrix/client/v3/rooms/{roomId}/leave (Room membership: Leaving rooms)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::Members;
use ruma::api::client::membership::leave_room::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Leaves a room, or refuses an invite.
pub(super) async fn leave_room(State(members): State<Arc<Members>>, request: Authed<Request>) -> Reply<Response> {
    let body = request.body;
    members.leave(&request.session, &body.room_id, body.reason).await?;
    Ok(Answer(Response::new()))
}
