//! GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType} (Relationships API)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::rooms::RoomReader;
use ruma::api::client::relations::get_relating_events_with_rel_type::v1::{Request, Response};

use super::{Asked, relations};
use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// The children of an event that point at it in one way.
pub(super) async fn get_relating_events_with_rel_type(
    State(reader): State<Arc<RoomReader>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let body = request.body;
    let asked = Asked {
        session: &request.session,
        room_id: &body.room_id,
        event_id: &body.event_id,
        from: body.from,
        to: body.to,
        dir: body.dir,
        limit: body.limit,
        recurse: body.recurse,
    };
    let told = relations(&reader, asked, body.rel_type.to_string(), String::new()).await?;
    let mut response = Response::new(told.chunk);
    response.next_batch = told.next_batch;
    response.prev_batch = told.prev_batch;
    response.recursion_depth = told.recursion_depth;
    Ok(Answer(response))
}
