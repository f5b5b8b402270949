//! Events and state.

mod get_event;
mod get_event_by_timestamp;
mod get_missing_events;
mod get_room_state;
mod get_room_state_ids;

use axum::Router;
use domicile_app::federation::RoomEvents;
use ruma::{MilliSecondsSinceUnixEpoch, UInt, api::federation::event as api};

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_event::v1::Request, _, _>(get_event::get_event)
        .endpoint::<api::get_event_by_timestamp::v1::Request, _, _>(get_event_by_timestamp::get_event_by_timestamp)
        .endpoint::<api::get_missing_events::v1::Request, _, _>(get_missing_events::get_missing_events)
        .endpoint::<api::get_room_state::v1::Request, _, _>(get_room_state::get_room_state)
        .endpoint::<api::get_room_state_ids::v1::Request, _, _>(get_room_state_ids::get_room_state_ids)
}

/// The time that an answer carries.
pub(super) fn now(events: &RoomEvents) -> MilliSecondsSinceUnixEpoch {
    MilliSecondsSinceUnixEpoch(UInt::try_from(events.now_ms()).unwrap_or_default())
}
