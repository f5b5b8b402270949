//! POST /_matrix/client/v3/rooms/{roomId}/join (Room membership: Joining rooms)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::accounts::{
    RateLimits,
    rate_limits::{Key, Limit},
};
use domicile_app::rooms::Members;
use ruma::api::client::membership::join_room_by_id::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Joins a room by its id.
pub(super) async fn join_room_by_id(
    State(members): State<Arc<Members>>,
    State(limits): State<Arc<RateLimits>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    limits.check(Limit::Joins, Key::Account(request.session.user_num))?;
    let body = request.body;
    let room_id = body.room_id.clone();
    members.join(&request.session, &body.room_id, &[], body.reason).await?;
    Ok(Answer(Response::new(room_id)))
}
