//! Rooms: making them, and single events of theirs.

mod aliases;
mod create_room;
mod get_event_by_timestamp;
mod get_room_event;
mod get_summary;
mod report_content;
mod report_room;
mod upgrade_room;

use axum::Router;
use ruma::api::client::room as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::aliases::v3::Request, _, _>(aliases::aliases)
        .endpoint::<api::create_room::v3::Request, _, _>(create_room::create_room)
        .endpoint::<api::get_event_by_timestamp::v1::Request, _, _>(get_event_by_timestamp::get_event_by_timestamp)
        .endpoint::<api::get_room_event::v3::Request, _, _>(get_room_event::get_room_event)
        .endpoint::<api::get_summary::v1::Request, _, _>(get_summary::get_summary)
        .endpoint::<api::report_content::v3::Request, _, _>(report_content::report_content)
        .endpoint::<api::report_room::v3::Request, _, _>(report_room::report_room)
        .endpoint::<api::upgrade_room::v3::Request, _, _>(upgrade_room::upgrade_room)
}
