//! The public directory.

mod get_public_rooms;
mod get_public_rooms_filtered;
mod get_room_visibility;
mod set_room_visibility;

use axum::Router;
use ruma::api::client::directory as api;

use crate::{router::Endpoint, state::Services};

/// The routes of the area.
pub fn routes() -> Router<Services> {
    Router::new()
        .endpoint::<api::get_public_rooms::v3::Request, _, _>(get_public_rooms::get_public_rooms)
        .endpoint::<api::get_public_rooms_filtered::v3::Request, _, _>(
            get_public_rooms_filtered::get_public_rooms_filtered,
        )
        .endpoint::<api::get_room_visibility::v3::Request, _, _>(get_room_visibility::get_room_visibility)
        .endpoint::<api::set_room_visibility::v3::Request, _, _>(set_room_visibility::set_room_visibility)
}
