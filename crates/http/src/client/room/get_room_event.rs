//! GET /_matrix/client/v3/rooms/{roomId}/event/{eventId} (Getting events for a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::RoomReader;
use ruma::{
    api::client::room::get_room_event::v3::{Request, Response},
    serde::Raw,
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// One event.
pub(super) async fn get_room_event(State(reader): State<Arc<RoomReader>>, request: Authed<Request>) -> Reply<Response> {
    let event = reader.event(&request.session, &request.body.room_id, &request.body.event_id).await?;
    Ok(Answer(Response::new(Raw::from_json(event))))
}
