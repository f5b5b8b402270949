//! POST /_matrix/client/v3/rooms/{roomId}/unban (Room membership: Banning users in a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::Members;
use ruma::api::client::membership::unban_user::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Takes a ban back.
pub(super) async fn unban_user(
    State(members): State<Arc<Members>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    let body = request.body;
    members.unban(&request.session, &body.room_id, &body.user_id, body.reason).await?;
    Ok(Answer(Response::new()))
}
