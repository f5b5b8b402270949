//! GET /_matrix/client/v3/rooms/{roomId}/context/{eventId} (Event context)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    rooms::{
        RoomReader,
        reader::{ContextRequest, bounded},
    },
    sync::{filter::EventChoice, token::timeline_token},
};
use ruma::{
    api::client::context::get_context::v3::{Request, Response},
    serde::Raw,
};

use crate::{
    answer::{Answer, Reply},
    extract::Authed,
};

/// An event with what stands around it.
pub(super) async fn get_context(State(reader): State<Arc<RoomReader>>, request: Authed<Request>) -> Reply<Response> {
    let body = request.body;
    let limit = bounded(body.limit.into())?;
    let wanted = ContextRequest {
        before: limit / 2,
        after: limit - limit / 2,
        choice: EventChoice::from(&body.filter),
        lazy_members: !body.filter.lazy_load_options.is_disabled(),
    };
    let context = reader.context(&request.session, &body.room_id, &body.event_id, wanted).await?;
    let mut response = Response::new();
    response.start = Some(timeline_token(context.start));
    response.end = Some(timeline_token(context.end));
    response.events_before = context.before.into_iter().map(Raw::from_json).collect();
    response.event = Some(Raw::from_json(context.event));
    response.events_after = context.after.into_iter().map(Raw::from_json).collect();
    response.state = context.state.into_iter().map(Raw::from_json).collect();
    Ok(Answer(response))
}
