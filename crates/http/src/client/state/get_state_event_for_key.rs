//! GET /_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey} (Getting events for a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::{RoomReader, reader::whole};
use ruma::api::client::state::get_state_event_for_key::v3::{Request, Response, StateEventFormat};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// One part of a room's state.
pub(super) async fn get_state_event_for_key(
    State(reader): State<Arc<RoomReader>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let body = request.body;
    let kind = body.event_type.to_string();
    let event = reader.state_event(&request.session, &body.room_id, &kind, &body.state_key).await?;
    let content = reader.parts().shown_content(&event).await?;
    let told = match body.format {
        StateEventFormat::Event => whole(&event, &content)?,
        _ => content,
    };
    Ok(Answer(Response::new(told)))
}
