//! POST /_matrix/client/v3/rooms/{roomId}/kick (Room membership: Leaving rooms)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::Members;
use ruma::api::client::membership::kick_user::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Sends somebody out of a room.
pub(super) async fn kick_user(
    State(members): State<Arc<Members>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    let body = request.body;
    members.kick(&request.session, &body.room_id, &body.user_id, body.reason).await?;
    Ok(Answer(Response::new()))
}
