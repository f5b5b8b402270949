//! PUT /_matrix/client/v3/presence/{userId}/status (Presence)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::ephemeral::PresenceNotices;
use ruma::api::client::presence::set_presence::v3::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// Notes how the user says they are.
pub(super) async fn set_presence(
    State(notices): State<Arc<PresenceNotices>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let body = request.body;
    notices.set(&request.session, &body.user_id, body.presence, body.status_msg.as_deref())?;
    Ok(Answer(Response::new()))
}
