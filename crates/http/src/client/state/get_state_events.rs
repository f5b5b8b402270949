//! GET /_matrix/client/v3/rooms/{roomId}/state (Getting events for a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::RoomReader;
use ruma::{
    api::client::state::get_state_events::v3::{Request, Response},
    serde::Raw,
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// All of a room's state.
pub(super) async fn get_state_events(
    State(reader): State<Arc<RoomReader>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let events = reader.state(&request.session, &request.body.room_id).await?;
    Ok(Answer(Response::new(events.into_iter().map(Raw::from_json).collect())))
}
