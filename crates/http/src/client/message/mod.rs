//! Messages: sending them, and paging through a room's past.

mod get_message_events;
mod send_message_event;

use axum::Router;
use ruma::api::client::message as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_message_events::v3::Request, _, _>(get_message_events::get_message_events)
        .endpoint::<api::send_message_event::v3::Request, _, _>(send_message_event::send_message_event)
}
