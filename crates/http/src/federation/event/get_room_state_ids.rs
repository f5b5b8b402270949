//! GET /_matrix/federation/v1/state_ids/{roomId} (Server-Server: Retrieving events)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::federation::RoomStates;
use ruma::api::federation::event::get_room_state_ids::v1::{Request, Response};

use crate::{
    answer::{Answer, Reply},
    federation::extract::Peer,
};

/// The ids of the state before an event, and of what allows it.
pub(super) async fn get_room_state_ids(
    State(states): State<Arc<RoomStates>>,
    request: Peer<Request>,
) -> Reply<Response> {
    let Request { room_id, event_id, .. } = &request.body;
    let (state, auth_chain) = states.state_ids(&request.origin, room_id, event_id).await?;
    Ok(Answer(Response::new(auth_chain, state)))
}
