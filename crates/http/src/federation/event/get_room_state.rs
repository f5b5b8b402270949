//! GET /_matrix/federation/v1/state/{roomId} (Server-Server: Retrieving events)

use std::sync::Arc;

use axum::{extract::State, response::Response};
use domicile_app::federation::RoomStates;
use ruma::api::federation::event::get_room_state::v1::Request;

use crate::{error::Failure, federation::extract::Peer};

/// The state before an event, with what allows it.
pub(super) async fn get_room_state(
    State(states): State<Arc<RoomStates>>,
    request: Peer<Request>,
) -> Result<Response, Failure> {
    let Request { room_id, event_id, .. } = &request.body;
    Ok(crate::federation::json(states.state(&request.origin, room_id, event_id).await?))
}
