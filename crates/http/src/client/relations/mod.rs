//! Children of events.

mod get_relating_events;
mod get_relating_events_with_rel_type;
mod get_relating_events_with_rel_type_and_event_type;

use std::sync::Arc;

use axum::Router;
use domicile_app::{
    Result,
    accounts::Session,
    rooms::{
        RoomReader,
        reader::{DEPTH, RelationsPage, RelationsRequest, bounded, is_backward},
    },
    sync::token::{timeline_position, timeline_token},
};
use ruma::{
    EventId, RoomId, UInt,
    api::{Direction, client::relations as api},
    events::AnyMessageLikeEvent,
    serde::Raw,
};

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_relating_events::v1::Request, _, _>(get_relating_events::get_relating_events)
        .endpoint::<api::get_relating_events_with_rel_type::v1::Request, _, _>(
            get_relating_events_with_rel_type::get_relating_events_with_rel_type,
        )
        .endpoint::<api::get_relating_events_with_rel_type_and_event_type::v1::Request, _, _>(
            get_relating_events_with_rel_type_and_event_type::get_relating_events_with_rel_type_and_event_type,
        )
}

/// Children of an answer when the request does not say how many.
const DEFAULT_LIMIT: u64 = 50;

/// What the three requests have in common.
struct Asked<'a> {
    session: &'a Session,
    room_id: &'a RoomId,
    event_id: &'a EventId,
    from: Option<String>,
    to: Option<String>,
    dir: Direction,
    limit: Option<UInt>,
    recurse: bool,
}

/// What the three answers have in common.
struct Told {
    chunk: Vec<Raw<AnyMessageLikeEvent>>,
    next_batch: Option<String>,
    prev_batch: Option<String>,
    recursion_depth: Option<UInt>,
}

async fn relations(reader: &Arc<RoomReader>, asked: Asked<'_>, rel_type: String, kind: String) -> Result<Told> {
    let wanted = RelationsRequest {
        rel_type,
        kind,
        from: asked.from.as_deref().map(timeline_position).transpose()?,
        to: asked.to.as_deref().map(timeline_position).transpose()?,
        backward: is_backward(asked.dir),
        limit: bounded(asked.limit.map_or(DEFAULT_LIMIT, u64::from))?.max(1),
        recurse: asked.recurse,
    };
    let page = reader.relations(asked.session, asked.room_id, asked.event_id, wanted).await?;
    let RelationsPage { events, end } = page;
    Ok(Told {
        chunk: events.into_iter().map(Raw::from_json).collect(),
        next_batch: end.map(timeline_token),
        prev_batch: asked.from,
        recursion_depth: asked.recurse.then(|| DEPTH.into()),
    })
}
