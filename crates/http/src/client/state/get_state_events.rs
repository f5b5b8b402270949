//! GET /_matrix/client/v3/rooms/{roomId}/state (Getting events for a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::RoomReader;
use ruma::api::client::state::get_state_events::v3::Request;

use crate::{answer::LongAnswer, error::Failure, extract::Authed};

/// All of a room's state.
pub(super) async fn get_state_events(
    State(reader): State<Arc<RoomReader>>,
    request: Authed<Request>,
) -> Result<LongAnswer, Failure> {
    let events = reader.state(&request.session, &request.body.room_id).await?;
    Ok(LongAnswer("[", events, "]"))
}
