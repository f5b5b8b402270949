//! GET /_matrix/client/v3/rooms/{roomId}/initialSync (Room Previews)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{rooms::RoomReader, sync::token::timeline_token};
use ruma::{
    api::client::{
        peeking::get_current_state::v3::{PaginationChunk, Request, Response},
        room::Visibility,
    },
    serde::Raw,
};
use serde_json::value::to_raw_value;

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// A room at once.
pub(super) async fn get_current_state(
    State(reader): State<Arc<RoomReader>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let room_id = request.body.room_id;
    let room = reader.peek(&request.session, &room_id).await?;
    let mut response = Response::new(room_id);
    response.membership = room.membership.map(|membership| membership.as_str().into());
    response.visibility = Some(if room.is_public { Visibility::Public } else { Visibility::Private });
    let events = room.events.into_iter().map(Raw::from_json).collect();
    let mut messages = PaginationChunk::new(events, timeline_token(room.end));
    messages.start = room.start.map(timeline_token);
    response.messages = Some(messages);
    response.state = room.state.into_iter().map(Raw::from_json).collect();
    for (kind, content) in room.account_data {
        let content = serde_json::value::RawValue::from_string(content).map_err(domicile_app::Error::internal)?;
        let event = serde_json::json!({ "type": kind, "content": content });
        response.account_data.push(Raw::from_json(to_raw_value(&event).map_err(domicile_app::Error::internal)?));
    }
    Ok(Answer(response))
}
