//! GET /_matrix/client/v3/rooms/{roomId}/messages (Getting events for a room)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    rooms::{
        RoomReader,
        reader::{PageRequest, bounded, is_backward},
    },
    sync::{
        filter::EventChoice,
        token::{gap_place, gap_token, timeline_position, timeline_token},
    },
};
use ruma::{
    api::client::message::get_message_events::v3::{Request, Response},
    serde::Raw,
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// A part of a room's past.
pub(super) async fn get_message_events(
    State(reader): State<Arc<RoomReader>>,
    request: Authed<Request>,
) -> Reply<Response> {
    let body = request.body;
    let gap = body.from.as_deref().and_then(gap_place);
    let wanted = PageRequest {
        from: body.from.as_deref().filter(|_| gap.is_none()).map(timeline_position).transpose()?,
        gap,
        to: body.to.as_deref().map(timeline_position).transpose()?,
        backward: is_backward(body.dir),
        limit: bounded(body.limit.into())?,
        choice: EventChoice::from(&body.filter),
        lazy_members: !body.filter.lazy_load_options.is_disabled(),
    };
    let page = reader.page(&request.session, &body.room_id, wanted).await?;
    let mut response = Response::new();
    response.start = body.from.unwrap_or_else(|| timeline_token(page.start));
    response.end = page.gap.map(gap_token).or(page.end.map(timeline_token));
    response.chunk = page.events.into_iter().map(Raw::from_json).collect();
    response.state = page.state.into_iter().map(Raw::from_json).collect();
    Ok(Answer(response))
}
