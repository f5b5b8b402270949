//! State of rooms.

mod get_state_event_for_key;
mod get_state_events;
mod send_state_event;

use axum::{Router, routing::get};
use ruma::api::client::state as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area. An empty state key may be left out, with or without its slash.
pub fn routes() -> Router<Services> {
    let router = Router::new()
        .endpoint::<api::get_state_event_for_key::v3::Request, _, _>(get_state_event_for_key::get_state_event_for_key)
        .endpoint::<api::get_state_events::v3::Request, _, _>(get_state_events::get_state_events)
        .endpoint::<api::send_state_event::v3::Request, _, _>(send_state_event::send_state_event);
    ["r0", "v3"].into_iter().flat_map(|version| [(version, ""), (version, "/")]).fold(
        router,
        |router, (version, end)| {
            let path = format!("/_matrix/client/{version}/rooms/{{room_id}}/state/{{event_type}}{end}");
            router.route(
                &path,
                get(get_state_event_for_key::get_state_event_for_key).put(send_state_event::send_state_event),
            )
        },
    )
}
