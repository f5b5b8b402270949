//! GET /_matrix/federation/v1/event_auth/{roomId}/{eventId} (Server-Server: Authorization rules)

use std::sync::Arc;

use axum::{extract::State, response::Response};
use domicile_app::federation::RoomStates;
use ruma::api::federation::authorization::get_event_authorization::v1::Request;

use crate::{error::Failure, federation::extract::Peer};

/// Everything that allows an event.
pub(super) async fn get_event_authorization(
    State(states): State<Arc<RoomStates>>,
    request: Peer<Request>,
) -> Result<Response, Failure> {
    let Request { room_id, event_id, .. } = &request.body;
    Ok(crate::federation::json(states.auth_chain(&request.origin, room_id, event_id).await?))
}
