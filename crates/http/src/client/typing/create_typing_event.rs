//! PUT /_matrix/client/v3/rooms/{roomId}/typing/{userId} (Typing notifications)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::ephemeral::TypingNotices;
use ruma::api::client::typing::create_typing_event::v3::{Request, Response, Typing};

use crate::{
    answer::{Answer, Reply},
    extract::Acting,
};

/// Tells that the user types, or no longer.
pub(super) async fn create_typing_event(
    State(notices): State<Arc<TypingNotices>>,
    Acting(request): Acting<Request>,
) -> Reply<Response> {
    let body = request.body;
    let timeout = match body.state {
        Typing::Yes(info) => Some(info.timeout),
        Typing::No => None,
    };
    notices.set(&request.session, &body.room_id, &body.user_id, timeout).await?;
    Ok(Answer(Response::new()))
}
